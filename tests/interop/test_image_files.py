"""Tables of image files: batches of them are what a conversion would have stored, in every framework."""

import io
import pickle
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import inlaid
from conftest import SAMPLE

PIL = pytest.importorskip("PIL.Image")

SPLIT = {"train": 0.8, "test": 0.2}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """The sample, every file as it is, in several files of several row groups."""
    out = tmp_path_factory.mktemp("files") / "dataset"
    sizes = {"row_group_bytes": 2000, "shard_bytes": 6000}
    inlaid.convert(SAMPLE, out=out, storage="encoded", split=SPLIT, progress=False, **sizes)
    return inlaid.open(out)


@pytest.fixture(scope="module")
def train(dataset):
    return dataset["train"]


def of_paths(batches):
    """The tensors of a pass by the path of their row."""
    parts = [(batch["path"], batch["image"]) for batch in batches]
    assert all(len(paths) == len(images) for paths, images in parts)
    return {path: image for paths, images in parts for path, image in zip(paths, images, strict=True)}


def converted(tmp_path, **keywords):
    inlaid.convert(SAMPLE, out=tmp_path / "tensors", split=SPLIT, progress=False, **keywords)
    return of_paths(inlaid.open(tmp_path / "tensors")["train"].batches(8, columns=["path"]))


def test_tables_of_files_say_what_they_are(dataset, train):
    assert len(train.files) > 1
    assert (train.tensor_column, train.dtype, train.classes) == (
        "image",
        np.uint8,
        ["circle", "square", "triangle"],
    )
    assert (
        repr(train)
        == f"<inlaid.Table {len(train)} rows: image files, label, path, source_height, source_width, sha256; 3 classes>"
    )
    assert "rows of files" in repr(dataset)
    with pytest.raises(inlaid.SettingError, match=r"have sizes of their own; batches have a `size`"):
        train.shape  # noqa: B018
    with pytest.raises(
        inlaid.SettingError,
        match="image files have sizes of their own: `size` resizes them",
    ):
        train.batches(8)
    with pytest.raises(inlaid.SettingError, match="have sizes of their own"):
        train[:3]


def test_single_images_have_their_own_size(train):
    for row, (height, width) in enumerate(
        zip(train.column("source_height"), train.column("source_width"), strict=True)
    ):
        file = train.image_file(row)
        assert train[row].shape == (height, width, 3)
        image = PIL.open(io.BytesIO(file))
        if image.mode == "RGB":
            assert np.abs(train[row].astype(int) - np.asarray(image)).max() <= 8
        assert np.array_equal(np.asarray(train.image(row)), train[row])
    assert np.array_equal(train[-1], train[len(train) - 1])
    assert train.image_file(0) == (SAMPLE / train.column("path")[0]).read_bytes()
    with pytest.raises(inlaid.RowError):
        train.image_file(len(train))
    with pytest.raises(inlaid.RowError):
        train[len(train)]


@pytest.mark.parametrize(
    "keywords",
    [
        {"size": 32},
        {"size": (20, 50), "fit": "crop", "filter": "lanczos3"},
        {"size": 40, "fit": "pad", "pad_color": (9, 8, 7), "only_shrink": True},
        {
            "size": 32,
            "fit": "shortest-side",
            "crop_ratio": 0.8,
            "resize_like": "torchvision",
        },
        {"size": 32, "resize_like": "pillow", "filter": "bicubic", "channels": "gray"},
        {"size": 32, "resize_like": "tf", "antialias": True, "channels": "rgba"},
        {
            "size": 32,
            "dtype": "float32",
            "mean": "imagenet",
            "std": "imagenet",
            "layout": "chw",
        },
        {"size": 32, "dtype": "float16", "scale": "-1..1"},
        {"size": 32, "dtype": "uint16"},
        {"size": 32, "exif": False, "color_profile": "srgb", "truncated": "keep"},
    ],
)
def test_batches_have_the_bytes_of_a_conversion(train, tmp_path, keywords):
    batches = train.batches(8, shuffle=True, columns=["path"], **keywords)
    expected = converted(tmp_path, **keywords)
    found = of_paths(batches)
    assert found.keys() == expected.keys()
    assert (batches.shape, batches.dtype) == (
        next(iter(expected.values())).shape,
        next(iter(expected.values())).dtype,
    )
    for path, image in found.items():
        assert image.dtype == expected[path].dtype and np.array_equal(image, expected[path]), path


@pytest.mark.parametrize("encoding", ["jpeg", "png"])
def test_files_of_one_size_need_none(tmp_path, encoding):
    out = tmp_path / "dataset"
    inlaid.convert(
        SAMPLE,
        out,
        (24, 30),
        storage="encoded",
        encoding=encoding,
        channels="gray",
        split=SPLIT,
        progress=False,
    )
    train = inlaid.open(out)["train"]
    assert train.shape == (24, 30, 1) and "files 24x30x1" in repr(train)
    batch = next(iter(train.batches(8)))
    assert batch["image"].shape == (8, 24, 30, 1)
    assert np.array_equal(train[:8], batch["image"]) and np.array_equal(train[[3, 1]], batch["image"][[3, 1]])
    assert train.batches(8, size=12, channels="rgb").shape == (12, 12, 3)


def huggingface(tmp_path, kind):
    """A dataset of Hugging Face with an `Image` column of another name, in several row groups."""
    datasets = pytest.importorskip("datasets")
    files = sorted(SAMPLE.rglob("*.png"))[:12] + sorted(SAMPLE.rglob("*.jp*g"))[:12]
    columns = {"img": [str(file) for file in files], "fine": list(range(len(files)))}
    rows = datasets.Dataset.from_dict(columns).cast_column("img", datasets.Image())
    if kind == "arrow":
        rows.save_to_disk(tmp_path / "saved")
        return files, next((tmp_path / "saved").glob("*.arrow"))
    path = tmp_path / "rows.parquet"
    if kind == "parquet":
        rows.to_parquet(path, batch_size=7)
        return files, path
    content = [{"bytes": file.read_bytes(), "path": None} for file in files]
    table = pa.table({"img": content, "fine": columns["fine"]}).cast(
        pa.schema(
            [
                ("img", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
                ("fine", pa.int64()),
            ]
        )
    )
    options = {
        "snappy": {"compression": "snappy"},
        "plain": {"compression": "none", "use_dictionary": False},
    }[kind]
    pq.write_table(table, path, row_group_size=5, **options)
    return files, path


@pytest.mark.parametrize("kind", ["parquet", "snappy", "plain", "arrow"])
@pytest.mark.parametrize("is_mapped", [True, False])
def test_tables_of_other_tools_are_read(tmp_path, kind, is_mapped):
    (tmp_path / "photos").mkdir()
    files, path = huggingface(tmp_path, kind)
    table = inlaid.open(path, map=is_mapped)
    assert (table.tensor_column, len(table)) == ("img", len(files))
    assert [table.image_file(row) for row in range(len(files))] == [file.read_bytes() for file in files]
    for file in files:
        shutil.copy(file, tmp_path / "photos" / file.name)
    inlaid.convert(tmp_path / "photos", out=tmp_path / "tensors", size=20, split={"train": 1}, progress=False)
    expected = of_paths(inlaid.open(tmp_path / "tensors")["train"].batches(8, columns=["path"]))
    by_name = {key.rsplit("/", 1)[-1]: image for key, image in expected.items()}
    for batch in table.batches(5, shuffle=True, size=20, columns=["fine"]):
        for image, number in zip(batch["img"], batch["fine"], strict=True):
            assert np.array_equal(image, by_name[files[number].name])


def test_views_and_mixtures_of_files(train, dataset, tmp_path):
    circles = train.where(label="circle")
    both = inlaid.concat([circles, dataset["test"]])
    assert len(both) == len(circles) + len(dataset["test"])
    assert both.image_file(len(circles)) == dataset["test"].image_file(0)
    mixture = inlaid.mix({circles: 0.5, dataset["test"]: 0.5})
    assert next(iter(mixture.batches(4, shuffle=True, size=16)))["image"].shape == (
        4,
        16,
        16,
        3,
    )
    again = pickle.loads(pickle.dumps(both))
    assert again.image_file(3) == both.image_file(3)
    rows = [{"image": np.zeros((8, 8, 3), np.uint8)}]
    inlaid.convert(rows, out=tmp_path / "tensors", size=8, split={"train": 1}, progress=False)
    with pytest.raises(inlaid.SettingError, match="can't be joined"):
        inlaid.concat([train, inlaid.open(tmp_path / "tensors")["train"]])


def test_states_resume_and_ranks_share(train):
    keywords = {
        "shuffle": True,
        "size": 16,
        "columns": ["path"],
        "random_resized_crop": True,
    }
    whole = of_paths(train.batches(5, **keywords))
    ranks = [of_paths(train.batches(5, rank=rank, world_size=3, uneven="keep", **keywords)) for rank in range(3)]
    assert sum(map(len, ranks)) == len(whole)
    for path, image in (item for rank in ranks for item in rank.items()):
        assert np.array_equal(image, whole[path])
    batches = train.batches(5, **keywords)
    next(iter(batches))
    resumed = train.batches(5, **keywords)
    resumed.load_state_dict(batches.state_dict())
    rest = of_paths(resumed)
    assert len(rest) == len(whole) - 5
    assert all(np.array_equal(image, whole[path]) for path, image in rest.items())


@pytest.fixture
def damaged(tmp_path):
    """Eight images, of which the third is cut off and the sixth is no image."""
    content = []
    for number in range(8):
        file = io.BytesIO()
        PIL.new("RGB", (30, 20), (30 * number, 0, 0)).save(file, "JPEG")
        content.append(file.getvalue())
    content[2], content[5] = content[2][: len(content[2]) // 2], b"no image at all"
    paths = [f"photos/{number}.jpg" for number in range(8)]
    table = pa.table({"image": [{"bytes": file, "path": None} for file in content], "path": paths})
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(
        table.cast(pa.schema([("image", image), ("path", pa.string())])),
        tmp_path / "rows.parquet",
    )
    return inlaid.open(tmp_path / "rows.parquet")


def test_a_damaged_file_is_named(damaged):
    with pytest.raises(inlaid.DamagedError) as error:
        list(damaged.batches(4, size=8))
    for part in ["row 2", "rows.parquet", "`photos/2.jpg`"]:
        assert part in str(error.value), str(error.value)
    with pytest.raises(inlaid.DamagedError, match="row 5"):
        damaged[5]
    with pytest.raises(inlaid.DamagedError, match="row 1"):
        list(damaged.select([0, 5]).batches(2, size=8))


def test_damaged_files_are_left_out_and_counted(damaged):
    batches = damaged.batches(4, size=8, columns=["path"], on_error="skip")
    with pytest.warns(inlaid.SkippedRowsWarning, match="left out: .*row 2"):
        found = list(batches)
    assert [list(batch["path"]) for batch in found] == [
        ["photos/0.jpg", "photos/1.jpg", "photos/3.jpg"],
        ["photos/4.jpg", "photos/6.jpg", "photos/7.jpg"],
    ]
    assert [len(batch["image"]) for batch in found] == [3, 3]
    reds = np.concatenate([batch["image"] for batch in found])[:, 4, 4, 0]
    assert np.abs(reds.astype(int) - [0, 30, 90, 120, 180, 210]).max() <= 3
    assert list(batches.skipped) == [2, 5] and "photos/5.jpg" in batches.skipped[5]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(batches)) == 2
    # A batch of which nothing is left.
    with pytest.raises(inlaid.DamagedError, match="row 2"):
        list(damaged.batches(1, size=8, on_error="skip"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_does_not_grow_with_passes(train):
    program = (
        "import sys, inlaid\n"
        "def own():\n"
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    return next(int(line.split()[1]) for line in lines if line.startswith('RssAnon'))\n"
        "batches = inlaid.open(sys.argv[1]).batches(8, shuffle=True, size=64, random_resized_crop=True)\n"
        "for number in range(100):\n"
        "    for _ in batches: pass\n"
        "    if number == 9: early = own()\n"
        "print(own() - early)\n"
    )
    command = [sys.executable, "-c", program, str(train.files[0].parent)]
    grown = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    # In KiB: less than the tensors of a few passes.
    assert grown < 4096


def test_arrow_and_columns_of_files(train):
    arrow = train.to_arrow()
    assert arrow.num_rows == len(train)
    assert [row["bytes"] for row in arrow["image"].to_pylist()] == [train.image_file(row) for row in range(len(train))]
    assert train.select([4, 1]).to_arrow(["image"])["image"][0]["bytes"].as_py() == train.image_file(4)


def test_huggingface_datasets_are_made_of_files(train):
    pytest.importorskip("datasets")
    rows = train.to_hf()
    assert rows[3]["image"].size == (
        train.column("source_width")[3],
        train.column("source_height")[3],
    )
    assert rows.features["label"].names == train.classes
