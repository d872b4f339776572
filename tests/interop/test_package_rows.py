"""Rows in memory as sources: frames, Arrow streams, datasets of Hugging Face, dictionaries."""

import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios

import datasets
import duckdb
import inlaid
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image

SIZE = 8
CLASSES = ["ant", "bee", "cat"]


def pixels(number):
    return np.random.default_rng(number).integers(0, 256, (SIZE, SIZE, 3), np.uint8)


def png(number):
    file = io.BytesIO()
    Image.fromarray(pixels(number)).save(file, "PNG")
    return file.getvalue()


NUMBERS = range(60)
PNGS = [png(number) for number in NUMBERS]


@pytest.fixture
def convert(tmp_path):
    """A function that converts rows; the folder beside the dataset is empty afterwards."""

    def run(rows, name="out", **options):
        own_splits = isinstance(rows, datasets.DatasetDict)
        split = {} if own_splits else {"split": {"train": 1}}
        options = {"size": SIZE, "progress": False} | split | options
        above = tmp_path / "datasets"
        summary = inlaid.convert(rows, above / name, **options)
        assert not list(above.glob(".inlaid*"))
        return summary, above / name

    return run


def rows(out, *columns):
    """Pixels and the values of columns of every row, by key."""
    found = {}
    for table in inlaid.open(out).values():
        values = pl.DataFrame(table).select("path", "label", *columns)
        for (path, *of_row), image in zip(values.iter_rows(), table[:], strict=True):
            found[path] = (image, *of_row)
    return found


def check(out, keys):
    """Every row has the pixels of its number, the label number % 3, and a column of the number."""
    found = rows(out, "number")
    assert sorted(found) == sorted(keys)
    for number, key in enumerate(keys):
        image, label, value = found[key]
        assert np.array_equal(image, pixels(number)) and (label, value) == (number % 3, number)


def columns(**more):
    return {"label": [CLASSES[n % 3] for n in NUMBERS], "number": list(NUMBERS), **more}


FRAMES = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
    "reader": lambda columns: pa.table(columns).to_reader(7),
    "duckdb": lambda columns: duckdb.from_arrow(pa.table(columns)),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_frame_of_images(convert, kind):
    _, out = convert(FRAMES[kind](columns(photo=PNGS)), name="photos")
    check(out, [f"rows/{n:09}" for n in NUMBERS])


@pytest.fixture
def photos(tmp_path):
    for number in NUMBERS:
        path = tmp_path / f"photos/{number % 4}/{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNGS[number])
    return tmp_path / "photos"


@pytest.mark.parametrize("kind", FRAMES)
def test_frame_of_paths(convert, photos, kind):
    keys = [f"{n % 4}/{n:02}.png" for n in NUMBERS]
    _, out = convert(FRAMES[kind](columns(path=keys)), root=photos)
    check(out, keys)
    absolute = [str(photos / key) for key in keys]
    _, out = convert(FRAMES[kind](columns(where=absolute)), "absolute", root=photos, file_column="where")
    check(out, keys)


def test_paths_elsewhere_missing_and_none(convert, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(photos)
    (tmp_path / "other.png").write_bytes(PNGS[5])
    paths = ["0/00.png", "../other.png", "none.png", None, "0/00.png"]
    summary, out = convert(pd.DataFrame({"path": paths, "number": range(5)}))
    assert sorted(rows(out)) == ["0/00.png", str(tmp_path / "other.png").lstrip("/")]
    assert set(summary["rejects_by_reason"]) == {"no-file-name", "second-row", "unreadable"}


def test_tensors_of_a_table(convert):
    array = pa.FixedShapeTensorArray.from_numpy_ndarray(np.stack([pixels(n) for n in NUMBERS]))
    _, out = convert(pa.table(columns(picture=array)))
    check(out, [f"rows/{n:09}" for n in NUMBERS])


MAKE = {
    "pillow": lambda n: Image.fromarray(pixels(n)),
    "array": pixels,
    "bytes": lambda n: PNGS[n],
    "hugging-face": lambda n: {"bytes": PNGS[n], "path": "a.png"},
}


@pytest.mark.parametrize("kind", MAKE)
def test_dictionaries(convert, kind):
    generator = ({"image": MAKE[kind](n), "label": CLASSES[n % 3], "number": n} for n in NUMBERS)
    _, out = convert(generator)
    check(out, [f"rows/{n:09}" for n in NUMBERS])
    listed = [{"image": MAKE[kind](n), "label": CLASSES[n % 3], "number": n} for n in NUMBERS]
    _, again = convert(listed, "again")
    check(again, [f"rows/{n:09}" for n in NUMBERS])


def test_dictionaries_of_paths(convert, photos):
    keys = [f"{n % 4}/{n:02}.png" for n in NUMBERS]
    _, out = convert(
        ({"image": photos / key, "label": CLASSES[n % 3], "number": n} for n, key in enumerate(keys)), root=photos
    )
    check(out, keys)


def test_types_of_values_are_those_of_all(convert):
    last = {300: {"value": 0.5, "late": "x"}}
    made = ({"image": pixels(n), "value": n, **last.get(n, {})} for n in range(301))
    _, out = convert(made)
    values = [value for _, _, value in rows(out, "value").values()]
    assert sorted(values) == sorted([0.5, *map(float, range(300))])
    assert {late for _, _, late in rows(out, "late").values()} == {None, "x"}
    with pytest.raises(inlaid.SettingError, match="values of one column are of different types"):
        convert(({"image": pixels(n), "value": "x" if n else 1} for n in [0] * 256 + [1]), "mixed")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P", "CMYK", "I;16"])
def test_modes_of_pillow_are_read_as_their_files(convert, tmp_path, mode):
    image = Image.fromarray(pixels(1))
    image = Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 999) if mode == "I;16" else image.convert(mode)
    (tmp_path / "files").mkdir()
    image.convert("RGB").save(tmp_path / "files/a.png") if mode == "CMYK" else image.save(tmp_path / "files/a.png")
    (in_memory,) = rows(convert([{"image": image}])[1]).values()
    (of_file,) = rows(convert(tmp_path / "files", "of-file")[1]).values()
    assert np.array_equal(in_memory[0], of_file[0])


def test_arrays_of_16_bits_keep_them(convert):
    array = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000
    _, out = convert([{"image": array}], dtype="uint16", channels="gray")
    ((image, *_),) = rows(out).values()
    assert np.array_equal(image[..., 0], array)


def hugging_face():
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=CLASSES), "number": datasets.Value("int64")}
    )
    columns = {"image": [{"bytes": data, "path": None} for data in PNGS], "number": list(NUMBERS)}
    return datasets.Dataset.from_dict({**columns, "label": [n % 3 for n in NUMBERS]}, features)


def test_dataset_of_hugging_face(convert):
    _, out = convert(hugging_face())
    check(out, [f"rows/{n:09}" for n in NUMBERS])
    assert inlaid.open(out).classes == CLASSES

    _, out = convert(hugging_face().select(range(5, 15)).shuffle(seed=1), "some")
    assert sorted(value for _, _, value in rows(out, "number").values()) == list(range(5, 15))

    _, out = convert(hugging_face().to_iterable_dataset(), "streamed")
    check(out, [f"rows/{n:09}" for n in NUMBERS])


def test_splits_of_hugging_face_are_kept(convert):
    both = hugging_face().train_test_split(test_size=10, seed=1, shuffle=False)
    _, out = convert(both)
    assert {name: len(table) for name, table in inlaid.open(out).items()} == {"train": 50, "test": 10}
    check(out, [*(f"train/{n:09}" for n in range(50)), *(f"test/{n:09}" for n in range(10))])


def test_images_of_hugging_face_may_be_files(convert, photos):
    dataset = datasets.load_dataset("imagefolder", data_dir=str(photos), split="train", cache_dir=str(photos / "../cache"))
    _, out = convert(dataset)
    assert len(rows(out)) == 60


def test_append_needs_another_name(convert):
    _, out = convert([{"image": pixels(n), "number": n} for n in range(30)])
    more = [{"image": pixels(n), "number": n} for n in range(30, 60)]
    summary = inlaid.append(more, out, name="more", progress=False)
    assert summary["rows"] == 30
    assert not inlaid.append(more, out, name="more", progress=False)["committed"]


def test_what_is_no_source_is_told(convert):
    with pytest.raises(inlaid.SettingError, match="none of the columns holds images, or paths of them.*`a`"):
        convert(pd.DataFrame({"a": [1]}))
    with pytest.raises(inlaid.SettingError, match="image_column: there is no column `b`, only `a`"):
        convert(pd.DataFrame({"a": [b"x"]}), image_column="b")
    with pytest.raises(inlaid.InlaidError, match="no source folder is given"):
        convert(iter([]))
    with pytest.raises(inlaid.SettingError, match="a row is a dictionary, not int"):
        convert([{"image": PNGS[0]}, 3])
    with pytest.raises(inlaid.SettingError, match="an image is an array of uint8 or uint16, not of float64"):
        convert([{"image": np.zeros((8, 8, 3))}])
    with pytest.raises(inlaid.SettingError, match="root is for rows in memory, not for paths"):
        convert("photos", root="x")


def test_paths_from_an_iterator_are_paths(convert, photos):
    summary, _ = convert(iter([photos]))
    assert summary["rows"] == 60


def test_bad_rows_are_rejects(convert):
    images = [*PNGS[:20], b"no image", None]
    summary, out = convert(pl.DataFrame({"image": images}))
    assert summary["rejects_by_reason"] == {"no-image": 1, "unknown-format": 1}
    assert os.listdir(out.parent) == [out.name]


def test_mapping_of_frames_of_paths_keeps_its_splits(convert, photos):
    keys = [f"{n % 4}/{n:02}.png" for n in NUMBERS]
    frame = pd.DataFrame(columns(path=keys))
    parts = {"train": frame[:40], "test": frame[40:]}
    summary = inlaid.convert(parts, photos.parent / "datasets/out", SIZE, progress=False, root=photos)
    assert summary["rows"] == 60
    found = inlaid.open(photos.parent / "datasets/out")
    assert {name: len(table) for name, table in found.items()} == {"train": 40, "test": 20}
    check(photos.parent / "datasets/out", keys)
    with pytest.raises(inlaid.SettingError, match="are named train, validation or test"):
        convert({"a": frame[:40], "b": frame[40:]}, root=photos)


@pytest.mark.parametrize("split", ["_x", "", "../evil", "a/b", ".h", 3])
def test_names_of_splits_are_checked(convert, split, tmp_path):
    with pytest.raises(inlaid.SettingError, match="a split is named by"):
        convert({split: hugging_face(), "test": hugging_face()})
    assert os.listdir(tmp_path) == []


def test_nothing_is_left_of_a_dry_run_or_a_failure(convert, tmp_path):
    convert([{"image": pixels(1)}], "deep/er/out", dry_run=True)
    assert os.listdir(tmp_path) == []
    with pytest.raises(inlaid.NotFoundError):
        inlaid.append([{"image": pixels(1)}], tmp_path / "nowhere/out", progress=False)
    assert os.listdir(tmp_path) == []
    with pytest.raises(inlaid.SettingError, match="fit"):
        convert([{"image": pixels(1)}], fit="x")
    assert os.listdir(tmp_path) == []


def test_values_beyond_16_bits_and_floats_are_refused(convert):
    def of(array):
        return [{"image": Image.fromarray(array)}]

    with pytest.raises(inlaid.SettingError, match="mode F has no white"):
        convert(of(np.full((4, 4), 0.5, np.float32)))
    with pytest.raises(inlaid.SettingError, match="mode I has values from 0 to 65,535"):
        convert(of(np.full((4, 4), 70000, np.int32)))
    big_endian = Image.frombytes("I;16B", (8, 8), np.full((8, 8), 0x4080, ">u2").tobytes())
    _, out = convert([{"image": big_endian}], dtype="uint16")
    ((image, *_),) = rows(out).values()
    assert (image == 0x4080).all()


def test_transparency_of_a_png_is_that_of_its_bytes(convert):
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (255, 0, 0)).save(file, "PNG", transparency=(255, 0, 0))
    ((of_bytes, *_),) = rows(convert([{"image": file.getvalue()}])[1]).values()
    ((of_pillow, *_),) = rows(convert([{"image": Image.open(file)}], "pillow")[1]).values()
    assert np.array_equal(of_bytes, of_pillow) and not of_pillow.any()


def test_broken_image_of_pillow_is_a_reject(convert, tmp_path):
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (99, 99, 3), np.uint8)).save(file, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(file.getvalue()[:2000])
    images = [Image.fromarray(pixels(1)), Image.open(tmp_path / "cut.jpg"), Image.open(io.BytesIO(file.getvalue()[:2000]))]
    summary, _ = convert([{"image": image} for image in images])
    assert (summary["rows"], summary["rejects_by_reason"]) == (1, {"truncated": 1, "no-image": 1})


def test_missing_file_of_hugging_face_is_a_reject(convert, photos):
    paths = [str(photos / f"{n % 4}/{n:02}.png") for n in NUMBERS]
    paths[7] = str(photos / "none.png")
    dataset = datasets.Dataset.from_dict({"image": paths}).cast_column("image", datasets.Image())
    summary, _ = convert(dataset)
    assert (summary["rows"], summary["rejects"]) == (59, 1)


def test_categorical_paths_torch_tensors_and_unnamed_indices(convert, photos):
    frame = pd.DataFrame({"path": pd.Categorical([f"{n % 4}/{n:02}.png" for n in NUMBERS]), "number": list(NUMBERS)})
    _, out = convert(frame[frame["number"] > 3], root=photos)
    assert len(rows(out)) == 56
    assert "__index_level_0__" not in inlaid.open(out)["train"].schema.names

    class Tensor:
        """What an array of another library is."""

        shape = (8, 8, 3)

        def __array__(self, dtype=None, copy=None):
            return pixels(1)

    _, out = convert([{"image": Tensor()}], "tensor")
    ((image, *_),) = rows(out).values()
    assert np.array_equal(image, pixels(1))


def test_ways_out_are_told(convert):
    with pytest.raises(inlaid.SettingError, match="its `collect"):
        convert(pl.LazyFrame({"image": PNGS}))
    with pytest.raises(inlaid.SettingError, match=r"put channels last with `transpose\(1, 2, 0\)`"):
        convert([{"image": np.zeros((3, 8, 8), np.uint8)}])
    with pytest.raises(inlaid.SettingError, match="the column `image` mixes paths and images"):
        convert([{"image": pixels(1)}, {"image": "a.png"}])
    with pytest.raises(inlaid.SettingError, match="sources has no rows"):
        convert(pd.DataFrame({"path": []}, dtype=str))
    with pytest.raises(inlaid.SettingError, match="name says a split"):
        inlaid.convert([{"image": pixels(1)}], "out", SIZE, name="test", progress=False)
    with pytest.raises(inlaid.SettingError, match="a mapping is one of frames"):
        convert({"image": PNGS})
    with pytest.raises(inlaid.InlaidError) as caught:
        convert(pa.table({"a": PNGS, "b": PNGS}))
    assert ".inlaid-rows" not in str(caught.value) and "image_column" in str(caught.value)


def test_further_rows_of_splits_have_another_name(convert):
    parts = hugging_face().train_test_split(test_size=10, seed=1, shuffle=False)
    first = datasets.DatasetDict({"train": parts["train"]})
    summary, out = convert(first)
    assert summary["notices"] == ["splits are taken from the names in `sources`"]
    summary = inlaid.append({"train": parts["test"]}, out, name="more", progress=False)
    assert summary["rows"] == 10
    check(out, [*(f"train/{n:09}" for n in range(50)), *(f"train/more/{n:09}" for n in range(10))])


def test_append_without_labels_is_told(convert):
    _, out = convert([{"image": pixels(n), "label": "a"} for n in range(10)])
    summary = inlaid.append([{"image": pixels(n)} for n in range(10, 13)], out, name="more", folders="classes", progress=False)
    assert "none of the 3 new images has a label, though the dataset has labels" in summary["notices"]


SLOWLY = """
import time, numpy, inlaid
def rows():
    for number in range(700):
        time.sleep(0.002)
        yield {{"image": numpy.zeros((8, 8), numpy.uint8)}}
inlaid.convert(rows(), {out!r}, 8, progress={progress})
"""


@pytest.mark.parametrize("progress", [True, False])
def test_reading_of_rows_has_a_bar_in_a_terminal(tmp_path, progress):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    code = SLOWLY.format(out=str(tmp_path / "out"), progress=progress)
    with subprocess.Popen([sys.executable, "-c", code], stderr=theirs, stdin=subprocess.DEVNULL):
        os.close(theirs)
        shown = b""
        # The end of a terminal without a program is an error.
        while part := read_or_end(ours):
            shown += part
    os.close(ours)
    assert (b"reading rows: 512 rows" in shown) == progress
    assert (b"/700 images" in shown) == progress


def read_or_end(terminal):
    try:
        return os.read(terminal, 1 << 16)
    except OSError:
        return b""
