"""Conversions, appends and repackings: the options of the command line, as arguments."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from typing import Any, Literal

from . import _inlaid

Source = str | bytes | PathLike[str]
Progress = bool | Callable[[int, int, int], object]
Sources = Source | Iterable[Source]


def convert(
    sources: Sources,
    out: Source,
    size: int | tuple[int, int] | str | None = None,
    *,
    folders: Literal["auto", "classes", "splits", "none"] | None = None,
    follow_links: bool = False,
    any_name: bool = False,
    max_file_bytes: int | str | None = None,
    max_pixels: int | None = None,
    split: Mapping[str, float] | str | None = None,
    split_by: Literal["label", "random", "content", "path", "folder"] | None = None,
    seed: int | None = None,
    order: Literal["shuffled", "path"] | None = None,
    channels: Literal["rgb", "gray", "rgba"] | None = None,
    dtype: Literal["u8", "u16", "f16", "f32"] | None = None,
    scale: Literal["0..1", "-1..1", "0..255"] | None = None,
    mean: float | tuple[float, float, float] | Literal["imagenet"] | None = None,
    std: float | tuple[float, float, float] | Literal["imagenet"] | None = None,
    layout: Literal["hwc", "chw"] | None = None,
    fit: Literal["stretch", "crop", "pad", "shortest-side"] | None = None,
    crop_ratio: float | None = None,
    only_shrink: bool = False,
    pad_color: tuple[int, int, int] | str | None = None,
    resize_like: Literal["tf", "tf-antialias", "pillow", "torchvision", "opencv"] | None = None,
    filter: Literal["bilinear", "nearest", "bicubic", "lanczos3", "box", "area"] | None = None,
    no_antialias: bool = False,
    no_exif: bool = False,
    color_profile: Literal["keep", "srgb"] | None = None,
    jpeg_decoder: Literal["zune-jpeg", "libjpeg-turbo"] | None = None,
    jpeg_shrink: bool | int | None = None,
    storage: Literal["tensor", "binary", "encoded"] | None = None,
    encoding: Literal["jpeg", "png"] | None = None,
    quality: int | None = None,
    format: Literal["parquet", "arrow"] | None = None,
    compression: Literal["none", "lz4", "zstd"] | None = None,
    row_group_bytes: int | str | None = None,
    shard_bytes: int | str | None = None,
    overwrite: bool = False,
    threads: int | None = None,
    on_error: Literal["skip", "stop"] | None = None,
    max_errors: int | str | None = None,
    small_classes: Literal["fill", "stop"] | None = None,
    dry_run: bool = False,
    progress: Progress = True,
) -> dict[str, Any]:
    """Makes a dataset in the folder `out` from the images below `sources`, one folder or several. Every image becomes
    a row, or a line of `rejects.jsonl` that says why not. Running it again after a crash goes on where it was.

    - `size`: height and width of the tensors in pixels, 1 to 65,535: 224, (240, 320) or "240x320". With
      `storage="encoded"`, that of the images, or `None`, which stores the files as they are.
    - `split`: fractions that sum to 1, as in {"train": 0.9, "test": 0.1}; by default 0.8 train, 0.1 validation, 0.1
      test.
    - `dtype`: of the elements; "f32" and "f16" have a `scale` (black and white), from which `mean` is subtracted before
      it is divided by `std`: one number, (red, green, blue) or "imagenet".
    - `resize_like`: the library whose pixels are made, as far as `docs/parity.md` says.
    - `crop_ratio`: the share of the shorter side that `fit="shortest-side"` keeps, 0.01 to 1.
    - `pad_color`: (red, green, blue), 0 to 255 each, "#RRGGBB" or a name.
    - `encoding`, `quality`: of resized images with `storage="encoded"`; of JPEGs, 1 to 100.
    - `max_file_bytes`, `row_group_bytes`, `shard_bytes`: a number of bytes, or "16MiB".
    - `max_errors`: how many images may be unusable, or "0.5%" of them.
    - `progress`: `True` draws a bar on standard error if that is a terminal; a function is called with the numbers of
      images done, in all, and rejected, about ten times a second.

    The other options are those of `inlaid convert`, which `inlaid convert --help` explains; `None` is its default.

    Returns the summary (`schemas/summary.schema.json`): rows, rejects, splits, seconds.

    Ctrl-C (`KeyboardInterrupt`) stops the run within an image; what was committed is whole, and the same call goes on
    from there. Raises `SettingError` for a wrong option, `NotFoundError` for a source that is no folder or has no
    images, `ExistsError` if `out` holds something else, `LockedError` if another process writes to it, `RejectedError`
    if more images than allowed are unusable, `DiskFullError`.
    """
    return _run("convert", **locals())


def append(
    sources: Sources,
    out: Source,
    *,
    folders: Literal["auto", "classes", "splits", "none"] | None = None,
    on_changed: Literal["skip", "stop"] | None = None,
    no_history: bool = False,
    threads: int | None = None,
    on_error: Literal["skip", "stop"] | None = None,
    max_errors: int | str | None = None,
    small_classes: Literal["fill", "stop"] | None = None,
    dry_run: bool = False,
    progress: Progress = True,
) -> dict[str, Any]:
    """Adds the images below `sources` to the dataset in the folder `out` whose path below their source is not yet a
    row, made as its other rows were. Running it again adds nothing.

    The options are those of `inlaid append`, which `inlaid append --help` explains; `None` is its default. `progress`,
    the result, interrupts and exceptions are as for `convert`; `NotFoundError` also if there is no dataset.
    """
    return _run("append", **locals())


def repack(
    sources: Sources,
    out: Source,
    *,
    column: str | None = None,
    shape: tuple[int, ...] | str | None = None,
    compression: Literal["none", "lz4", "zstd"] | None = None,
    row_group_bytes: int | str | None = None,
    progress: Progress = True,
) -> dict[str, Any]:
    """Writes Parquet and Arrow files that other tools wrote once more, below the folder `out`, so that `open` reads
    their tensors at the speed of memory. Rows, their order and all other columns stay as they are. The folder appears
    when everything is written, whole.

    - `sources`: files, or folders with files below them, which keep their names with the extension `parquet`.
    - `column`: the name of the column of tensors, if there are several that may be it: lists of fixed or of equal
      length, nested or not, or bytes.
    - `shape`: the shape of every tensor, as in (224, 224, 3); by default what the files say, else one dimension.
      Columns of bytes need it.

    The other options are those of `inlaid repack`, which `inlaid repack --help` explains; `None` is its default.
    `progress` is as for `convert`, and counts rows.

    Returns the summary (`schemas/repack.schema.json`): files, rows, column, shape, seconds.

    Ctrl-C (`KeyboardInterrupt`) stops the run; then nothing is written. Raises `SettingError` for a wrong option or
    shape, `NotFoundError` for a missing source, `ColumnError` if there is no such column, `DamagedError` for a file
    that can't be read or has no tensors, `ExistsError` if `out` is not empty, `DiskFullError`, and `InlaidError` for a
    row that is null or of another length, which it names.
    """
    return _run("repack", **locals())


def _run(command: str, sources: Sources, out: Source, progress: Progress, **options: Any) -> dict[str, Any]:
    if isinstance(sources, (str, bytes, PathLike)):
        sources = [sources]
    arguments = ["inlaid", command, f"--out={os.fsdecode(out)}"]
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            arguments.append(flag)
        elif value is not None and value is not False:
            arguments.append(f"{flag}={_text(name, value)}")
    arguments += ["--", *(os.fsdecode(source) for source in sources)]
    summary: dict[str, Any] = json.loads(_inlaid.write(arguments, progress))
    return summary


def _text(name: str, value: Any) -> str:
    """A value as the command line writes it."""
    if isinstance(value, Mapping):
        return ",".join(f"{key}={part}" for key, part in value.items())
    if isinstance(value, (tuple, list)):
        return ("x" if name == "size" else ",").join(map(str, value))
    return str(value)
