"""What the package says is in the words of Python: keywords and functions, never options and commands."""

import re
import warnings
from pathlib import Path

import inlaid
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from inlaid import _inlaid

from conftest import REPOSITORY, SAMPLE
from package import dataset, train  # noqa: F401

STRING = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
OF_SETTINGS = ["src/cli/hints.rs", "crates/inlaid-format/src/spec/error.rs"]
OF_FILES = ["src/error/mod.rs", "src/error/record.rs", "src/error/repack.rs", "crates/inlaid-format/src/error/mod.rs"]


def texts(files):
    """The string literals of these files."""
    for file in files:
        for text in STRING.findall((REPOSITORY / file).read_text()):
            yield pytest.param(re.sub(r"\\\n\s*", "", text), id=f"{Path(file).stem}: {text[:60]}")


def refused(exception, message, call):
    with pytest.raises(exception) as caught:
        call()
    assert str(caught.value) == message


# All texts


@pytest.mark.parametrize("text", texts(OF_SETTINGS))
def test_every_text_about_options_has_words_of_python(text):
    worded = _inlaid.in_python(text)
    assert "--" not in worded and not re.search("`inlaid [a-z]", worded)


@pytest.mark.parametrize("text", texts(OF_FILES))
def test_no_other_text_names_options(text):
    # These are not reworded: paths are in them.
    assert "--" not in text


@pytest.mark.parametrize(
    ("text", "worded"),
    [
        ("add `--size 224`, or `--size 224x320`", "add `size=224`, or `size=(224, 320)`"),
        ("`--mean 0.5 --std 0.25`, not `--no-exif`", "`mean=0.5, std=0.25`, not `exif=False`"),
        ("`--dtype f32` with `--any-name`", '`dtype="float32"` with `any_name=True`'),
        ("`inlaid verify` after `inlaid compact`", "`inlaid.verify` after `inlaid.compact`"),
        ("see `inlaid append --help`", "see `help(inlaid.append)`"),
        ("`inlaid convert --any-name` takes", "`inlaid.convert(..., any_name=True)` takes"),
        ("`ulimit -f`, `rejects.jsonl`, `inlaid`", "`ulimit -f`, `rejects.jsonl`, `inlaid`"),
    ],
)
def test_options_become_keywords(text, worded):
    assert _inlaid.in_python(text) == worded


# Settings


ENCODED = 'hint: add `storage="encoded"`, or leave out the option'


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quality": 5}, f'`quality` has no effect without `storage="encoded"`\n{ENCODED}'),
        (
            {"storage": "encoded", "dtype": "float32"},
            '`dtype` has no effect with `storage="encoded"`\n'
            'hint: use `storage="tensor"` with a `size`, or leave out the option',
        ),
        (
            {"size": None, "storage": "encoded", "fit": "crop"},
            "`fit` has no effect without `size`, files are stored unchanged\n"
            "hint: add `size=224`, or leave out the option",
        ),
        (
            {"scale": "0..1"},
            '`scale` has no effect with `dtype="uint8"`\n'
            'hint: `scale`, `mean` and `std` need `dtype="float32"` or `dtype="float16"`',
        ),
        (
            {"split": {"train": 1.5}},
            'fraction 1.5 of split `train` is not above 0 and at most 1, as in `split={"train": 0.8, "test": 0.2}`',
        ),
        (
            {"split_by": "folder", "folders": "classes"},
            '`split_by="folder"` needs split folders, not `folders="classes"`\n'
            'hint: leave out `folders`, or use `split_by="label"`',
        ),
        ({"jpeg_shrink": 300}, "`300` is not a valid `jpeg_shrink` factor (1 to 255)"),
        (
            {"jpeg_shrink": 2},
            "`zune-jpeg` can't shrink JPEGs while decoding\n"
            'hint: add `jpeg_decoder="libjpeg-turbo"`, in a build with the feature `turbojpeg`',
        ),
        (
            {"row_group_bytes": "2MiB", "shard_bytes": "1MiB"},
            "a row group of 2097152 bytes is larger than a shard of 1048576 bytes\n"
            "hint: use `row_group_bytes=1048576`, or leave it out",
        ),
        (
            {"storage": "encoded", "channels": "rgba"},
            'JPEG has no alpha channel\nhint: choose another `encoding`, or leave out `quality` and `channels="rgba"`',
        ),
    ],
)
def test_settings_are_keywords(tmp_path, options, message):
    arguments = {"sources": SAMPLE, "out": tmp_path / "d", "size": 64, "progress": False, **options}
    refused(inlaid.SettingError, message, lambda: inlaid.convert(**arguments))


def test_an_image_that_needs_too_much_memory_names_no_option(tmp_path):
    (tmp_path / "src").mkdir()
    from PIL import Image

    Image.new("RGB", (2000, 2000)).save(tmp_path / "src/large.png")
    with pytest.raises(inlaid.RejectedError) as caught:
        inlaid.convert(tmp_path / "src", tmp_path / "d", 8, memory="1MiB", progress=False)
    message, hint = str(caught.value).split("\nhint: ")
    assert message.endswith("raise the limit on memory, or leave such images out with a limit on pixels")
    assert hint == "if its size is the reason, raise `max_pixels`, `max_file_bytes` or `memory`"


def test_numbers_of_colors_may_be_arrays(tmp_path):
    made = {}
    for name, (mean, std) in {
        "tuple": ((0.5, 0.25, 0.125), 0.5),
        "list": ([0.5, 0.25, 0.125], np.float64(0.5)),
        "array": (np.array([0.5, 0.25, 0.125]), np.full(3, 0.5)),
        "series": (pd.Series([0.5, 0.25, 0.125]), pl.Series([0.5, 0.5, 0.5]).to_numpy()),
    }.items():
        options = dict(dtype="float32", mean=mean, std=std, split={"train": 1}, progress=False)
        inlaid.convert(SAMPLE, tmp_path / name, np.array([4, 5]), **options)
        made[name] = inlaid.open(tmp_path / name)["train"][:]
    assert all(np.array_equal(images, made["tuple"]) for images in made.values())
    assert made["tuple"].shape[1:] == (4, 5, 3)


# Sources and paths


@pytest.mark.parametrize("source", [{"path": ["a"]}, pd.DataFrame({"path": ["a"]}), pl.DataFrame({"path": ["a"]})])
def test_a_frame_is_no_file(tmp_path, source):
    message = f"sources is the path of a folder or several, not a {type(source).__name__}"
    refused(inlaid.SettingError, message, lambda: inlaid.repack(source, tmp_path / "d"))


IN_PLACE = [inlaid.compact, inlaid.rollback]
OPENING = [inlaid.open, inlaid.open_dataset, inlaid.open_table, inlaid.info, inlaid.verify, *IN_PLACE]


@pytest.mark.parametrize("call", OPENING)
def test_paths_are_local_and_as_they_are_written(call, monkeypatch, tmp_path):
    if call in IN_PLACE:
        refused(inlaid.SettingError, "path is a local path, not a URL: 's3://bucket/d'", lambda: call("s3://bucket/d"))
    else:
        with pytest.raises(inlaid.SettingError, match="can't use `ftp://host/d.*`ftp://` is not a store"):
            call("ftp://host/d")
    monkeypatch.setenv("HOME", str(tmp_path))
    text = "`~/d` does not exist: `~` is not expanded; `os.path.expanduser` does that"
    refused(inlaid.NotFoundError, text, lambda: call("~/d"))
    text = "`d/*.parquet` does not exist: patterns are not expanded; `glob.glob` finds what matches one"
    refused(inlaid.NotFoundError, text, lambda: call("d/*.parquet"))


def test_outputs_are_paths_as_they_are_written(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for call in (lambda: inlaid.convert(SAMPLE, "ftp://host/d", 8), lambda: inlaid.append(SAMPLE, "ftp://host/d")):
        with pytest.raises(inlaid.SettingError, match="can't use `ftp://host/d.*`ftp://` is not a store"):
            call()
    text = "`~/d` does not exist: `~` is not expanded; `os.path.expanduser` does that"
    refused(inlaid.NotFoundError, text, lambda: inlaid.convert(SAMPLE, "~/d", 8))
    assert list(tmp_path.iterdir()) == []


def test_names_that_look_like_patterns_are_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("d[1]", "~d"):
        inlaid.convert(SAMPLE, name, 8, progress=False)
        assert len(inlaid.open_dataset(name)) == 3


def test_a_folder_of_images_is_for_convert(tmp_path):
    text = "holds no Parquet or Arrow files\nhint: `inlaid.convert` makes a dataset from images"
    for call in (inlaid.open, inlaid.open_table):
        refused(inlaid.NotFoundError, f"`{SAMPLE / 'circle'}` {text}", lambda call=call: call(SAMPLE / "circle"))
    with pytest.raises(inlaid.NotFoundError) as caught:
        inlaid.open(tmp_path)
    assert caught.value.kind == "no-tables"


# Tables


def test_columns_are_listed_and_the_nearest_is_named(train):
    names = ", ".join(train.schema.names)
    for call in (train.column, lambda name: train.batches(4, columns=[name]), lambda name: train.to_arrow([name])):
        text = f"there is no column `lable`, the table has {names}; did you mean `label`?"
        refused(inlaid.ColumnError, text, lambda call=call: call("lable"))
        refused(inlaid.ColumnError, f"there is no column `zzz`, the table has {names}", lambda call=call: call("zzz"))


def test_a_name_chooses_no_rows(train):
    text = "rows are chosen by an integer, a slice or an array; `table.column('label')` is a column"
    refused(inlaid.RowError, text, lambda: train["label"])


@pytest.mark.parametrize("row", [True, False, np.True_, np.False_])
def test_a_truth_value_is_no_row(train, row):
    text = f"rows are chosen by an integer, a slice or an array, not by {bool(row)}"
    refused(inlaid.RowError, text, lambda: train[row])


@pytest.mark.parametrize("shuffle", [0, -1, 1.5, "yes", None])
def test_shuffle_is_a_truth_value_or_a_number(train, shuffle):
    text = f"shuffle is True, False or the number of row groups to mix, at least 1, not {shuffle!r}"
    refused(inlaid.SettingError, text, lambda: train.batches(4, shuffle=shuffle))


def test_keywords_of_batches_need_a_batch_size(train):
    pytest.importorskip("torch")
    text = (
        "shuffle needs a batch_size, as in `to_torch(64, shuffle=...)`; without one, a `DataLoader` and its sampler"
        " decide which rows are read"
    )
    refused(inlaid.SettingError, text, lambda: train.to_torch(shuffle=True, seed=3))
    with pytest.raises(TypeError, match="unexpected keyword argument 'shuffel'"):
        train.to_torch(shuffel=True)


@pytest.mark.parametrize("dtype", ["int8", "int32", "float64"])
def test_repack_is_only_suggested_where_it_helps(tmp_path, dtype):
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((3, 2, 2), dtype))
    pq.write_table(pa.table({"image": tensors}), tmp_path / "x.parquet")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        inlaid.open(tmp_path / "x.parquet")
    text = f"the tensors of `{tmp_path}/x.parquet` are not stored verbatim: every row is decoded"
    assert [str(warning.message) for warning in seen] == [text]
    with pytest.raises(inlaid.InlaidError, match=f"elements of type {dtype}, but only"):
        inlaid.repack(tmp_path / "x.parquet", tmp_path / "out", progress=False)
