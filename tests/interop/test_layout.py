"""The files on disk, byte by byte where it matters: columns, encodings, row groups, pages, metadata,
and the JSON files against their schemas. Every number here is a promise to readers."""

import json
import os
import re
import zlib

import fastparquet
import jsonschema
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastparquet.cencoding import NumpyIO, ThriftObject, from_buffer
from PIL import Image

from conftest import REPOSITORY, SAMPLE

ROWS = 120


@pytest.fixture(scope="module")
def default(inlaid, tmp_path_factory):
    """The only shard of 120 rows of 224x224x3, all else at its default."""
    folder = tmp_path_factory.mktemp("layout")
    source = folder / "source/class"
    source.mkdir(parents=True)
    pixels = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)
    Image.fromarray(pixels).save(source / "000.png")
    for number in range(1, ROWS):
        os.link(source / "000.png", source / f"{number:03}.png")
    inlaid("convert", folder / "source", "--out", folder / "dataset", "--size", 224, "--split", "train=1")
    return folder / "dataset/train/train-00000.parquet"


def schema_text(path):
    """The Parquet schema as pyarrow prints it, without the address and the field ids we don't set."""
    return str(pq.ParquetFile(path).schema).partition("\n")[2].replace(" field_id=-1", "").strip() + "\n"


def column(path, name, row_group=0):
    group = pq.read_metadata(path).row_group(row_group)
    return next(
        group.column(index)
        for index in range(group.num_columns)
        if group.column(index).path_in_schema.split(".")[0] == name
    )


def offset_index(path, row_group):
    """Page locations of the first column, which pyarrow reads but doesn't show."""
    chunk = fastparquet.ParquetFile(str(path)).fmd.row_groups[row_group].columns[0]
    data = path.read_bytes()
    start = chunk.offset_index_offset
    return from_buffer(data[start : start + chunk.offset_index_length], "OffsetIndex").page_locations


def page(data, offset):
    """Header and body of the page at this offset."""
    reader = NumpyIO(np.frombuffer(data, np.uint8))
    reader.seek(offset)
    header = ThriftObject.from_buffer(reader, "PageHeader")
    return header, data[reader.tell() : reader.tell() + header.compressed_page_size]


# Columns


def test_parquet_schema_is_the_golden_one(default):
    assert schema_text(default) == (REPOSITORY / "schemas/dataset.parquet-schema.txt").read_text()


def test_arrow_schema(default):
    schema = pq.read_schema(default)
    tensor = pa.fixed_shape_tensor(pa.uint8(), [224, 224, 3], dim_names=["H", "W", "C"])
    assert [(field.name, field.type, field.nullable) for field in schema] == [
        ("image", tensor, False),
        ("label", pa.int64(), True),
        ("path", pa.string(), False),
        ("source_height", pa.int32(), False),
        ("source_width", pa.int32(), False),
        ("sha256", pa.string(), False),
    ]


def test_arrow_file_has_the_schema_of_the_parquet_file(sample):
    (parquet,) = sample().glob("train/*")
    (arrow,) = sample(format="arrow").glob("train/*")
    from_parquet = pq.read_schema(parquet)
    from_arrow = pa.ipc.open_file(arrow).schema
    assert from_arrow.equals(from_parquet, check_metadata=False)
    assert sorted(from_arrow.metadata) == sorted(from_parquet.metadata)


def test_gray_and_rgba_tensors_have_their_shape(inlaid, tmp_path):
    for channels, count in {"gray": 1, "rgba": 4}.items():
        out = tmp_path / channels
        inlaid("convert", SAMPLE, "--out", out, "--size", "5x7", "--channels", channels)
        image = pq.read_schema(out / "train/train-00000.parquet").field("image").type
        assert (image.shape, image.dim_names) == ([5, 7, count], ["H", "W", "C"])


# Column chunks


def test_tensor_column_is_dictionary_encoded_without_statistics(default):
    chunk = column(default, "image")
    assert chunk.physical_type == "INT32"
    assert chunk.path_in_schema == "image.list.item"
    assert chunk.encodings == ("PLAIN", "RLE", "RLE_DICTIONARY")
    assert chunk.compression == "UNCOMPRESSED"
    assert not chunk.is_stats_set
    assert chunk.has_offset_index
    assert not chunk.has_column_index
    assert chunk.dictionary_page_offset == 4


def test_binary_column_is_plain_without_statistics(sample):
    chunk = column(sample("binary") / "train/train-00000.parquet", "image")
    assert chunk.physical_type == "FIXED_LEN_BYTE_ARRAY"
    assert chunk.encodings == ("PLAIN", "RLE")
    assert chunk.compression == "UNCOMPRESSED"
    assert not chunk.is_stats_set
    assert not chunk.has_dictionary_page
    assert chunk.data_page_offset == 4


@pytest.mark.parametrize("storage", ["tensor", "binary"])
@pytest.mark.parametrize(("compression", "codec"), [("none", "UNCOMPRESSED"), ("lz4", "LZ4"), ("zstd", "ZSTD")])
def test_codec_of_the_tensor_column_is_chosen_and_of_the_others_zstd(sample, storage, compression, codec):
    group = pq.read_metadata(sample(storage, "parquet", compression) / "train/train-00000.parquet").row_group(0)
    codecs = [group.column(index).compression for index in range(group.num_columns)]
    assert codecs == [codec, "ZSTD", "ZSTD", "ZSTD", "ZSTD", "ZSTD"]


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_compressed_arrow_file_is_smaller(sample, compression):
    plain = sample(format="arrow") / "train/train-00000.arrow"
    packed = sample("tensor", "arrow", compression) / "train/train-00000.arrow"
    assert packed.stat().st_size < plain.stat().st_size


def test_statistics_are_on_the_columns_that_are_filtered_by(default):
    metadata = pq.read_metadata(default).row_group(0)
    with_statistics = [
        metadata.column(index).path_in_schema
        for index in range(metadata.num_columns)
        if metadata.column(index).is_stats_set
    ]
    assert with_statistics == ["label", "path", "source_height", "source_width"]


# Row groups and pages


def test_row_groups_hold_16_mib(default):
    metadata = pq.read_metadata(default)
    rows = [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]
    assert rows == [104, 16]


def test_row_group_bytes_decide_the_row_groups(inlaid, default, tmp_path):
    source = default.parents[2] / "source"
    inlaid(
        *("convert", source, "--out", tmp_path / "dataset", "--size", 224, "--split", "train=1"),
        *("--row-group-bytes", "5MiB", "--shard-bytes", "10MiB"),
    )
    groups = [
        [pq.read_metadata(shard).row_group(i).num_rows for i in range(pq.read_metadata(shard).num_row_groups)]
        for shard in sorted(tmp_path.glob("dataset/train/*"))
    ]
    assert groups == [[32, 32], [32, 24]]


def test_pages_hold_8_rows(default):
    firsts = [[location.first_row_index for location in offset_index(default, group)] for group in (0, 1)]
    assert firsts == [list(range(0, 104, 8)), [0, 8]]


def test_pages_are_where_the_offset_index_says(default):
    data = default.read_bytes()
    for location in offset_index(default, 0):
        header, body = page(data, location.offset)
        assert (header.type, header.data_page_header.encoding) == (0, 8)  # DATA_PAGE, RLE_DICTIONARY
        assert header.data_page_header.num_values == 8 * 150_528
        assert header.uncompressed_page_size == header.compressed_page_size == len(body)
        assert header.crc & 0xFFFF_FFFF == zlib.crc32(body)


def test_dictionary_is_the_identity(default):
    header, body = page(default.read_bytes(), column(default, "image").dictionary_page_offset)
    assert header.type == 2  # DICTIONARY_PAGE
    assert (header.dictionary_page_header.num_values, header.dictionary_page_header.encoding) == (256, 0)
    assert header.crc & 0xFFFF_FFFF == zlib.crc32(body)
    assert np.array_equal(np.frombuffer(body, "<i4"), np.arange(256))


def test_pixels_lie_verbatim_at_the_end_of_a_page(default):
    table = pq.read_table(default, columns=["image"])
    images = table["image"].combine_chunks().to_numpy_ndarray()
    for number, location in enumerate(offset_index(default, 0)):
        _, body = page(default.read_bytes(), location.offset)
        pixels = images[8 * number : 8 * number + 8].tobytes()
        assert body.endswith(pixels)
        assert len(body) - len(pixels) < 100


def test_file_is_hardly_larger_than_its_pixels(default):
    assert default.stat().st_size < ROWS * 150_528 * 1.002


def test_arrow_batches_are_the_row_groups(inlaid, default, tmp_path):
    source = default.parents[2] / "source"
    inlaid(
        *("convert", source, "--out", tmp_path / "dataset", "--size", 224, "--split", "train=1"),
        *("--format", "arrow"),
    )
    with pa.memory_map(str(tmp_path / "dataset/train/train-00000.arrow")) as mapped:
        start = mapped.read_buffer(1).address
        batches = pa.ipc.open_file(mapped)
        batches = [batches.get_batch(index) for index in range(batches.num_record_batches)]
        assert [len(batch) for batch in batches] == [104, 16]
        assert all((batch["image"].buffers()[-1].address - start) % 64 == 0 for batch in batches)


# Metadata


def test_key_value_metadata(sample):
    metadata = pq.read_metadata(sample() / "train/train-00000.parquet").metadata
    own = {b"inlaid.spec", b"inlaid.classes", b"inlaid.version", b"inlaid.row_groups"}
    assert set(metadata) == {b"huggingface", b"ARROW:schema"} | own
    (checksums,) = json.loads(metadata[b"inlaid.row_groups"])
    assert set(checksums) == {"all", "without_tensors"}
    assert all(re.fullmatch("xxh3-128:[0-9a-f]{32}", checksum) for checksum in checksums.values())
    manifest = json.loads((sample() / "inlaid.json").read_text())
    assert json.loads(metadata[b"inlaid.spec"]) == manifest["spec"]
    assert json.loads(metadata[b"inlaid.classes"]) == ["circle", "square", "triangle"]
    assert f"inlaid {metadata[b'inlaid.version'].decode()}" == manifest["tool"]
    assert json.loads(metadata[b"huggingface"])["info"]["features"] == {
        "image": {"feature": {"dtype": "uint8", "_type": "Value"}, "length": 12_288, "_type": "List"},
        "label": {"names": ["circle", "square", "triangle"], "_type": "ClassLabel"},
        "path": {"dtype": "string", "_type": "Value"},
        "source_height": {"dtype": "int32", "_type": "Value"},
        "source_width": {"dtype": "int32", "_type": "Value"},
        "sha256": {"dtype": "string", "_type": "Value"},
    }


def test_split_folders_hold_shards_alone(sample):
    dataset = sample()
    names = sorted(str(path.relative_to(dataset)) for path in dataset.rglob("*") if path.is_file())
    assert [name for name in names if not name.startswith(".inlaid/")] == [
        *("README.md", "inlaid.json"),
        *("test/test-00000.parquet", "train/train-00000.parquet", "validation/validation-00000.parquet"),
    ]


# JSON


def assert_valid(value, name):
    schema = json.loads((REPOSITORY / f"schemas/{name}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(value)


@pytest.fixture
def untidy(tmp_path):
    """A source with everything that a summary can tell: rejects, ignored files and notices."""
    source = tmp_path / "source"
    for name in ("cat", "train", "empty", ".hidden"):
        (source / name).mkdir(parents=True)
    for number in range(10):
        Image.new("RGB", (4, 3), (number, 0, 0)).save(source / f"cat/{number}.png")
        Image.new("RGB", (4, 3), (0, number, 0)).save(source / f"train/{number}.png")
    (source / "cat/empty.jpg").touch()
    (source / "cat/text.jpg").write_text("no image")
    (source / "cat/photo.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(16))
    (source / "cat/gone.png").symlink_to("nowhere")
    (source / "cat/notes.txt").write_text("notes")
    (source / "beside.png").write_bytes((source / "cat/0.png").read_bytes())
    (source / "linked").symlink_to(source / "cat", target_is_directory=True)
    return source


def test_progress_fits_its_schema(inlaid, untidy, tmp_path):
    settings = ("--size", 8, "--split-by", "label", "--folders", "classes", "--quiet", "--progress", "json")
    lines = inlaid("convert", untidy, "--out", tmp_path / "d", *settings, exit_code=3).stderr.splitlines()
    assert lines
    for line in lines:
        assert_valid(json.loads(line), "progress")


@pytest.mark.parametrize("format", ["parquet", "arrow"])
@pytest.mark.parametrize("storage", ["tensor", "binary"])
def test_manifest_fits_its_schema(sample, storage, format):
    dataset = sample(storage, format)
    manifest = json.loads((dataset / "inlaid.json").read_text())
    assert_valid(manifest, "manifest")
    for split in manifest["splits"].values():
        assert split["bytes"] == sum(shard["bytes"] for shard in split["shards"])
        assert all((dataset / shard["file"]).stat().st_size == shard["bytes"] for shard in split["shards"])


def test_manifest_without_labels_fits_its_schema(inlaid, tmp_path):
    inlaid(
        *("convert", SAMPLE, "--out", tmp_path / "dataset", "--size", "3x5", "--folders", "none"),
        *("--split", "train=1", "--split-by", "path", "--pad-color", "#010203", "--fit", "pad"),
    )
    manifest = json.loads((tmp_path / "dataset/inlaid.json").read_text())
    assert_valid(manifest, "manifest")
    assert (manifest["spec"]["size"], manifest["spec"]["pad_color"]) == ([3, 5], [1, 2, 3])


def test_schema_refuses_unknown_keys(sample):
    manifest = json.loads((sample() / "inlaid.json").read_text())
    manifest["spec"]["surprise"] = 1
    with pytest.raises(jsonschema.ValidationError, match="surprise"):
        assert_valid(manifest, "manifest")


def test_summary_and_rejects_fit_their_schemas(inlaid, untidy, tmp_path):
    out = tmp_path / "dataset"
    done = inlaid("convert", untidy, "--out", out, "--size", 8, "--json", exit_code=3)
    summary = json.loads(done.stdout)
    assert_valid(summary, "summary")
    reasons = {"broken-link": 1, "empty": 1, "no-class": 1, "unknown-format": 1, "unsupported-format": 1}
    assert summary["rejects_by_reason"] == reasons
    assert (summary["inputs"], summary["rows"], summary["rejects"]) == (25, 20, 5)
    assert summary["ignored"] == {"hidden": 1, "other": {"txt": 1}, "system": {}, "linked_folders": 1}
    lines = (out / "rejects.jsonl").read_text().splitlines()
    assert len(lines) == 5
    for line in lines:
        assert_valid(json.loads(line), "reject")
    assert_valid(json.loads((out / "inlaid.json").read_text()), "manifest")


def test_dry_run_fits_the_schema_and_writes_nothing(inlaid, untidy, tmp_path):
    out = tmp_path / "dataset"
    done = inlaid("convert", untidy, "--out", out, "--size", 8, "--json", "--dry-run", exit_code=3)
    summary = json.loads(done.stdout)
    assert_valid(summary, "summary")
    assert summary["dry_run"] is True
    assert not out.exists()


def test_failures_fit_their_schema(inlaid, tmp_path):
    for exit_code, *arguments in (
        (1, "info", tmp_path),
        (1, "verify", tmp_path / "none"),
        (1, "append", SAMPLE, "--out", tmp_path),
        (1, "convert", tmp_path, "--out", tmp_path / "out", "--size", 8),
        (1, "repack", tmp_path, "--out", tmp_path / "out"),
        (2, "convert", SAMPLE, "--out", tmp_path / "out", "--size", 65535),
        (2, "convert", SAMPLE, "--out", tmp_path / "out", "--sizes", 8),
        (2, "compact"),
    ):
        done = inlaid(*arguments, "--json", exit_code=exit_code)
        failure = json.loads(done.stdout)
        assert_valid(failure, "error")
        assert failure["exit_code"] == exit_code
        assert done.stderr.startswith("error: ")


def test_appended_dataset_fits_the_schemas(inlaid, untidy, tmp_path):
    out = tmp_path / "dataset"
    small = ("--size", 8, "--row-group-bytes", 1, "--shard-bytes", 1, "--order", "path", "--split", "train=1")

    def manifest():
        value = json.loads((out / "inlaid.json").read_text())
        assert_valid(value, "manifest")
        assert json.loads(inlaid("info", out, "--json").stdout) == value
        return value

    def run(*arguments, exit_code=0):
        summary = json.loads(inlaid(*arguments, "--out", out, "--json", exit_code=exit_code).stdout)
        assert_valid(summary, "summary")
        for line in (out / "rejects.jsonl").read_text().splitlines():
            assert_valid(json.loads(line), "reject")
        return summary

    assert run("convert", untidy, *small, exit_code=3)["committed"]
    assert manifest()["conversion"]
    assert not run("convert", untidy, *small, exit_code=3)["committed"]

    new = tmp_path / "new/dog"
    new.mkdir(parents=True)
    Image.new("RGB", (4, 3)).save(new / "0.png")
    (tmp_path / "new/cat").mkdir()
    (tmp_path / "new/cat/0.png").write_bytes(b"another content")
    summary = run("append", tmp_path / "new", exit_code=3)
    assert (summary["rows"], summary["rejects_by_reason"]) == (1, {"content-changed": 1})
    assert manifest()["previous"]["splits"]["train"]["rows"] == 20
    assert run("append", tmp_path / "new", "--dry-run", exit_code=3)["rows"] == 0

    verified = json.loads(inlaid("verify", out, "--json", "--sources", untidy, tmp_path / "new").stdout)
    assert_valid(verified, "verification")
    assert (verified["rows"], verified["sources"], verified["problems"]) == (21, 21, [])
    (out / "README.md").unlink()
    verified = json.loads(inlaid("verify", out, "--json", exit_code=1).stdout)
    assert_valid(verified, "verification")
    assert verified["problems"] == [{"file": "README.md", "problem": "it is missing"}]
    for command in ("rollback", "compact"):
        version = json.loads(inlaid(command, out, "--json").stdout)
        assert version.items() <= manifest().items()


def test_interrupted_run_fits_the_schema(inlaid, tmp_path):
    source, out = tmp_path / "source/cat", tmp_path / "dataset"
    source.mkdir(parents=True)
    for number in range(20):
        Image.new("RGB", (4, 3), (number, 0, 0)).save(source / f"{number:02}.png")
    (source / "last.png").write_text("no image")
    arguments = ("convert", source.parent, "--out", out, "--size", 8, "--split", "train=1", "--order", "path")
    inlaid(*arguments, "--shard-bytes", 1, "--row-group-bytes", 1, "--on-error", "stop", exit_code=1)
    manifest = json.loads((out / "inlaid.json").read_text())
    assert_valid(manifest, "manifest")
    assert manifest["unfinished"]["shards"] == 2
    # Given up.
    inlaid("append", source.parent, "--out", out, exit_code=3)
    manifest = json.loads((out / "inlaid.json").read_text())
    assert_valid(manifest, "manifest")
    assert manifest["conversion"] is None
    verified = json.loads(inlaid("verify", out, "--json").stdout)
    assert_valid(verified, "verification")
    assert verified["problems"] == []
