"""Every reader gets the same pixels from what was written, and they are the right ones."""

import datasets
import duckdb
import fastparquet
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from PIL import Image

from conftest import CLASSES, SAMPLE, SIZE

SHAPE = (SIZE, SIZE, 3)
STORAGES = ["tensor", "binary"]
COMPRESSIONS = ["none", "lz4", "zstd"]

# Opaque RGB without loss or EXIF: what Pillow reads needs no rule of ours.
LOSSLESS_RGB = [
    *("02-rgb.png", "03-lossless.webp", "04-palette.png", "10-animated.webp", "11-rgb.bmp", "13-rgb.tga"),
    *("16-rgb.png", "17-lossless.webp", "18-palette.png", "24-palette.gif", "25-palette.bmp", "26-rgb.ppm"),
    *("29-rgb.png", "30-lossless.webp", "31-palette.png", "33-large-rgb.png", "38-lzw.tiff", "40-rgb.qoi"),
]


@pytest.fixture(scope="module", params=STORAGES)
def storage(request):
    return request.param


@pytest.fixture(scope="module", params=COMPRESSIONS)
def compression(request):
    return request.param


@pytest.fixture(scope="module")
def parquet(sample, storage, compression):
    return sample(storage, "parquet", compression)


@pytest.fixture(scope="module")
def arrow(sample, storage, compression):
    return sample(storage, "arrow", compression)


@pytest.fixture(scope="session")
def expected(sample):
    """The training images of the default dataset by path: what all readers must agree on."""
    table = pq.read_table(sample() / "train")
    images = table["image"].combine_chunks().to_numpy_ndarray()
    return dict(zip(table["path"].to_pylist(), images, strict=True))


def ndarray(column):
    """A pyarrow array or column of either storage as one array of images."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    return np.concatenate([to_images(chunk) for chunk in chunks])


def to_images(chunk):
    if isinstance(chunk.type, pa.FixedShapeTensorType):
        return chunk.to_numpy_ndarray()
    assert chunk.type == pa.binary(np.prod(SHAPE))
    pixels = np.frombuffer(chunk.buffers()[1], np.uint8).reshape(-1, *SHAPE)
    return pixels[chunk.offset : chunk.offset + len(chunk)]


def as_image(value):
    """A value of either storage, as a Python reader hands it out, as an image."""
    if isinstance(value, bytes):
        return np.frombuffer(value, np.uint8).reshape(SHAPE)
    return np.asarray(value, np.uint8).reshape(SHAPE)


def assert_same(paths, images, expected):
    assert sorted(paths) == sorted(expected)
    for path, image in zip(paths, images, strict=True):
        assert np.array_equal(np.reshape(image, SHAPE), expected[path]), path


def files(dataset):
    return sorted(str(path) for path in (dataset / "train").iterdir())


# The pixels themselves


def test_pixels_are_those_of_pillow(sample):
    table = pq.read_table([*files(sample()), *sample().glob("validation/*"), *sample().glob("test/*")])
    rows = dict(zip(table["path"].to_pylist(), ndarray(table["image"]), strict=True))
    checked = 0
    for path, image in rows.items():
        if path.split("/")[1] in LOSSLESS_RGB:
            with Image.open(SAMPLE / path) as source:
                reference = np.asarray(source.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR), int)
            assert np.abs(image - reference).max() <= 3, path
            checked += 1
    assert checked == len(LOSSLESS_RGB)


def test_labels_are_the_folders(sample):
    table = pq.read_table(sample() / "train")
    assert [CLASSES[label] for label in table["label"].to_pylist()] == [
        path.split("/")[0] for path in table["path"].to_pylist()
    ]


def test_sizes_are_those_of_the_upright_sources(sample):
    rows = [row for split in ("train", "validation", "test") for row in read_small(sample() / split)]
    assert len(rows) == 40
    for row in rows:
        with Image.open(SAMPLE / row["path"]) as source:
            width, height = source.size
        if "orientation-6" in row["path"]:
            width, height = height, width
        assert (row["source_width"], row["source_height"]) == (width, height), row["path"]


def read_small(split):
    return pq.read_table(split, columns=["path", "source_height", "source_width"]).to_pylist()


# pyarrow


def test_pyarrow_sees_a_tensor_column(sample):
    schema = pq.read_schema(files(sample())[0])
    image = schema.field("image")
    assert isinstance(image.type, pa.FixedShapeTensorType)
    assert (image.type.shape, image.type.dim_names, image.type.permutation) == ([64, 64, 3], ["H", "W", "C"], None)
    assert image.type.value_type == pa.uint8()
    assert image.type.storage_type.value_field.nullable
    assert not image.nullable


def test_pyarrow_sees_the_shape_beside_a_binary_column(sample):
    image = pq.read_schema(files(sample("binary"))[0]).field("image")
    assert image.type == pa.binary(12_288)
    assert image.metadata[b"inlaid:shape"] == b'{"shape":[64,64,3],"dim_names":["H","W","C"]}'
    assert image.metadata[b"inlaid:dtype"] == b"uint8"


def test_pyarrow_reads_a_table(parquet, expected):
    table = pq.read_table(parquet / "train")
    table.validate(full=True)
    assert_same(table["path"].to_pylist(), ndarray(table["image"]), expected)


def test_pyarrow_verifies_page_checksums(parquet, expected):
    for file in files(parquet):
        table = pq.ParquetFile(file, page_checksum_verification=True).read()
        assert_same(table["path"].to_pylist(), ndarray(table["image"]), expected)


def test_pyarrow_finds_a_flipped_pixel_by_its_page_checksum(sample, tmp_path):
    file = sample() / "train/train-00000.parquet"
    damaged = bytearray(file.read_bytes())
    chunk = pq.read_metadata(file).row_group(0).column(0)
    damaged[chunk.data_page_offset + chunk.total_compressed_size // 2] ^= 1
    (tmp_path / "damaged.parquet").write_bytes(damaged)
    with pytest.raises(OSError, match="CRC"):
        pq.ParquetFile(tmp_path / "damaged.parquet", page_checksum_verification=True).read()


def test_pyarrow_iterates_over_batches(parquet, expected):
    paths, images = [], []
    for file in files(parquet):
        for batch in pq.ParquetFile(file, pre_buffer=False).iter_batches(batch_size=5):
            paths += batch["path"].to_pylist()
            images += list(ndarray(batch["image"]))
    assert_same(paths, images, expected)


def test_pyarrow_scans_a_dataset(parquet, expected):
    scan = ds.dataset(parquet / "train", format="parquet").scanner(batch_size=7)
    batches = list(scan.to_batches())
    paths = [path for batch in batches for path in batch["path"].to_pylist()]
    assert_same(paths, np.concatenate([ndarray(batch["image"]) for batch in batches]), expected)


def test_pyarrow_filters_a_dataset_by_label(sample, expected):
    table = ds.dataset(sample() / "train").to_table(filter=ds.field("label") == 1)
    squares = {path: image for path, image in expected.items() if path.startswith("square/")}
    assert_same(table["path"].to_pylist(), ndarray(table["image"]), squares)


def test_pyarrow_maps_an_arrow_file(arrow, expected):
    for file in files(arrow):
        with pa.memory_map(file) as source:
            table = pa.ipc.open_file(source).read_all()
            assert_same(table["path"].to_pylist(), ndarray(table["image"]), expected)


@pytest.mark.parametrize("storage", STORAGES)
def test_pyarrow_copies_nothing_from_an_arrow_file(sample, storage):
    (file,) = files(sample(storage, "arrow"))
    before = pa.total_allocated_bytes()
    with pa.memory_map(file) as source:
        start = source.read_buffer(1).address
        batches = pa.ipc.open_file(source)
        for index in range(batches.num_record_batches):
            image = batches.get_batch(index)["image"]
            values = image.buffers()[-1]
            assert values.size >= len(image) * 12_288
            assert (values.address - start) % 64 == 0
            assert np.shares_memory(to_images(image), np.frombuffer(values, np.uint8))
        assert pa.total_allocated_bytes() - before < 4096


# polars


def test_polars_reads_parquet(parquet, storage, expected):
    frame = pl.read_parquet(parquet / "train")
    assert_same(frame["path"].to_list(), polars_images(frame, storage), expected)


def test_polars_reads_arrow(arrow, storage, expected):
    frame = pl.read_ipc(files(arrow))
    assert_same(frame["path"].to_list(), polars_images(frame, storage), expected)


def test_polars_keeps_the_tensor_type(sample):
    extension = pl.read_parquet_schema(sample() / "train/train-00000.parquet")["image"]
    assert extension.ext_name() == "arrow.fixed_shape_tensor"
    assert extension.ext_storage() == pl.Array(pl.UInt8, 12_288)


def polars_images(frame, storage):
    if storage == "binary":
        return [as_image(value) for value in frame["image"].to_list()]
    return list(frame["image"].ext.storage().to_numpy())


# DuckDB


def test_duckdb_reads_parquet(parquet, expected):
    rows = duckdb.sql(f"select path, image from '{parquet}/train/*.parquet'").fetchall()
    assert_same([path for path, _ in rows], [as_image(image) for _, image in rows], expected)


def test_duckdb_sees_fixed_size_arrays_after_a_cast(sample):
    query = duckdb.sql(f"select label, image::utinyint[12288] as image from '{sample()}/train/*.parquet'")
    assert [str(column) for column in query.types] == ["BIGINT", "UTINYINT[12288]"]
    assert len(query.fetchall()) == 33


# Hugging Face datasets


@pytest.mark.parametrize("format", ["parquet", "arrow"])
@pytest.mark.parametrize("streaming", [False, True])
def test_huggingface_loads_the_folder(sample, storage, format, streaming, expected):
    splits = datasets.load_dataset(str(sample(storage, format)), streaming=streaming)
    assert list(splits) == ["train", "validation", "test"]
    train = splits["train"]
    assert train.features["label"] == datasets.ClassLabel(names=CLASSES)
    rows = list(train)
    assert_same([row["path"] for row in rows], [as_image(row["image"]) for row in rows], expected)
    assert [CLASSES[row["label"]] for row in rows] == [row["path"].split("/")[0] for row in rows]


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_huggingface_loads_compressed_columns(sample, storage, compression, expected):
    train = datasets.load_dataset(str(sample(storage, "parquet", compression)), split="train")
    assert_same(train["path"], [as_image(image) for image in train["image"]], expected)


def test_huggingface_finds_the_class_names_in_a_shard_alone(sample):
    shard = files(sample("binary"))[0]
    train = datasets.load_dataset("parquet", data_files=shard, split="train")
    assert train.features["label"] == datasets.ClassLabel(names=CLASSES)


def test_huggingface_uses_a_mapped_arrow_file_without_a_copy(sample, expected):
    (file,) = files(sample(format="arrow"))
    features = datasets.load_dataset(str(sample(format="arrow")), split="train").features
    before = pa.total_allocated_bytes()
    with pa.memory_map(file) as source:
        # The cast drops the tensor type, which `datasets` doesn't know.
        table = datasets.table.table_cast(pa.ipc.open_file(source).read_all(), features.arrow_schema)
        assert pa.total_allocated_bytes() - before < 4096
        train = datasets.Dataset(datasets.table.InMemoryTable(table))
        assert train.features["label"] == datasets.ClassLabel(names=CLASSES)
        assert_same(train["path"], [as_image(image) for image in train["image"]], expected)


# fastparquet


def test_fastparquet_reads_parquet(parquet, storage, expected):
    frame = fastparquet.ParquetFile(files(parquet)).to_pandas(columns=["path", "image"])
    images = list(frame["image"])
    if storage == "binary":
        # It reads fixed-size binary as NumPy's `S` type, which drops zeros at the end.
        images = [image.ljust(12_288, b"\0") for image in images]
    assert_same(list(frame["path"]), [as_image(image) for image in images], expected)


# TensorFlow and PyTorch


def rows_in_batches(dataset):
    for file in files(dataset):
        for batch in pq.ParquetFile(file, pre_buffer=False).iter_batches(batch_size=8):
            yield ndarray(batch["image"]), batch["label"].to_numpy()


def test_tensorflow_reads_from_a_generator(sample, storage, expected):
    tf = pytest.importorskip("tensorflow")

    signature = (tf.TensorSpec((None, *SHAPE), tf.uint8), tf.TensorSpec((None,), tf.int64))
    train = tf.data.Dataset.from_generator(
        lambda: rows_in_batches(sample(storage)), output_signature=signature
    )
    images, labels = zip(*train.unbatch().as_numpy_iterator())
    assert_in_order(images, labels, expected)


def test_pytorch_reads_under_a_data_loader(sample, storage, expected):
    torch = pytest.importorskip("torch")

    class Rows(torch.utils.data.IterableDataset):
        def __iter__(self):
            for images, labels in rows_in_batches(sample(storage)):
                yield torch.from_numpy(images.copy()), torch.from_numpy(labels.copy())

    loader = torch.utils.data.DataLoader(Rows(), batch_size=None)
    images, labels = zip(*((image, label) for batch in loader for image, label in zip(*batch)))
    assert images[0].shape == SHAPE and images[0].dtype == torch.uint8
    assert_in_order([image.numpy() for image in images], [int(label) for label in labels], expected)


def assert_in_order(images, labels, expected):
    assert len(images) == len(expected)
    for image, label, (path, reference) in zip(images, labels, expected.items(), strict=True):
        assert np.array_equal(image, reference), path
        assert CLASSES[label] == path.split("/")[0], path
