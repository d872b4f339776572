"""Tables with encoded images, as `datasets`, pyarrow, pandas and polars write them, become the same rows as the files
in them would."""

import hashlib
import io
import json
import re
import random
import subprocess

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

CLASSES = ["ant", "bee", "cat"]
STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def photo(number, kind="PNG"):
    """A small image file, different for every number."""
    pixels = np.random.default_rng(number).integers(0, 256, (20 + number % 5, 24, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


PHOTOS = [photo(number, ["PNG", "JPEG"][number % 2]) for number in range(60)]


@pytest.fixture
def convert(inlaid, tmp_path):
    """A function that converts a table, and returns the rows by path: dictionaries without the image."""
    count = iter(range(1_000_000))

    def run(source, *options, exit_code=0):
        out = tmp_path / f"out-{next(count)}"
        sources = source if isinstance(source, list) else [source]
        run.done = inlaid("convert", *sources, "--out", out, "--size", 32, *options, exit_code=exit_code)
        run.out = out
        return rows_of(out) if exit_code in (0, 3) else {}

    return run


def rows_of(out):
    rows = {}
    for shard in sorted(out.glob("*/*.parquet")):
        table = pq.ParquetFile(shard).read()
        images = table["image"].combine_chunks().to_numpy_ndarray()
        names = table.schema.metadata and json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
        for row, image in zip(table.drop_columns(["image"]).to_pylist(), images, strict=True):
            label = row["label"]
            row["class"] = names["label"]["names"][label] if label is not None else None
            row |= {"split": shard.parent.name, "image": image.tobytes()}
            rows[row["path"]] = row
    return rows


def rejects_of(out):
    path = out / "rejects.jsonl"
    lines = map(json.loads, path.read_text().splitlines() if path.exists() else [])
    return {line["path"]: line["reason"] for line in lines}


def hashes(rows):
    """SHA-256 of the image of every row, by key."""
    return {path: row["sha256"] for path, row in rows.items()}


def sha256(bytes_):
    return hashlib.sha256(bytes_).hexdigest()


def expected(name, photos=PHOTOS):
    return {f"{name}/{row:09}": sha256(file) for row, file in enumerate(photos)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Class folders with the photos, in two splits."""
    root = tmp_path_factory.mktemp("folder")
    for number, file in enumerate(PHOTOS):
        split = "test" if number % 4 == 0 else "train"
        path = root / split / CLASSES[number % 3] / f"{number:03}.{'png' if number % 2 == 0 else 'jpg'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file)
    return root


@pytest.fixture(scope="module")
def image_folder(folder):
    return datasets.load_dataset("imagefolder", data_dir=str(folder))


def embedded(dataset):
    """With the bytes of the images in it, as `push_to_hub` writes them."""
    return dataset.with_format("arrow").map(datasets.table.embed_table_storage, batched=True).with_format(None)


def by_content(rows):
    return {row["sha256"]: (row["split"], row["class"], row["image"]) for row in rows.values()}


def test_what_datasets_writes_gives_the_rows_of_its_folder(convert, folder, image_folder, tmp_path):
    by_folder = by_content(convert(folder))
    assert len(by_folder) == 60

    image_folder.save_to_disk(tmp_path / "disk", num_shards={"train": 3, "test": 1})
    rows = convert(tmp_path / "disk")
    assert by_content(rows) == by_folder
    assert "test/data-00000-of-00001/000000000" in rows
    assert "train/data-00002-of-00003/000000014" in rows

    hub = tmp_path / "hub"
    (hub / "data").mkdir(parents=True)
    (hub / "README.md").write_text("---\n---\n")
    (hub / ".gitattributes").write_text("")
    for split in ("train", "test"):
        shards = 2 if split == "train" else 1
        for shard in range(shards):
            part = embedded(image_folder[split].shard(shards, shard, contiguous=True))
            part.to_parquet(hub / f"data/{split}-{shard:05}-of-{shards:05}.parquet", batch_size=7)
    rows = convert(hub)
    assert by_content(rows) == by_folder
    assert "data/train-00001-of-00002/000000000" in rows
    assert "note: splits are taken from the names in" in convert.done.stderr


def test_old_files_of_datasets_are_compressed_and_have_a_dictionary(convert, image_folder, tmp_path):
    table = embedded(image_folder["train"]).data.table
    for codec in ("snappy", "zstd", "gzip", "lz4", "none"):
        for version in ("1.0", "2.0"):
            path = tmp_path / f"photos-{codec}-{version}.parquet"
            pq.write_table(table, path, compression=codec, row_group_size=10, data_page_version=version)
            rows = convert(path)
            assert sorted(row["sha256"] for row in rows.values()) == sorted(
                sha256(file) for number, file in enumerate(PHOTOS) if number % 4
            )
            assert {row["class"] for row in rows.values()} == set(CLASSES)


@pytest.mark.parametrize("form", ["snappy", "lz4-arrow", "gaps", "none"])
def test_dry_run_tells_what_is_copied(convert, tmp_path, form):
    """Of compressed tables alone: from the footer, or, where rows may lack an image, from the images."""
    files = [None if form == "gaps" and number == 3 else file for number, file in enumerate(PHOTOS)]
    table = pa.table({"image": pa.array(files, pa.binary())})
    path = tmp_path / ("t.arrow" if form == "lz4-arrow" else "t.parquet")
    if form == "lz4-arrow":
        with pa.ipc.new_file(path, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
            writer.write_table(table)
    else:
        codec = "none" if form == "none" else "snappy"
        pq.write_table(table, path, compression=codec, row_group_size=20, use_dictionary=False)
    code = 3 if form == "gaps" else 0
    convert(path, "--dry-run", exit_code=code)
    told = re.search(r"note: compressed sources take up to ([\d.]+) KiB in the output folder", convert.done.stderr)
    size = sum(len(file) for file in files if file is not None) / 1024
    # A footer counts the headers of pages too, with their statistics.
    assert told is None if form == "none" else size <= float(told[1]) + 0.05 < 1.15 * size
    # The run itself says how much it was.
    convert(path, exit_code=code)
    assert (f"up to {size:.1f} KiB" in convert.done.stderr) == (form != "none")


@pytest.mark.parametrize("codec", ["snappy", "none"])
def test_dry_run_of_an_append_rejects_nothing_that_it_can_not_look_at(convert, inlaid, tmp_path, codec):
    pq.write_table(pa.table({"image": PHOTOS}), tmp_path / "x.parquet", compression=codec, use_dictionary=False)
    convert(tmp_path / "x.parquet")
    dry = json.loads(inlaid("append", tmp_path / "x.parquet", "--out", convert.out, "--dry-run", "--json").stdout)
    real = json.loads(inlaid("append", tmp_path / "x.parquet", "--out", convert.out, "--json").stdout)
    assert (dry["rejects"], dry["unchanged"]) == (real["rejects"], real["unchanged"]) == (0, 60)


def test_bytes_do_not_depend_on_threads_or_on_how_images_are_stored(convert, tmp_path):
    table = pa.table({"image": pa.array([{"bytes": file, "path": None} for file in PHOTOS], STRUCT)})
    written = set()
    for codec in ("snappy", "none"):
        (tmp_path / codec).mkdir()
        pq.write_table(table, tmp_path / codec / "x.parquet", compression=codec, row_group_size=7)
        for threads in (1, 4):
            convert(tmp_path / codec, "--threads", threads)
            written.add(b"".join(path.read_bytes() for path in sorted(convert.out.glob("*/*.parquet"))))
    assert len(written) == 1


@pytest.mark.parametrize("library", ["pyarrow", "pandas", "polars"])
def test_columns_of_bytes_are_recognized_by_their_content(convert, tmp_path, library):
    columns = {"id": list(range(60)), "photo": PHOTOS, "digest": [hashlib.md5(file).digest() for file in PHOTOS]}
    path = tmp_path / "t.parquet"
    match library:
        case "pyarrow":
            pq.write_table(pa.table(columns), path)
        case "pandas":
            pd.DataFrame(columns).to_parquet(path)
        case "polars":
            pl.DataFrame(columns).write_parquet(path)
    rows = convert(path)
    assert hashes(rows) == expected("t")
    assert rows["t/000000007"]["id"] == 7 and rows["t/000000007"]["label"] is None
    assert "columns left out: `digest` (it is of type" in convert.done.stderr


@pytest.mark.parametrize(
    "kind",
    [
        pa.binary(),
        pa.large_binary(),
        pa.binary_view(),
        pa.dictionary(pa.int32(), pa.binary()),
        pa.dictionary(pa.int8(), pa.large_binary()),
        pa.struct([("bytes", pa.large_binary()), ("path", pa.large_string())]),
        STRUCT,
    ],
    ids=str,
)
@pytest.mark.parametrize("form", ["file", "stream", "lz4", "zstd", "parquet"])
def test_arrow_types(convert, tmp_path, kind, form):
    values = [{"bytes": file, "path": "x.png"} for file in PHOTOS] if pa.types.is_struct(kind) else PHOTOS
    if pa.types.is_dictionary(kind):
        table = pa.table({"img": pa.array(values, kind.value_type).dictionary_encode().cast(kind)})
    else:
        table = pa.table({"img": pa.array(values, kind)})
    path = tmp_path / ("t.parquet" if form == "parquet" else "t.arrow")
    if form == "parquet":
        pq.write_table(table, path)
    else:
        options = pa.ipc.IpcWriteOptions(compression=form if form in ("lz4", "zstd") else None)
        make = pa.ipc.new_stream if form == "stream" else pa.ipc.new_file
        with make(path, table.schema, options=options) as writer:
            writer.write_table(table, max_chunksize=60 if pa.types.is_dictionary(kind) else 25)
    assert hashes(convert(path)) == expected("t")


def test_labels_of_a_class_label_feature(convert, tmp_path):
    features = datasets.Features(image=datasets.Image(), fine=datasets.ClassLabel(names=["z", "y", "x"]))
    data = {"image": [{"bytes": file, "path": None} for file in PHOTOS], "fine": [n % 4 - 1 for n in range(60)]}
    datasets.Dataset.from_dict(data, features=features).to_parquet(tmp_path / "t.parquet")
    rows = convert(tmp_path / "t.parquet")
    # The order of the feature, not that of the alphabet; -1 is no class.
    assert [rows[f"t/{row:09}"]["class"] for row in range(4)] == [None, "z", "y", "x"]
    assert [rows[f"t/{row:09}"]["label"] for row in range(4)] == [None, 0, 1, 2]


def test_two_class_label_features_have_to_be_chosen_from(convert, tmp_path):
    names = datasets.ClassLabel(names=["a", "b"])
    features = datasets.Features(img=datasets.Image(), fine_label=names, coarse_label=names)
    data = {"img": [{"bytes": file, "path": None} for file in PHOTOS[:20]]}
    data |= {"fine_label": [0, 1] * 10, "coarse_label": [1, 0] * 10}
    datasets.Dataset.from_dict(data, features=features).to_parquet(tmp_path / "t.parquet")
    rows = convert(tmp_path / "t.parquet")
    assert {row["label"] for row in rows.values()} == {None}
    assert rows["t/000000001"]["fine_label"] == 1
    assert "any of the columns `fine_label`, `coarse_label` could be the labels" in convert.done.stderr
    assert "--label-column" in convert.done.stderr
    rows = convert(tmp_path / "t.parquet", "--label-column", "coarse_label")
    assert rows["t/000000000"]["class"] == "b" and rows["t/000000000"]["fine_label"] == 0


def test_images_have_to_be_chosen_from_two_columns(convert, tmp_path):
    features = datasets.Features(left=datasets.Image(), right=datasets.Image())
    files = [{"bytes": file, "path": None} for file in PHOTOS[:20]]
    data = {"left": files, "right": files[::-1]}
    datasets.Dataset.from_dict(data, features=features).to_parquet(tmp_path / "t.parquet")
    convert(tmp_path / "t.parquet", exit_code=1)
    assert "any of its columns `left`, `right` could hold the images" in convert.done.stderr
    assert "--image-column" in convert.done.stderr
    rows = convert(tmp_path / "t.parquet", "--image-column", "right")
    assert hashes(rows) == expected("t", PHOTOS[19::-1])


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_lists_of_images_become_columns(convert, tmp_path, form):
    features = datasets.Features(views=datasets.List(datasets.Image()), label=datasets.ClassLabel(names=CLASSES))
    files = [{"bytes": file, "path": None} for file in PHOTOS]
    data = {"views": [files[row : row + 3] for row in range(0, 60, 3)], "label": [0] * 20}
    dataset = datasets.Dataset.from_dict(data, features=features)
    path = tmp_path / f"t.{form}"
    if form == "parquet":
        dataset.to_parquet(path)
    else:
        with pa.ipc.new_stream(path, dataset.data.table.schema) as writer:
            writer.write_table(dataset.data.table)
    rows = convert(path)
    assert hashes(rows) == {f"t/{row:09}": sha256(PHOTOS[3 * row]) for row in range(20)}
    single = tmp_path / "single.parquet"
    pq.write_table(pa.table({"img": [PHOTOS[5]]}), single)
    (only,) = convert(single, "--split", "train=1").values()
    assert bytes(np.asarray(rows["t/000000001"]["views_3"], np.uint8)) == only["image"]


def test_lists_of_one_image_are_images(convert, tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"images": [[file] for file in PHOTOS]}), path)
    assert hashes(convert(path)) == expected("t")


def test_lists_of_different_lengths_are_refused(convert, tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"images": [PHOTOS[:2], PHOTOS[:2], PHOTOS[:5]]}), path)
    convert(path, exit_code=1)
    assert "row 2 of column `images` has 5 images, but earlier rows have 2" in convert.done.stderr


def test_rows_without_an_image_are_rejects(convert, tmp_path):
    files = [None if number % 10 == 3 else file for number, file in enumerate(PHOTOS)]
    for name, values in {
        "binary": pa.array(files),
        "struct": pa.array([file and {"bytes": file, "path": "gone.png"} for file in files], STRUCT),
        "bytes": pa.array([{"bytes": file, "path": None} for file in files], STRUCT),
        "lists": pa.array([file and [file, file] for file in files]),
        "empty": pa.array([[file] if file else [] for file in files]),
    }.items():
        for codec in ("snappy", "none"):
            path = tmp_path / f"{name}.parquet"
            pq.write_table(pa.table({"image": values, "number": range(60)}), path, compression=codec, row_group_size=25)
            rows = convert(path, exit_code=3)
            assert len(rows) == 54
            assert all(rows[f"{name}/{n:09}"]["sha256"] == sha256(PHOTOS[n]) for n in range(60) if n % 10 != 3)
            assert all(row["path"].endswith(f"{row['number']:09}") for row in rows.values())
            assert rejects_of(convert.out) == {f"{name}/{n:09}": "no-image" for n in range(3, 60, 10)}
            dry = convert(path, "--dry-run", exit_code=3)
            assert dry == {} and "54 rows" in convert.done.stdout


def test_empty_and_broken_images_are_rejects(convert, tmp_path):
    path = tmp_path / "t.parquet"
    files = [*PHOTOS[:20], b"", PHOTOS[0][:40], b"no image at all"]
    pq.write_table(pa.table({"image": files}), path)
    rows = convert(path, exit_code=3)
    assert hashes(rows) == expected("t", PHOTOS[:20])
    reasons = rejects_of(convert.out)
    assert reasons["t/000000020"] == "empty" and reasons["t/000000022"] == "unknown-format" and len(reasons) == 3


def test_rows_may_name_files_below_the_folder_of_their_table(convert, tmp_path):
    root = tmp_path / "root"
    (root / "photos").mkdir(parents=True)
    (tmp_path / "secret.png").write_bytes(PHOTOS[0])
    names = []
    for number in range(20):
        (root / f"photos/{number}.png").write_bytes(PHOTOS[number])
        names.append(f"photos/{number}.png")
    names += ["../secret.png", str(tmp_path / "secret.png"), "https://example.org/a.png", "photos/../../secret.png"]
    names += ["photos/none.png"]
    values = [{"bytes": None, "path": name} for name in names] + [{"bytes": PHOTOS[30], "path": "photos/1.png"}]
    pq.write_table(pa.table({"image": pa.array(values, STRUCT)}), root / "t.parquet")
    rows = convert(root / "t.parquet", exit_code=3)
    assert hashes(rows) == expected("t", PHOTOS[:20]) | {"t/000000025": sha256(PHOTOS[30])}
    outside = {f"t/{row:09}": "name-outside" for row in range(20, 24)}
    assert rejects_of(convert.out) == outside | {"t/000000024": "unreadable"}


def test_other_columns_become_columns(convert, tmp_path):
    path = tmp_path / "t.parquet"
    table = pa.table(
        {
            "image": pa.array([{"bytes": file, "path": None} for file in PHOTOS], STRUCT),
            "text": [f"photo {number}" if number % 2 else None for number in range(60)],
            "score": pa.array([number / 8 for number in range(60)], pa.float32()),
            "kind": pa.array([["a", "b"][number % 2] for number in range(60)]).dictionary_encode(),
            "is_new": [number % 3 == 0 for number in range(60)],
            "when": pa.array([number * 1_000_000 for number in range(60)], pa.timestamp("us")),
            "box": [[1, 2, 3, 4]] * 60,
            "path": ["mine"] * 60,
            "void": pa.nulls(60),
        }
    )
    pq.write_table(table, path, row_group_size=13)
    rows = convert(path)
    for number in range(60):
        row = rows[f"t/{number:09}"]
        assert row["text"] == (f"photo {number}" if number % 2 else None)
        assert (row["score"], row["kind"], row["is_new"]) == (number / 8, ["a", "b"][number % 2], number % 3 == 0)
        assert row["when"].timestamp() == number
        assert not {"box", "void"} & row.keys()
    for name in ("box", "path", "void"):
        assert f"`{name}` (" in convert.done.stderr


def test_appends_and_interrupted_runs(convert, inlaid, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    for part in (0, 1):
        photos = PHOTOS[part * 30 : part * 30 + 30]
        pq.write_table(pa.table({"img": photos, "n": range(30)}), root / f"part-{part}.parquet", row_group_size=8)
        if part == 0:
            convert(root)
            assert hashes(rows_of(convert.out)) == expected("part-0", PHOTOS[:30])
    inlaid("append", root, "--out", convert.out)
    rows = rows_of(convert.out)
    assert hashes(rows) == expected("part-0", PHOTOS[:30]) | expected("part-1", PHOTOS[30:])
    assert rows["part-1/000000003"]["n"] == 3
    done = inlaid("append", root, "--out", convert.out)
    assert "nothing to do" in done.stdout + done.stderr


def test_a_dataset_of_files_is_a_source(convert, inlaid, folder, tmp_path):
    out = tmp_path / "files"
    inlaid("convert", folder, "--out", out, "--storage", "encoded")
    rows = convert(out)
    straight = convert(folder)
    assert rows == straight


def test_tables_of_tensors_are_left_to_repack(convert, inlaid, folder, tmp_path):
    out = tmp_path / "tensors"
    inlaid("convert", folder, "--out", out, "--size", 8)
    convert(out, exit_code=1)
    assert "holds tensors, not encoded images" in convert.done.stderr and "inlaid repack" in convert.done.stderr


def test_tables_without_images_are_refused(convert, tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": [1, 2], "b": [b"x", b"y"]}), path)
    convert(path, exit_code=1)
    assert "none of its columns holds encoded images: `a`, `b`" in convert.done.stderr


def test_tables_with_other_columns_are_refused(convert, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    pq.write_table(pa.table({"img": PHOTOS[:9], "n": range(9)}), root / "a.parquet")
    pq.write_table(pa.table({"img": PHOTOS[:9], "n": ["x"] * 9}), root / "b.parquet")
    convert(root, exit_code=1)
    assert "its column `n` is of type Utf8, but that of `" in convert.done.stderr
    pq.write_table(pa.table({"img": PHOTOS[:9]}), root / "b.parquet")
    convert(root, exit_code=1)
    assert "it has no column `n`, as `" in convert.done.stderr


def test_unknown_codecs_are_refused(convert, tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"img": PHOTOS}), path, compression="brotli")
    convert(path, exit_code=1)
    assert "it is compressed with Brotli, which inlaid can't read" in convert.done.stderr


@pytest.mark.parametrize("form", ["snappy", "none", "dictionary", "stream", "zstd-file"])
def test_damaged_files_are_errors_or_rejects(inlaid_path, tmp_path, form):
    path = tmp_path / ("t.parquet" if form in ("snappy", "none", "dictionary") else "t.arrow")
    values = pa.array([{"bytes": file, "path": "x"} for file in PHOTOS[:12]], STRUCT)
    table = pa.table({"image": values, "n": range(12), "label": ["a", "b"] * 6})
    match form:
        case "snappy" | "none":
            pq.write_table(table, path, compression=form, row_group_size=5, use_dictionary=False)
        case "dictionary":
            pq.write_table(table, path, row_group_size=5, dictionary_pagesize_limit=1 << 24)
        case "stream":
            with pa.ipc.new_stream(path, table.schema) as writer:
                writer.write_table(table, max_chunksize=5)
        case "zstd-file":
            with pa.ipc.new_file(path, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
                writer.write_table(table, max_chunksize=5)
    whole = path.read_bytes()
    draw = random.Random(form)
    codes = set()
    for trial in range(120):
        damaged = bytearray(whole)
        if trial % 4 == 0:
            del damaged[draw.randrange(len(damaged)) :]
        else:
            for _ in range(draw.choice([1, 1, 4, 30])):
                # Half of them where the metadata are.
                low = 0 if draw.random() < 0.5 else max(0, len(damaged) - 3000)
                damaged[draw.randrange(low, len(damaged))] = draw.randrange(256)
        path.write_bytes(damaged)
        words = ["convert", path, "--out", tmp_path / f"out-{trial}", "--size", "8"]
        done = subprocess.run([inlaid_path, *words], capture_output=True, text=True, timeout=60)
        assert done.returncode in (0, 1, 3) and "panicked" not in done.stderr, done.stderr
        codes.add(done.returncode)
    assert 1 in codes


def test_rows_of_very_many_images_are_refused(convert, tmp_path):
    images = pa.array([[]] * 40_000 + [[PHOTOS[0]] * 4000], pa.list_(pa.binary()))
    pq.write_table(pa.table({"image": images}), tmp_path / "t.parquet", compression="zstd")
    convert(tmp_path / "t.parquet", exit_code=1)
    assert "row 40000 of column `image` has more than 64 images" in convert.done.stderr
