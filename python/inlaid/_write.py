"""Conversions, appends and repackings."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, Literal, Protocol, TypeAlias

from numpy.typing import NDArray

from . import _inlaid
from ._errors import SettingError
from ._plan import Engine, Plan, check_engine, run_with
from ._progress import Progress, reporter
from ._rows import on_disk
from ._settings import in_short, is_url, listed, name_of_dtype, path_of, place_of, source_path


class SupportsArrowStream(Protocol):
    """What gives an Arrow stream: frames of pandas and polars, tables of PyArrow, relations of DuckDB."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...


Source: TypeAlias = str | bytes | PathLike[str]
Sources: TypeAlias = Source | Iterable[Source]
Rows: TypeAlias = SupportsArrowStream | Mapping[str, SupportsArrowStream] | Iterable[Mapping[str, Any]]
ColumnType: TypeAlias = Literal["int64", "float64", "bool", "timestamp", "string"]


def convert(
    sources: Sources | Rows,
    out: Source,
    size: int | tuple[int, int] | None = None,
    *,
    root: Source | None = None,
    name: str = "rows",
    metadata: Source | None = None,
    file_column: str | None = None,
    image_column: str | None = None,
    label_column: str | Sequence[str] | None = None,
    column_types: Mapping[str, ColumnType] | None = None,
    keep_columns: Sequence[str] | None = None,
    missing: Literal["reject", "stop"] = "reject",
    files_from: Source | None = None,
    storage_options: Mapping[str, Any] | None = None,
    folders: Literal["auto", "classes", "splits", "none"] = "auto",
    follow_links: bool = False,
    any_name: bool = False,
    max_file_bytes: int | str = "1GiB",
    max_pixels: int = 178_956_970,
    truncated: Literal["reject", "keep"] = "reject",
    split: Mapping[str, float] = {"train": 0.8, "validation": 0.1, "test": 0.1},
    split_by: Literal["label", "random", "content", "path", "folder"] | None = None,
    seed: int = 0,
    order: Literal["shuffled", "path"] = "shuffled",
    channels: Literal["rgb", "gray", "rgba"] = "rgb",
    dtype: Literal["uint8", "uint16", "float16", "float32", "u8", "u16", "f16", "f32"] = "uint8",
    scale: Literal["0..1", "-1..1", "0..255"] | None = None,
    mean: float | Sequence[float] | NDArray[Any] | Literal["imagenet"] | None = None,
    std: float | Sequence[float] | NDArray[Any] | Literal["imagenet"] | None = None,
    layout: Literal["hwc", "chw"] = "hwc",
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
    storage: Literal["tensor", "binary", "encoded"] = "tensor",
    encoding: Literal["jpeg", "png"] | None = None,
    quality: int | None = None,
    format: Literal["parquet", "arrow"] = "parquet",
    compression: Literal["none", "lz4", "zstd"] = "none",
    row_group_bytes: int | str | None = None,
    shard_bytes: int | str | None = None,
    overwrite: bool = False,
    croissant: bool = False,
    threads: int | None = None,
    memory: int | str | None = None,
    on_error: Literal["skip", "stop"] = "skip",
    max_errors: int | str | None = None,
    small_classes: Literal["fill", "stop"] = "fill",
    single_writer: bool = False,
    dry_run: bool = False,
    engine: Engine | None = None,
    progress: Progress = True,
) -> dict[str, Any]:
    """Makes a dataset in `out`, a folder or a URL of an object store, from the images in `sources`: folders, archives
    (tar, also compressed; zip), WebDatasets, tables with images (Parquet, Arrow), or arrays (NumPy, IDX, CIFAR). Every
    image becomes a row, or a line of `rejects.jsonl` that says why it could not. Run again after a crash, it resumes.

    `sources` may also be rows in memory, which need PyArrow: anything with `__arrow_c_stream__` (frames of pandas and
    polars, tables of PyArrow, relations of DuckDB) with a column of paths, of image files (bytes) or of tensors; a
    `Dataset` or `DatasetDict` of Hugging Face, whose splits are kept; dictionaries with images of Pillow, arrays
    (H, W, C) of uint8 or uint16, bytes or paths. They are written beside `out` in batches, and deleted at the end.

    - `size`: height and width of the tensors in pixels, 1 to 65,535: 224 or (240, 320). With `storage="encoded"`, the
      size of the images, or `None` to store the files unchanged.

    Sources:

    - `root`: folder that paths in rows are relative to. `None`: the current folder.
    - `name`: prefix of the keys of rows in memory that have no paths. An append of further rows needs another name.
    - `metadata`: a table of the images: CSV, TSV, JSON lines, Parquet or Arrow. `None`: `metadata.csv` (or `.tsv`,
      `.jsonl`, `.parquet`, `.arrow`) beside the images or in a folder above them.
    - `file_column`: the column of that table with the names of image files, with or without extension.
      `None`: "file_name".
    - `image_column`: the column or array with the images, where a source has several.
    - `label_column`: the column with labels (names of classes, their numbers, lists of either, or other numbers), or
      several columns of 0 and 1, one for each class. `None`: "label", or "cls" of a WebDataset, if there is one.
    - `column_types`: types that are not to be guessed, by the names of columns.
    - `keep_columns`: columns of the table or WebDataset that the dataset gets. `None`: all.
    - `missing`: what to do about a row of the table without a file, and a file without a row: reject and list it, or
      stop.
    - `files_from`: a list of the images: paths in lines or separated by NUL, with a label after a tab, relative to the
      only source. `None`: all images of the sources.
    - `storage_options`: settings and credentials of object stores, as in {"region": "eu-west-1"}. They take precedence
      over the environment. Keys of S3 may also come from a function, {"credential_provider": function}, or from a
      session of boto3. It returns a mapping with "access_key_id", "secret_access_key", and perhaps "token" and
      "expires_at" (a `datetime`), and is called again before they expire. `None`: the environment alone.
    - `folders`: what the top-level folders mean. "auto": splits if all of them are named after splits, else classes.
    - `follow_links`: follows symbolic links to folders.
    - `any_name`: takes every regular file that is not hidden, whatever its extension; the content decides.
    - `max_file_bytes`: most bytes of a source file, as a number or a string such as "1GiB".
    - `max_pixels`: most pixels (height times width) of a source image.
    - `truncated`: what to do with a JPEG or PNG that ends before its image does: reject it, or keep what is there and
      fill the rest.

    Splits:

    - `split`: fraction of each split; they sum to 1.
    - `split_by`: what decides the split of an image. `None`: "folder" if the sources have split folders, else "label".
    - `small_classes`: what to do about classes with too few images for exact fractions: fill train, then test, then
      validation, or stop.
    - `seed`: decides which images go into which split, and the order of rows; 0 to 2**64 - 1.
    - `order`: order of the rows in a split.

    Pixels:

    - `channels`: channels of the tensors.
    - `dtype`: type of the elements, by its NumPy name or its short name in the manifest.
    - `scale`: where black and white are, for "float32" and "float16" only. `None`: "0..1".
    - `mean`, `std`: subtracted from scaled elements, which are then divided by `std`: one number, (red, green, blue),
      also as a list or an array, or "imagenet". `None`: elements are not normalized.
    - `layout`: order of the dimensions.
    - `fit`: how an image of another aspect ratio fills the tensor.
    - `crop_ratio`: share of the shorter side that `fit="shortest-side"` keeps, 0.01 to 1.
    - `only_shrink`: never enlarges; an image that is too small is centered on `pad_color`.
    - `pad_color`: color of margins and behind transparent pixels: (red, green, blue), 0 to 255 each, "#RRGGBB",
      "black", "gray" or "white".
    - `resize_like`: the library whose pixels are reproduced, within the limits that `docs/parity.md` states. `None`:
      `filter` alone decides.
    - `filter`: kernel for resizing.
    - `antialias`: whether the kernel widens when shrinking; `tf.image.resize` does not by default.
    - `exif`: whether the EXIF orientation is applied.
    - `color_profile`: what to do with an embedded color profile: ignore it, or convert colors to sRGB.
    - `jpeg_decoder`: what decodes JPEGs. "auto" is libjpeg-turbo where it was built in, as in the packages that are
      released, else zune-jpeg; the manifest says which, and an append needs the same.
    - `jpeg_shrink`: decodes JPEGs at a reduced size of at least this many times `size`, 1 to 255; `True` is 2.

    Files:

    - `storage`: type of the image column: fixed-shape tensor, fixed-size binary, or image files as in Hugging Face
      `datasets`.
    - `encoding`: file format of resized images with `storage="encoded"`. `None`: "jpeg".
    - `quality`: quality of these JPEGs, 1 to 100. `None`: 90.
    - `format`: file format of the shards.
    - `compression`: compression of the image column; only uncompressed tensors can be mapped.
    - `row_group_bytes`, `shard_bytes`: most bytes of tensors, or encoded images, in a row group and in a file, as a
      number or a string such as "16MiB". `None`: 16 MiB and 512 MiB, as far as the other one allows.
    - `overwrite`: replaces the dataset in `out`.
    - `croissant`: describes the dataset in `croissant.json` too, for search engines and loaders (MLCommons Croissant
      1.1). From then on every change keeps the file up to date.

    Run:

    - `threads`: threads that decode, 1 to 1024. `None`: one for each core.
    - `memory`: most bytes of memory for large images, on all threads together, as a number or a string such as "4GiB".
      An image that needs more is rejected. `None`: half of what the machine or its control group has.
    - `on_error`: what to do about an unusable image: skip and list it, or stop.
    - `max_errors`: the number of unusable images, or the percentage as in "0.5%", above which the run stops. `None`: no
      limit.
    - `single_writer`: writes to an object store that ignores conditions of writes; nobody else may write to `out`.
    - `dry_run`: returns what would be written, and writes nothing.
    - `engine`: what does the work, if not this process alone: "ray", "spark", or a function such as `map`, which is
      called with a function and the numbers that it is to be called with. `threads` are those of a task then, by
      default 1. See `plan`, whose steps this takes.
    - `progress`: `True` draws a bar on standard error if that is a terminal, or in a notebook; a function is called
      with the numbers of images done, in all, and rejected, about ten times a second.

    Returns the summary (`schemas/summary.schema.json`): rows, rejects, splits, seconds.

    Ctrl-C (`KeyboardInterrupt`) stops the run within one image; everything committed is intact, and the same call
    resumes from there. Raises `SettingError` for an invalid keyword, `NotFoundError` for a source that is not a folder
    or has no images, `ExistsError` if `out` holds something else, `LockedError` if another process writes to it,
    `RejectedError` if more images than allowed are unusable, `DiskFullError`.
    """
    keywords = {**locals(), "dtype": name_of_dtype(dtype)}
    del keywords["engine"]
    if engine is not None:
        check_engine(engine)
        return run_with(engine, _plan_of(keywords), progress, threads)
    with on_disk(keywords.pop("sources"), out, keywords) as (paths, worded):
        return worded(_run(_inlaid.convert, "images", paths, **keywords))


def plan(sources: Sources, out: Source, size: int | tuple[int, int] | None = None, **settings: Any) -> Plan:
    """Plans a conversion that any number of processes and machines carry out together, and writes the plan below `out`,
    without reading an image. A plan that is there already is taken as it is.

    - `sources`, `out`, `size` and `settings`: as for `convert`, without `overwrite`, `dry_run`, `engine` and
      `progress`. Every machine finds `sources` and `out` at the same paths or URLs. `max_errors` and `on_error` count
      for all of them together. Sources that can't be read at random (compressed tars and tables) are read by every
      process that works on items. With `split_by="content"`, the first plan only scans: its items read the files, then
      `plan.again()` plans.

    For example, what `convert(..., engine=...)` does:

        plan = inlaid.plan("s3://bucket/photos", out="s3://bucket/dataset", size=224)
        for item in plan.missing():
            inlaid.work(plan.run, item)  # on any machine, in any order
        plan.commit()

    Raises as `convert` does; `InlaidError` if an interrupted conversion or a plan of another release is in `out`.
    """
    defaults = {name: parameter.default for name, parameter in inspect.signature(convert).parameters.items()}
    taken = defaults.keys() - {"sources", "out", "size", "overwrite", "dry_run", "engine", "progress", "root", "name"}
    for name in settings.keys() - taken:
        raise SettingError(f"plan has no keyword {name}; it takes those of convert: {listed(sorted(taken), 60)}")
    keywords = {**defaults, **settings, "sources": sources, "out": out, "size": size}
    del keywords["engine"]
    return _plan_of({**keywords, "dtype": name_of_dtype(keywords["dtype"])})


def _plan_of(keywords: dict[str, Any]) -> Plan:
    """The plan of a conversion with these keywords."""
    for name in ("root", "name"):
        if keywords[name] != {"root": None, "name": "rows"}[name]:
            raise SettingError(f"{name} is for rows in memory, which other processes can't read")
    given = {name: value for name, value in keywords.items() if name not in ("root", "name", "progress")}
    paths, place, settings = _prepared(given.pop("sources"), given.pop("out"), given)
    # They may have been an iterator.
    keywords = {**keywords, "sources": paths}
    told = _inlaid.plan(paths, place, dict(settings))
    kept = {name: keywords[name] for name in ("storage_options", "memory", "single_writer", "croissant")}
    return Plan._of(told, kept, lambda: _plan_of(keywords))


def append(
    sources: Sources | Rows,
    out: Source,
    *,
    root: Source | None = None,
    name: str = "rows",
    metadata: Source | None = None,
    file_column: str | None = None,
    image_column: str | None = None,
    label_column: str | Sequence[str] | None = None,
    column_types: Mapping[str, ColumnType] | None = None,
    keep_columns: Sequence[str] | None = None,
    missing: Literal["reject", "stop"] = "reject",
    files_from: Source | None = None,
    storage_options: Mapping[str, Any] | None = None,
    folders: Literal["auto", "classes", "splits", "none"] | None = None,
    on_changed: Literal["skip", "stop"] = "skip",
    history: bool = True,
    croissant: bool = False,
    threads: int | None = None,
    memory: int | str | None = None,
    on_error: Literal["skip", "stop"] = "skip",
    max_errors: int | str | None = None,
    small_classes: Literal["fill", "stop"] = "fill",
    single_writer: bool = False,
    dry_run: bool = False,
    progress: Progress = True,
) -> dict[str, Any]:
    """Adds the images in `sources` whose path below their source is not yet a row of the dataset in `out`,
    a folder or a URL, with the settings of that dataset. Running it again adds nothing.

    - `folders`: overrides what the top-level folders mean; must match the original conversion. `None`: as they look.
    - `on_changed`: what to do about a file that changed since its row was written: skip and list it, or stop.
    - `history`: keeps what `rollback` needs.
    - `croissant`: adds `croissant.json`, if the dataset has none.

    The other keywords (`root`, `metadata` and those after it among them), the result, interrupts and exceptions are as
    for `convert`; `NotFoundError` also if there is no dataset. A table needs the columns of the dataset; further ones
    are left out.
    """
    keywords = locals()
    with on_disk(keywords.pop("sources"), out, keywords) as (paths, worded):
        return worded(_run(_inlaid.append, "images", paths, **keywords))


def repack(
    sources: Sources,
    out: Source,
    *,
    column: str | None = None,
    shape: tuple[int, ...] | None = None,
    compression: Literal["none", "lz4", "zstd"] = "none",
    row_group_bytes: int | str = "16MiB",
    progress: Progress = True,
) -> dict[str, Any]:
    """Rewrites Parquet and Arrow files of other tools below the folder `out`, so that `open` reads their tensors at the
    speed of memory. Rows, their order and all other columns stay the same. The folder appears when all files are
    written.

    - `sources`: files, or folders with files below them, which keep their names with the extension `parquet`.
    - `column`: name of the column of tensors: lists of fixed or equal length, nested or not, or bytes. `None`: the only
      such column.
    - `shape`: shape of every tensor, as in (224, 224, 3); columns of bytes need it. `None`: the shape that the files
      name, else one dimension.
    - `compression`: compression of the tensor column; only uncompressed tensors can be mapped.
    - `row_group_bytes`: most bytes of tensors in a row group, as a number or a string such as "16MiB".
    - `progress`: as for `convert`; it counts rows.

    Returns the summary (`schemas/repack.schema.json`): files, rows, column, shape, seconds.

    Ctrl-C (`KeyboardInterrupt`) stops the run, and nothing is written. Raises `SettingError` for an invalid keyword or
    shape, `NotFoundError` for a missing source, `ColumnError` if there is no such column, `DamagedError` for a file
    that can't be read or has no tensors, `ExistsError` if `out` is not empty, `DiskFullError`, and `InlaidError` for a
    row that is null or of another length, which it names.
    """
    return _run(_inlaid.repack, "rows", **locals())


def _run(
    write: Callable[[list[str], str, dict[str, Any], object], str],
    unit: str,
    sources: Sources,
    out: Source,
    progress: Progress,
    **keywords: Any,
) -> dict[str, Any]:
    paths, place, keywords = _prepared(sources, out, keywords)
    shown = reporter(progress, unit)
    summary: dict[str, Any] = json.loads(write(paths, place, keywords, shown))
    return summary


def _prepared(sources: Sources, out: Source, keywords: dict[str, Any]) -> tuple[list[str], str, dict[str, Any]]:
    """Paths and keywords as the native half takes them."""
    for name in ("metadata", "files_from"):
        if keywords.get(name) is not None:
            keywords[name] = path_of(name, keywords[name])
    paths = paths_of(sources)
    place = place_of("out", out)
    used = [*paths, place, *([keywords["metadata"]] if keywords.get("metadata") is not None else [])]
    if keywords.get("storage_options") is not None and not any(is_url(path) for path in used):
        raise SettingError("storage_options is for object stores, such as s3://bucket/photos")
    return paths, place, keywords


def paths_of(sources: Sources) -> list[str]:
    """The texts of the paths of one or several sources."""
    if isinstance(sources, str | bytes | PathLike):
        sources = [sources]
    # A frame would be the names of its columns, a mapping its keys.
    if isinstance(sources, Mapping) or hasattr(sources, "columns"):
        raise SettingError(f"sources is the path of a folder or several, not a {type(sources).__name__}")
    if not isinstance(sources, Iterable):
        raise SettingError(f"sources is a path or several, not {in_short(sources)}")
    return [source_path(source) for source in sources]
