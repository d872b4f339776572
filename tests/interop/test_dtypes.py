"""Tensors of every element type and layout: columns and pages on disk, and what every reader gets of them."""

import json
import zlib

import datasets
import duckdb
import fastparquet
import inlaid  # noqa: F401  (registers its feature with `datasets`)
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import SAMPLE
from test_layout import assert_valid, column, offset_index, page

SIZE = (16, 15)
DTYPES = {"u16": np.dtype("uint16"), "f16": np.dtype("float16"), "f32": np.dtype("float32")}
LAYOUTS = {"hwc": ([16, 15, 3], ["H", "W", "C"]), "chw": ([3, 16, 15], ["C", "H", "W"])}
ARROW = {"u16": pa.uint16(), "f16": pa.float16(), "f32": pa.float32()}
PAGES = {"u16": ("INT32", "RLE_DICTIONARY"), "f16": ("FIXED_LEN_BYTE_ARRAY", "PLAIN"), "f32": ("FLOAT", "PLAIN")}


@pytest.fixture(scope="module")
def made(inlaid, tmp_path_factory):
    """A function that converts the sample folder, once for the same options."""
    datasets = {}

    def convert(*options):
        if options not in datasets:
            # Hugging Face takes a folder of the same name, features and sizes for the one that it has in its cache.
            out = tmp_path_factory.mktemp("dtypes") / "".join(options)
            inlaid("convert", SAMPLE, "--out", out, "--size", "16x15", "--row-group-bytes", "20KiB", *options)
            datasets[options] = out
        return datasets[options]

    return convert


@pytest.fixture(scope="module", params=DTYPES)
def dtype(request):
    return request.param


@pytest.fixture(scope="module", params=LAYOUTS)
def layout(request):
    return request.param


@pytest.fixture(scope="module")
def folder(made, dtype, layout):
    return made("--dtype", dtype, "--layout", layout)


@pytest.fixture(scope="module")
def expected(folder):
    """The training images, as pyarrow reads them from its own list column."""
    table = pq.read_table(folder / "train")
    return table["image"].combine_chunks().to_numpy_ndarray()


def shard(folder):
    (file,) = (folder / "train").iterdir()
    return file


def as_images(values, dtype, layout):
    return np.asarray(values, DTYPES[dtype]).reshape(-1, *LAYOUTS[layout][0])


# On disk


def test_column_is_a_tensor_of_its_type(folder, dtype, layout):
    shape, names = LAYOUTS[layout]
    field = pq.read_schema(shard(folder)).field("image")
    assert field.type == pa.fixed_shape_tensor(ARROW[dtype], shape, dim_names=names)
    assert not field.nullable


def test_manifest_is_valid(made):
    folder = made("--dtype", "f32", "--mean", "0.1,0.2,0.3", "--std", "0.5", "--scale", "-1..1", "--layout", "chw")
    assert_valid(json.loads((folder / "inlaid.json").read_text()), "manifest")


def test_chunk_has_the_encoding_of_its_type(folder, dtype):
    chunk = column(shard(folder), "image")
    physical, encoding = PAGES[dtype]
    assert chunk.physical_type == physical
    assert encoding in chunk.encodings
    assert chunk.has_dictionary_page == (dtype == "u16")
    assert not chunk.is_stats_set
    assert chunk.has_offset_index


def test_pixels_lie_verbatim_and_aligned_in_every_page(folder, dtype, expected):
    data, row = shard(folder).read_bytes(), 0
    for group in range(pq.read_metadata(shard(folder)).num_row_groups):
        for location in offset_index(shard(folder), group):
            header, body = page(data, location.offset)
            assert header.crc & 0xFFFF_FFFF == zlib.crc32(body)
            rows = header.data_page_header.num_values // expected[0].size
            pixels = expected[row : row + rows].tobytes()
            start = data.index(pixels, location.offset)
            assert start + len(pixels) <= location.offset + location.compressed_page_size
            assert start % DTYPES[dtype].itemsize == 0
            assert start - location.offset < 200
            row += rows
    assert row == len(expected)


def test_dictionary_of_u16_is_the_identity(made):
    file = shard(made("--dtype", "u16"))
    header, body = page(file.read_bytes(), column(file, "image").dictionary_page_offset)
    assert (header.dictionary_page_header.num_values, header.dictionary_page_header.encoding) == (65_536, 0)
    assert np.array_equal(np.frombuffer(body, "<i4"), np.arange(65_536))


def test_binary_column_says_its_type(made, dtype):
    folder = made("--dtype", dtype, "--storage", "binary")
    column = pq.read_table(shard(folder))["image"].combine_chunks()
    metadata = pq.read_schema(shard(folder)).field("image").metadata
    assert metadata[b"inlaid:dtype"].decode() == DTYPES[dtype].name
    images = np.frombuffer(column.buffers()[1], DTYPES[dtype]).reshape(-1, *LAYOUTS["hwc"][0])
    tensors = pq.read_table(made("--dtype", dtype, "--layout", "hwc") / "train")["image"]
    assert np.array_equal(images, tensors.combine_chunks().to_numpy_ndarray())


def test_planes_are_transposed_pixels(made, dtype):
    hwc, chw = (
        pq.read_table(made("--dtype", dtype, "--layout", layout) / "train")["image"].combine_chunks()
        for layout in ("hwc", "chw")
    )
    assert np.array_equal(hwc.to_numpy_ndarray().transpose(0, 3, 1, 2), chw.to_numpy_ndarray())


def test_planes_of_bytes_are_transposed_pixels(made):
    hwc, chw = (
        pq.read_table(made("--layout", layout) / "train")["image"].combine_chunks() for layout in ("hwc", "chw")
    )
    assert np.array_equal(hwc.to_numpy_ndarray().transpose(0, 3, 1, 2), chw.to_numpy_ndarray())


# Readers


def test_pyarrow_verifies_page_checksums(folder, expected):
    table = pq.read_table(folder / "train", page_checksum_verification=True)
    assert np.array_equal(table["image"].combine_chunks().to_numpy_ndarray(), expected)


def test_pyarrow_maps_an_arrow_file(made, dtype, layout, expected):
    folder = made("--dtype", dtype, "--layout", layout, "--format", "arrow")
    with pa.memory_map(str(shard(folder))) as mapped:
        table = pa.ipc.open_file(mapped).read_all()
        assert table.schema.field("image").type.value_type == ARROW[dtype]
        assert np.array_equal(table["image"].combine_chunks().to_numpy_ndarray(), expected)


def test_polars_reads_parquet(folder, dtype, layout, expected):
    images = pl.read_parquet(folder / "train")["image"].ext.storage().to_numpy()
    assert images.dtype == DTYPES[dtype]
    assert np.array_equal(as_images(images, dtype, layout), expected)


def test_duckdb_reads_parquet(folder, dtype, layout, expected):
    rows = duckdb.sql(f"select image from '{folder}/train/*.parquet'").fetchall()
    assert np.array_equal(as_images([image for (image,) in rows], dtype, layout), expected)


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streaming"])
def test_huggingface_loads_the_folder(folder, dtype, layout, streaming, expected):
    loaded = datasets.load_dataset(str(folder), split="train", streaming=streaming)
    # Importing `inlaid` brings the feature, which is otherwise a list.
    feature = loaded.features["image"]
    assert (feature.shape, feature.dtype) == (tuple(LAYOUTS[layout][0]), DTYPES[dtype].name)
    rows = [row["image"] for row in loaded]
    assert np.array_equal(as_images(rows, dtype, layout), expected)


def test_fastparquet_reads_what_it_can(made):
    for dtype in ("u16", "f32"):
        folder = made("--dtype", dtype)
        expected = pq.read_table(folder / "train")["image"].combine_chunks().to_numpy_ndarray()
        frame = fastparquet.ParquetFile(str(shard(folder))).to_pandas(columns=["image"])
        assert np.array_equal(as_images(list(frame["image"]), dtype, "hwc"), expected)
