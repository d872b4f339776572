"""What tables and mixtures have in common: batches, for every framework."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, overload

from ._batches import Batches
from ._errors import CacheWarning, SettingError, warn
from ._pixels import PixelOptions, PixelSettings, pixel_options
from ._progress import check_tqdm
from ._ranks import ranks
from ._settings import BatchSettings, CastSettings, checked_settings, chosen_columns, truth

if TYPE_CHECKING:
    import jax
    import tensorflow as tf
    import torch
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


class RowOptions(CastOptions, PixelOptions, total=False):
    """What tensors are made of rows. See `Table.batches`."""


class PassOptions(RowOptions, total=False):
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
    on_error: Literal["raise", "skip"]


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
        size: int | tuple[int, int] | None = None,
        random_resized_crop: bool | tuple[tuple[float, float], tuple[float, float]] = False,
        crop: int | tuple[int, int] | None = None,
        padding: int = 0,
        horizontal_flip: float = 0.0,
        channels: Literal["rgb", "gray", "rgba"] | None = None,
        fit: Literal["stretch", "crop", "pad", "shortest-side"] = "stretch",
        crop_ratio: float = 1.0,
        only_shrink: bool = False,
        pad_color: tuple[int, int, int] | str = "black",
        resize_like: Literal["tf", "tf-antialias", "pillow", "torchvision", "opencv"] | None = None,
        filter: Literal["bilinear", "nearest", "bicubic", "lanczos3", "box", "area"] = "bilinear",
        antialias: bool = True,
        exif: bool = True,
        color_profile: Literal["keep", "srgb"] = "keep",
        jpeg_decoder: Literal["auto", "zune-jpeg", "libjpeg-turbo"] = "auto",
        jpeg_shrink: bool | int = False,
        truncated: Literal["reject", "keep"] = "reject",
        max_pixels: int = 178_956_970,
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
        threads: int | None = None,
        memory: int | str | None = None,
        on_error: Literal["raise", "skip"] = "raise",
        progress: bool = False,
    ) -> Batches:
        """The rows in batches: dictionaries of arrays that may be written to, the tensors (N, H, W, C) and `columns`
        (N,). Every pass is the next epoch; see `Batches`.

        - `batch_size`: rows of a batch, at least 1; the last batch of an epoch may have fewer.
        - `shuffle`: `True` makes every order of the rows equally likely; a number such as 8 mixes the rows of that many
          row groups (16 MiB each) at a time, for files larger than memory. Every epoch has another order.
        - `seed`: decides the orders, and what is drawn for each row; 0 to 2**64 - 1.
        - `drop_last`: leaves out a last batch of fewer rows, so that all batches are full.
        - `columns`: names of the columns beside the tensors, of any type; by default `label` if there is one. See
          `Table.column`. They come as stored: images in them, such as masks, are refused with what moves pixels.

        Which rows an epoch draws, with `shuffle`; it has as many rows as the table:

        - `weights`: an array (N,) of a number for each row, or a mapping of class names to numbers. A row is drawn as
          often as its share of the sum demands, rounded up or down.
        - `balanced`: `True` draws equally many rows of every class. Those of a large class take turns, epoch by epoch;
          those of a small one are repeated.

        How image files become tensors; stored tensors too, where that is not their decoding. Pixels are those of
        `convert`, where the keywords are explained that it has as well:

        - `size`: height and width that images are resized to: 224 or (240, 320). `None`: those of stored tensors, and
          of image files that `convert` has resized; others have sizes of their own, and need one.
        - `random_resized_crop`: a part of each image, drawn anew in every epoch, is resized to `size`. `True` draws
          8 to 100 % of its area with ratios of width to height from 3/4 to 4/3, as torchvision's `RandomResizedCrop`
          does; other ranges are ((0.08, 1.0), (0.75, 1.33)).
        - `crop`: height and width of a part of the resized image (of the image itself without a `size`), drawn anew in
          every epoch. With `fit="shortest-side"`, it is a part of the whole image whose shorter side is `size`.
        - `padding`: pixels of `pad_color` around the image before `crop` chooses.
        - `horizontal_flip`: probability that an image is mirrored, 0 to 1, drawn anew in every epoch.
        - `channels`: `None`: "rgb", or those of stored tensors, and of files that `convert` has resized.
        - `fit`, `crop_ratio`, `only_shrink`, `pad_color`, `resize_like`, `filter`, `antialias`: how images are resized.
        - `exif`, `color_profile`, `jpeg_decoder`, `jpeg_shrink`, `truncated`, `max_pixels`: how files are decoded.

        What is drawn depends on the seed, the epoch and the row (and how often the epoch drew it), not on threads,
        ranks, or where a pass resumes.

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
        - `prefetch`: batches that are made ahead, each by a thread; with 0 a batch is made when it is asked for.
        - `threads`: threads that decode images, for all batches together. `None`: one for each core.
        - `memory`: most bytes of memory for large images, as in `convert`.
        - `on_error`: what to do about an image that can't be decoded: raise `DamagedError`, which names the row, or
          leave the row out of its batch and count it in `Batches.skipped`.
        - `progress`: draws a bar of tqdm for each pass, in a terminal or a notebook. Needs tqdm.

        Raises `SettingError` (a `ValueError`) or `ColumnError` (a `KeyError`), which name what is wrong.
        """
        options = pixel_options(locals())
        table = self._loaded()
        cast = CastSettings.of(layout, dtype, scale, mean, std)
        settings = checked_settings(
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            drop_last=drop_last,
            columns=chosen_columns(table.schema.names, table.tensor_column, columns),
            draw=self._drawn(weights, balanced),
            cast=cast,
            pixels=PixelSettings.of(table._are_files, cast, options),
            on_error=on_error,
            ranks=ranks(rank, world_size),
            uneven=uneven,
            prefetch=prefetch,
        )
        if truth("progress", progress):
            check_tqdm()
        _check_draw(settings, weights, balanced)
        _check_cache(table, settings)
        return Batches(table, settings, transform, progress)

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
        **options: Unpack[RowOptions],
    ) -> RowsDataset: ...

    @overload
    def to_torch(
        self,
        batch_size: int,
        *,
        device: str | torch.device | None = None,
        pin_memory: bool = False,
        **options: Unpack[BatchOptions],
    ) -> BatchesDataset: ...

    def to_torch(self, batch_size: int | None = None, **options: Any) -> BatchesDataset | RowsDataset:
        """A dataset of PyTorch, of tuples: tensors, then the columns; of tensors alone if there are no columns. Needs
        PyTorch.

        Images are (N, C, H, W), as PyTorch has them: views without a copy, in the memory format `channels_last` if
        they are stored as (H, W, C). `layout="chw"` makes them contiguous, `layout="hwc"` (N, H, W, C).

        With a `batch_size`: an `IterableDataset` of batches for `DataLoader(dataset, batch_size=None)`, whose workers
        share the batches and return them in order. Takes the keywords of `batches`. Every pass is the next epoch.

        Without: a map-style `Dataset` of rows, for samplers such as `DistributedSampler`. Takes `columns`, `transform`,
        how images become tensors and what these are cast to; but nothing is drawn, since rows by number have no epoch.

        `transform` is called with each tuple, or tensor, in the workers of the `DataLoader` if it has any.

        With a `batch_size`, in a loop over the dataset itself:

        - `device`: where tensors are copied to, before `transform` is called. On CUDA, a batch is copied while the loop
          computes with the one before it, on a stream of its own.
        - `pin_memory`: copies by way of memory that the system does not move, which CUDA needs to copy meanwhile.
        """
        _refuse_unknown("to_torch", {name: value for name, value in options.items() if name not in _DEVICE_OPTIONS})
        from ._frameworks.torch import batches_dataset, rows_dataset

        if batch_size is None:
            _refuse_keywords_of_batches(options)
            return rows_dataset(self._numbered(), **options)
        return batches_dataset(self, batch_size, **options)

    def to_jax(
        self, batch_size: int, *, sharding: jax.sharding.Sharding | None = None, **options: Unpack[BatchOptions]
    ) -> JaxBatches:
        """The batches as JAX arrays, without a copy on a CPU. For the keywords see `batches`. Columns of other types
        than numbers stay NumPy arrays. JAX makes 32-bit numbers of 64-bit ones unless its `jax_enable_x64` is set; one
        that is too large for that raises `SettingError`. Needs JAX.

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


_DEVICE_OPTIONS = ("device", "pin_memory")
"""The keywords of `to_torch` alone."""


def _refuse_keywords_of_batches(options: dict[str, Any]) -> None:
    for name in options:
        if name not in {"columns", "transform", *RowOptions.__annotations__}:
            raise SettingError(
                f"{name} needs a batch_size, as in `to_torch(64, {name}=...)`; without one, a `DataLoader` and its"
                " sampler decide which rows are read"
            )
