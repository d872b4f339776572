"""What tables and mixtures have in common: batches, for every framework."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, overload

from ._batches import Batches
from ._errors import CacheWarning, SettingError, warn
from ._ranks import ranks
from ._settings import BatchSettings, CastSettings, checked_settings, chosen_columns

if TYPE_CHECKING:
    import jax
    import tensorflow as tf
    from numpy.typing import ArrayLike, DTypeLike
    from typing_extensions import Unpack

    from ._draws import Draw
    from ._frameworks.jax import JaxBatches
    from ._frameworks.torch import BatchesDataset, RowsDataset
    from ._table import Table


class CastOptions(TypedDict, total=False):
    """What tensors are cast to. See `Table.batches`."""

    layout: Literal["hwc", "chw"] | None
    dtype: DTypeLike | None
    scale: Literal["0..1", "-1..1", "0..255"] | None
    mean: float | Sequence[float] | Literal["imagenet"] | None
    std: float | Sequence[float] | Literal["imagenet"] | None


class PassOptions(CastOptions, total=False):
    """The keywords of a pass. See `Table.batches`."""

    shuffle: bool | int
    seed: int
    drop_last: bool
    columns: Sequence[str] | None
    weights: ArrayLike | Mapping[str, float] | None
    balanced: bool
    rank: int | None
    world_size: int | None
    uneven: Literal["keep", "drop", "pad"] | None
    prefetch: int


class BatchOptions(PassOptions, total=False):
    """The keywords of `Table.batches`."""

    transform: Callable[[Any], Any] | None


class Loading:
    """Rows that training loops load."""

    def _loaded(self) -> Table:
        """The table that is read."""
        raise NotImplementedError

    def _numbered(self) -> Table:
        """The table whose rows are read by number."""
        raise NotImplementedError

    def _drawn(self, weights: Any, balanced: bool) -> Draw | None:
        """What an epoch draws from it, or None for every row once."""
        raise NotImplementedError

    def batches(
        self,
        batch_size: int,
        *,
        shuffle: bool | int = False,
        seed: int = 0,
        drop_last: bool = False,
        columns: Sequence[str] | None = None,
        weights: ArrayLike | Mapping[str, float] | None = None,
        balanced: bool = False,
        layout: Literal["hwc", "chw"] | None = None,
        dtype: DTypeLike | None = None,
        scale: Literal["0..1", "-1..1", "0..255"] | None = None,
        mean: float | Sequence[float] | Literal["imagenet"] | None = None,
        std: float | Sequence[float] | Literal["imagenet"] | None = None,
        transform: Callable[[dict[str, Any]], Any] | None = None,
        rank: int | None = None,
        world_size: int | None = None,
        uneven: Literal["keep", "drop", "pad"] | None = None,
        prefetch: int = 2,
    ) -> Batches:
        """The rows in batches: dictionaries of arrays that may be written to, the tensors (N, H, W, C) and `columns`
        (N,). Every pass is the next epoch; see `Batches`.

        - `batch_size`: rows of a batch, at least 1; the last batch of an epoch may have fewer.
        - `shuffle`: `True` makes every order of the rows equally likely; a number such as 8 mixes the rows of that many
          row groups (16 MiB each) at a time, for files larger than memory. Every epoch has another order.
        - `seed`: decides the orders, 0 to 2**64 - 1.
        - `drop_last`: leaves out a last batch of fewer rows, so that all batches are full.
        - `columns`: names of the columns beside the tensors, of any type; by default `label` if there is one. See
          `Table.column`.

        Which rows an epoch draws, with `shuffle`; it has as many rows as the table:

        - `weights`: an array (N,) of a number for each row, or a mapping of class names to numbers. A row is drawn as
          often as its share of the sum demands, rounded up or down.
        - `balanced`: `True` draws equally many rows of every class. Those of a large class take turns, epoch by epoch;
          those of a small one are repeated.

        What tensors are cast to, in the copy that a batch is anyway; `None` leaves them as they are:

        - `layout`: order of the dimensions.
        - `dtype`: type of the elements: "uint8", "uint16", "float16" or "float32", which it is where there is a scale,
          a mean or a standard deviation.
        - `scale`: where black and white are, for floats made of stored integers. `None`: "0..1".
        - `mean`, `std`: subtracted from scaled elements, which are then divided by `std`: one number, (red, green,
          blue) or "imagenet".

        How it is read:

        - `transform`: is called with each batch, in the thread that asks for it; what it returns is yielded instead.
        - `rank`, `world_size`: reads the part of process `rank` (from 0) of `world_size` processes. `None`: what
          torch.distributed or JAX say if they are initialized, else `RANK` and `WORLD_SIZE` in the environment, else
          all rows.
        - `uneven`: what to do with rows that the ranks can't share equally. "pad" reads the first rows of the epoch
          again at its end, as `DistributedSampler` does; "drop" leaves these rows out; with both, all ranks have
          the same number of rows and batches. "keep" reads every row once, and some ranks may have one more batch, for
          which collective operations of the others wait forever. By default "drop" with `drop_last`, else "pad".
        - `prefetch`: threads that make batches ahead, one each; with 0 a batch is made when it is asked for.

        Raises `SettingError` (a `ValueError`) or `ColumnError` (a `KeyError`), which name what is wrong.
        """
        table = self._loaded()
        settings = checked_settings(
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            drop_last=drop_last,
            columns=chosen_columns(table.schema.names, table.tensor_column, columns),
            draw=self._drawn(weights, balanced),
            cast=CastSettings.of(layout, dtype, scale, mean, std),
            ranks=ranks(rank, world_size),
            uneven=uneven,
            prefetch=prefetch,
        )
        _check_draw(settings, weights, balanced)
        _check_cache(table, settings)
        return Batches(table, settings, transform)

    def to_tf(self, batch_size: int, **options: Unpack[PassOptions]) -> tf.data.Dataset:
        """A `tf.data.Dataset` of tuples: tensors (N, H, W, C), then the columns; of tensors alone if there are no
        columns. For the keywords see `batches`; transforms are for its `map`.

        Its cardinality is the number of batches; with `drop_last=True` the batch size is in its `element_spec`. Each
        pass over it is the next epoch. Needs TensorFlow.
        """
        if "transform" in options:
            raise SettingError("to_tf has no transform: `to_tf(64).map(function)` transforms each batch")
        _refuse_unknown("to_tf", options)
        from ._frameworks.tensorflow import tf_dataset

        return tf_dataset(self.batches(batch_size, **options))

    @overload
    def to_torch(
        self,
        batch_size: None = None,
        *,
        columns: Sequence[str] | None = None,
        transform: Callable[[Any], Any] | None = None,
        **cast: Unpack[CastOptions],
    ) -> RowsDataset: ...

    @overload
    def to_torch(self, batch_size: int, **options: Unpack[BatchOptions]) -> BatchesDataset: ...

    def to_torch(self, batch_size: int | None = None, **options: Any) -> BatchesDataset | RowsDataset:
        """A dataset of PyTorch, of tuples: tensors, then the columns; of tensors alone if there are no columns. Needs
        PyTorch.

        Images are (N, C, H, W), as PyTorch has them: views without a copy, in the memory format `channels_last` if
        they are stored as (H, W, C). `layout="chw"` makes them contiguous, `layout="hwc"` (N, H, W, C).

        With a `batch_size`: an `IterableDataset` of batches for `DataLoader(dataset, batch_size=None)`, whose workers
        share the batches and return them in order. Takes the keywords of `batches`. Every pass is the next epoch.

        Without: a map-style `Dataset` of rows, for samplers such as `DistributedSampler`. Takes `columns`, `transform`
        and what tensors are cast to.

        `transform` is called with each tuple, or tensor, in the workers of the `DataLoader` if it has any.
        """
        _refuse_unknown("to_torch", options)
        from ._frameworks.torch import batches_dataset, rows_dataset

        if batch_size is None:
            _refuse_keywords_of_batches(options)
            return rows_dataset(self._numbered(), **options)
        return batches_dataset(self, batch_size, **options)

    def to_jax(
        self, batch_size: int, *, sharding: jax.sharding.Sharding | None = None, **options: Unpack[BatchOptions]
    ) -> JaxBatches:
        """The batches as JAX arrays, without a copy on a CPU. For the keywords see `batches`. Columns of other types
        than numbers stay NumPy arrays. JAX makes 32-bit numbers of 64-bit ones unless its `jax_enable_x64` is set.
        Needs JAX.

        - `sharding`: how the arrays lie on devices; with several processes, each rank gives its part. `None`: the
          default device.
        - `transform`: is called with the NumPy arrays, before they go to devices.
        """
        _refuse_unknown("to_jax", options)
        from ._frameworks.jax import JaxBatches

        batches = self.batches(batch_size, **options)
        return JaxBatches(batches, sharding)


def _check_draw(settings: BatchSettings, weights: Any, balanced: bool) -> None:
    if settings.shuffle is False and (weights is not None or balanced):
        name = "balanced=True" if balanced else "weights"
        raise SettingError(f"{name} draws rows at random: add shuffle=True")


def _check_cache(table: Table, settings: BatchSettings) -> None:
    """Warns of an order in which nearly every row is fetched with a row group of its own."""
    bytes, kept = table._native.stored or (0, 0)
    if settings.shuffle is True and bytes > kept:
        text = (
            f"shuffle=True reads rows here and there in {_size(bytes)}, of which the cache keeps {_size(kept)}: row"
            " groups are fetched again and again; shuffle=16 mixes the rows of 16 at a time, cache_bytes=... keeps more"
        )
        warn(text, CacheWarning)


def _size(bytes: int) -> str:
    unit, name = next((unit for unit in _UNITS if bytes >= unit[0]), _UNITS[-1])
    return f"{bytes / unit:.3g} {name}"


_UNITS = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]


def _refuse_unknown(method: str, options: Mapping[str, Any]) -> None:
    for name in options:
        if name not in BatchOptions.__annotations__:
            alike = difflib.get_close_matches(name, BatchOptions.__annotations__, 1)
            did_you_mean = "".join(f". Did you mean '{other}'?" for other in alike)
            raise TypeError(f"{method}() got an unexpected keyword argument '{name}'{did_you_mean}")


def _refuse_keywords_of_batches(options: dict[str, Any]) -> None:
    for name in options:
        if name in BatchOptions.__annotations__ and name not in {"columns", "transform", *CastOptions.__annotations__}:
            raise SettingError(
                f"{name} needs a batch_size, as in `to_torch(64, {name}=...)`; without one, a `DataLoader` and its"
                " sampler decide which rows are read"
            )
