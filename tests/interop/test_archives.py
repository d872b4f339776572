"""Archives as `tarfile`, `zipfile`, GNU tar and `webdataset` write them: the same rows as the folder in them."""

import io
import json
import os
import subprocess
import tarfile
import zipfile

import datasets
import inlaid
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import webdataset
from PIL import Image

from conftest import SAMPLE, many_files

SIZE = 16


@pytest.fixture
def run(request):
    """The command; `inlaid` is the package here."""
    return request.getfixturevalue("inlaid")


def image(number, kind="PNG"):
    pixels = np.random.default_rng(number).integers(0, 256, (20, 24, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def convert(run, source, out, *options, exit_code=0):
    sources = source if isinstance(source, list) else [source]
    return run("convert", *sources, "--out", out, "--size", SIZE, *many_files(3 * SIZE**2), *options, exit_code=exit_code)


def shards(out):
    """The bytes of every file of rows, by path."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.glob("*/*.parquet"))}


def rejects(out):
    path = out / "rejects.jsonl"
    lines = map(json.loads, path.read_text().splitlines() if path.exists() else [])
    return {line["path"]: line["reason"] for line in lines}


def rows(out, *columns):
    frames = [pl.DataFrame(table) for table in inlaid.open(out).values()]
    return list(pl.concat(frames).sort("path").select("path", "label", *columns).iter_rows())


@pytest.fixture
def photos(tmp_path):
    """Two classes of 30 images each."""
    for number in range(60):
        path = tmp_path / "photos" / ["ant", "bee"][number % 2] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image(number))
    return tmp_path / "photos"


def tar(folder, path, mode="w", format=tarfile.GNU_FORMAT, name="."):
    with tarfile.open(path, mode, format=format) as archive:
        archive.add(folder, name)


def write_zst(folder, path):
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        archive.add(folder, ".")
    with pa.CompressedOutputStream(str(path), "zstd") as compressed:
        compressed.write(plain.getvalue())


def write_zip(folder, path, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, file.relative_to(folder))


WRITERS = {
    "gnu.tar": tar,
    "pax.tar": lambda folder, path: tar(folder, path, format=tarfile.PAX_FORMAT),
    "ustar.tar": lambda folder, path: tar(folder, path, format=tarfile.USTAR_FORMAT),
    "a.tar.gz": lambda folder, path: tar(folder, path, "w:gz"),
    "a.tar.zst": write_zst,
    "stored.zip": lambda folder, path: write_zip(folder, path, zipfile.ZIP_STORED),
    "deflated.zip": write_zip,
    "by-gnu-tar.tar": lambda folder, path: subprocess.run(["tar", "-cf", path, "-C", folder, "."], check=True),
}


@pytest.mark.parametrize("name", WRITERS)
def test_archive_gives_the_bytes_of_its_folder(run, photos, tmp_path, name):
    WRITERS[name](photos, tmp_path / name)
    convert(run, photos, tmp_path / "of-folder")
    expected = shards(tmp_path / "of-folder")
    assert len(expected) >= 4
    for threads in [1, 4]:
        out = tmp_path / f"out-{threads}"
        convert(run, tmp_path / name, out, "--threads", threads)
        assert shards(out) == expected
    before = set(tmp_path.iterdir())
    convert(run, tmp_path / name, tmp_path / "dry", "--dry-run")
    assert set(tmp_path.iterdir()) == before


def test_the_sample_is_the_same_in_an_archive(run, tmp_path):
    tar(SAMPLE, tmp_path / "photos.tar")
    convert(run, SAMPLE, tmp_path / "of-folder")
    convert(run, tmp_path / "photos.tar", tmp_path / "of-tar")
    assert shards(tmp_path / "of-tar") == shards(tmp_path / "of-folder")
    assert rejects(tmp_path / "of-tar") == rejects(tmp_path / "of-folder")


def test_an_archive_of_a_whole_folder_begins_below_it(run, photos, tmp_path):
    tar(photos, tmp_path / "photos.tar", name="photos")
    done = convert(run, tmp_path / "photos.tar", tmp_path / "out")
    note = f"note: everything in `{tmp_path}/photos.tar` is in the folder `photos`, so paths begin below it\n"
    assert note in done.stderr
    convert(run, photos, tmp_path / "of-folder")
    assert shards(tmp_path / "out") == shards(tmp_path / "of-folder")


def test_folders_and_archives_are_one_source(run, photos, tmp_path):
    tar(photos / "ant", tmp_path / "ants.tar", name="ant")
    write_zip(photos, tmp_path / "all.zip")
    only_bees = tmp_path / "more"
    only_bees.mkdir()
    (photos / "bee").rename(only_bees / "bee")
    convert(run, tmp_path / "all.zip", tmp_path / "expected")
    convert(run, [only_bees, tmp_path / "ants.tar"], tmp_path / "out")
    assert shards(tmp_path / "out") == shards(tmp_path / "expected")


def test_a_folder_of_archives_stands_for_them(run, photos, tmp_path):
    convert(run, photos, tmp_path / "expected")
    (tmp_path / "archives").mkdir()
    for name in ["ant", "bee"]:
        tar(photos / name, tmp_path / f"archives/{name}.tar", name=name)
    convert(run, tmp_path / "archives", tmp_path / "out")
    convert(run, tmp_path / "archives/{ant,bee}.tar", tmp_path / "by-pattern")
    assert shards(tmp_path / "out") == shards(tmp_path / "by-pattern") == shards(tmp_path / "expected")


def test_an_archive_is_appended_and_verified(run, photos, tmp_path):
    tar(photos, tmp_path / "first.tar.gz", "w:gz")
    convert(run, tmp_path / "first.tar.gz", tmp_path / "out")
    (photos / "ant/new.png").write_bytes(image(100))
    tar(photos, tmp_path / "second.tar.gz", "w:gz")
    done = run("append", tmp_path / "second.tar.gz", "--out", tmp_path / "out", "--json")
    summary = json.loads(done.stdout)
    assert (summary["rows"], summary["unchanged"]) == (1, 60)
    run("verify", tmp_path / "out", "--sources", tmp_path / "second.tar.gz")


def test_a_table_describes_files_in_an_archive(run, photos, tmp_path):
    tar(photos, tmp_path / "photos.tar")
    lines = [f"{path.name},{int(path.stem) % 3}" for path in sorted(photos.rglob("*.png"))]
    (tmp_path / "table.csv").write_text("id,label\n" + "\n".join(lines))
    options = ["--metadata", tmp_path / "table.csv", "--file-column", "id"]
    convert(run, tmp_path / "photos.tar", tmp_path / "out", *options)
    convert(run, photos, tmp_path / "of-folder", *options)
    assert rows(tmp_path / "out") == rows(tmp_path / "of-folder")
    assert {label for _, label in rows(tmp_path / "out")} == {0, 1, 2}


def test_hostile_members_are_rejects_by_name(run, tmp_path):
    path = tmp_path / "hostile.tar"
    with tarfile.open(path, "w") as archive:

        def add(name, data=image(1), **changes):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            for key, value in changes.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(data) if member.isreg() else None)

        add("a.png")
        add("../escape.png")
        add("/absolute.png")
        add("twice.png", image(2))
        add("twice.png", image(3))
        add("link.png", b"", type=tarfile.SYMTYPE, linkname="a.png")
        add("away.png", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add("pipe.png", b"", type=tarfile.FIFOTYPE)
    convert(run, path, tmp_path / "out", exit_code=3)
    assert [key for key, _ in rows(tmp_path / "out")] == ["a.png", "link.png", "twice.png"]
    assert rejects(tmp_path / "out") == {
        "../escape.png": "name-outside",
        "/absolute.png": "name-outside",
        "away.png": "link-in-archive",
        "pipe.png": "not-a-file",
        "twice.png": "duplicate-key",
    }
    assert not (tmp_path / "escape.png").exists()


def test_damage_is_an_error_that_names_the_archive(run, photos, tmp_path):
    tar(photos, tmp_path / "a.tar.gz", "w:gz")
    data = (tmp_path / "a.tar.gz").read_bytes()
    (tmp_path / "a.tar.gz").write_bytes(data[: len(data) // 2])
    done = convert(run, tmp_path / "a.tar.gz", tmp_path / "out", exit_code=1)
    assert f"`{tmp_path}/a.tar.gz`" in done.stderr and "panicked" not in done.stderr
    assert not list(tmp_path.glob("out/*/*"))


def test_cut_off_tar_is_told(run, photos, tmp_path):
    tar(photos, tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as archive:
        end = archive.getmembers()[-1].offset
    os.truncate(tmp_path / "a.tar", end)
    done = convert(run, tmp_path / "a.tar", tmp_path / "out")
    assert "has no mark of its end, as if it were cut off: files may be missing" in done.stderr


def test_dry_run_tells_what_is_unpacked(run, photos, tmp_path):
    tar(photos, tmp_path / "a.tar.gz", "w:gz")
    done = convert(run, tmp_path / "a.tar.gz", tmp_path / "out", "--dry-run")
    bytes_ = sum(path.stat().st_size for path in photos.rglob("*.png"))
    assert f"note: compressed sources take up to {bytes_ / 1024:.1f} KiB in the output folder" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("name", ["gnu.tar", "a.tar.gz", "deflated.zip"])
def test_tables_in_archives_describe_their_files(run, photos, tmp_path, name, kind):
    """One at the top, one nearer to half of the files, which it describes, and rows without a file."""

    def write(folder, names):
        frame = pl.DataFrame({"file_name": names, "score": range(len(names)), "label": ["x", "y"] * (len(names) // 2)})
        method = {"csv": frame.write_csv, "jsonl": frame.write_ndjson, "parquet": frame.write_parquet}[kind]
        method(folder / f"metadata.{kind}")

    write(photos, [f"ant/{number:02}.png" for number in range(0, 60, 2)] + ["ant/99.png", "none"])
    write(photos / "bee", [f"{number:02}.png" for number in range(1, 61, 2)][::-1])
    WRITERS[name](photos, tmp_path / name)
    convert(run, photos, tmp_path / "of-folder", exit_code=3)
    convert(run, tmp_path / name, tmp_path / "out", exit_code=3)
    assert shards(tmp_path / "out") == shards(tmp_path / "of-folder")
    assert rejects(tmp_path / "out") == rejects(tmp_path / "of-folder") == {"ant/99.png": "no-file", "none": "no-file"}
    assert [row[2] for row in rows(tmp_path / "out", "score")] == [*range(30), *range(29, -1, -1)]
    planned = [convert(run, source, tmp_path / "dry", "--dry-run", exit_code=3) for source in (photos, tmp_path / name)]
    assert len({done.stdout.replace(str(tmp_path / name), str(photos)) for done in planned}) == 1


def test_tables_are_found_below_the_folder_of_an_archive(run, photos, tmp_path):
    (photos / "metadata.csv").write_text("file_name,label\n" + "".join(f"ant/{n:02}.png,x\n" for n in range(0, 60, 2)))
    tar(photos, tmp_path / "a.tar", name="all/photos")
    convert(run, tmp_path / "a.tar", tmp_path / "out", exit_code=3)
    assert {path for path, _ in rows(tmp_path / "out")} == {f"ant/{number:02}.png" for number in range(0, 60, 2)}


def test_a_table_beside_archives_describes_their_files(run, photos, tmp_path):
    names = [f"ant/{number:02}.png" for number in range(0, 60, 2)]
    table = pl.DataFrame({"file_name": names, "label": ["x", "y"] * 15, "score": range(30)})
    table.write_csv(photos / "metadata.csv")
    convert(run, photos, tmp_path / "of-folder", exit_code=3)
    (photos / "metadata.csv").unlink()
    (tmp_path / "archives").mkdir()
    tar(photos, tmp_path / "archives/a.tar")
    table.write_csv(tmp_path / "archives/metadata.csv")
    convert(run, tmp_path / "archives", tmp_path / "out", exit_code=3)
    assert shards(tmp_path / "out") == shards(tmp_path / "of-folder")
    assert rejects(tmp_path / "out") == rejects(tmp_path / "of-folder")


def test_table_beyond_the_limit_has_a_way_out(run, photos, tmp_path):
    (photos / "metadata.csv").write_text("file_name,label\n" + "ant/00.png,x\n" * 100_000)
    write_zip(photos, tmp_path / "a.zip")
    done = convert(run, tmp_path / "a.zip", tmp_path / "out", "--max-file-bytes", "1MiB", exit_code=1)
    assert f"can't read `{tmp_path}/a.zip/metadata.csv`: the table can't be read from the archive: " in done.stderr
    assert "hint: extract it, and name it with `--metadata`" in done.stderr


# WebDataset


def write_samples(path, numbers, **fields):
    with webdataset.ShardWriter(str(path), maxcount=25, verbose=0) as writer:
        for number in numbers:
            sample = {name: make(number) for name, make in fields.items()}
            writer.write({"__key__": f"{number:05}", "png": image(number), **sample})


def test_samples_have_labels_and_columns(run, tmp_path):
    write_samples(
        tmp_path / "train-%03d.tar",
        range(60),
        cls=lambda number: number % 3,
        json=lambda number: {"id": number, "score": number / 2, "names": ["a"]},
        txt=lambda number: f"caption {number}",
    )
    done = convert(run, f"{tmp_path}/train-{{000..002}}.tar", tmp_path / "out")
    assert "note: splits are taken from the names in" in done.stderr
    assert "note: columns left out: `names` (it is of type List(Utf8))\n" in done.stderr
    expected = [(f"train-{n // 25:03}/{n:05}.png", n % 3, n, n / 2, f"caption {n}") for n in range(60)]
    assert rows(tmp_path / "out", "id", "score", "txt") == expected
    assert list(inlaid.open(tmp_path / "out")) == ["train"]

    theirs = datasets.load_dataset(
        "webdataset", data_files={"train": f"{tmp_path}/train-*.tar"}, split="train", cache_dir=tmp_path / "cache"
    )
    assert [(row["__key__"], row["cls"], row["txt"]) for row in theirs] == [(k[10:-4], c, t) for k, c, *_, t in expected]


def test_samples_that_can_not_be_used_are_rejects(run, tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:

        def add(name, data):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))

        for number in range(10):
            add(f"{number}.jpg", image(number, "JPEG"))
            add(f"{number}.json", b'{"a": 1}' if number != 3 else b"{")
        add("lonely.json", b"{}")
    convert(run, tmp_path / "a.tar", tmp_path / "out", exit_code=3)
    assert rejects(tmp_path / "out") == {"a/3": "field", "a/lonely": "no-image"}
    assert len(rows(tmp_path / "out")) == 9


def test_label_column_and_types_of_samples(run, tmp_path):
    fields = {"json": lambda number: {"breed": ["ant", "bee"][number % 2], "id": number}}
    write_samples(tmp_path / "shard-%03d.tar", range(30), **fields)
    source = [tmp_path / "shard-000.tar", tmp_path / "shard-001.tar"]
    convert(run, source, tmp_path / "out", "--label-column", "breed", "--column", "id:string")
    assert rows(tmp_path / "out", "id") == [(f"shard-{n // 25:03}/{n:05}.png", n % 2, str(n)) for n in range(30)]
    done = convert(run, source, tmp_path / "none", "--label-column", "bread", exit_code=1)
    assert "it has no column `bread`, only `breed`, `id`" in done.stderr


def test_samples_and_their_folder_have_the_same_pixels(run, photos, tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for path in sorted(photos.rglob("*.png")):
            archive.add(path, path.relative_to(photos))
            member = tarfile.TarInfo(str(path.relative_to(photos).with_suffix(".txt")))
            archive.addfile(member, io.BytesIO())
    options = ["--split", "train=1", "--order", "path"]
    convert(run, tmp_path / "a.tar", tmp_path / "out", "--keep-columns", "none", *options)
    convert(run, photos, tmp_path / "of-folder", *options)
    ours, theirs = (
        pq.ParquetFile(sorted(out.glob("train/*.parquet"))[0]).read(columns=["image", "label"])
        for out in (tmp_path / "out", tmp_path / "of-folder")
    )
    assert ours.equals(theirs) and len(ours) > 10
    assert inlaid.open(tmp_path / "out").classes == ["ant", "bee"]


def test_keys_may_begin_anew_in_every_shard(run, tmp_path):
    for shard in range(3):
        write_members(
            tmp_path / f"s-{shard}.tar",
            [m for n in range(20) for m in [(f"{n:03}.png", image(20 * shard + n)), (f"{n:03}.cls", b"1")]],
        )
    convert(run, [tmp_path / "s-0.tar", tmp_path / "s-1.tar"], tmp_path / "out")
    assert len(rows(tmp_path / "out")) == 40
    run("append", tmp_path / "s-2.tar", "--out", tmp_path / "out")
    assert [key for key, _ in rows(tmp_path / "out")] == [f"s-{s}/{n:03}.png" for s in range(3) for n in range(20)]


def test_archive_beside_images_is_told(run, photos, tmp_path):
    tar(photos / "ant", photos / "more.tar")
    done = convert(run, photos, tmp_path / "out")
    assert (
        "note: ignored files without an image extension: 1 .tar\n"
        "hint: archives, tables and arrays are read where no image files are beside them, or given themselves\n"
    ) in done.stderr


def test_archives_named_after_splits_are_splits(run, photos, tmp_path):
    tar(photos, tmp_path / "train.tar")
    (photos / "ant/new.png").write_bytes(image(100))
    for path in sorted(photos.rglob("*.png"))[1:]:
        path.unlink()
    (photos / "ant/00.png").rename(photos / "ant/other.png")
    tar(photos, tmp_path / "test.tar")
    done = convert(run, [tmp_path / "train.tar", tmp_path / "test.tar"], tmp_path / "out")
    assert "note: splits are taken from the names in" in done.stderr
    assert {name: len(table) for name, table in inlaid.open(tmp_path / "out").items()} == {"train": 60, "test": 1}
    assert inlaid.open(tmp_path / "out").classes == ["ant", "bee"]


def test_one_archive_is_no_split(run, photos, tmp_path):
    tar(photos, tmp_path / "train.tar")
    convert(run, tmp_path / "train.tar", tmp_path / "out")
    convert(run, photos, tmp_path / "of-folder")
    assert shards(tmp_path / "out") == shards(tmp_path / "of-folder")


def write_members(path, members):
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def test_empty_labels_empty_shards_and_images_alone(run, tmp_path):
    samples = [("a", b"5"), ("b", b""), ("c", b"-1"), ("d", None), ("e", None), ("f", None)]
    members = []
    for number, (key, label) in enumerate(samples):
        members.append((f"{key}.png", image(number)))
        members += [] if label is None else [(f"{key}.cls", label)]
    write_members(tmp_path / "shard-0.tar", members)
    write_members(tmp_path / "shard-1.tar", [])
    write_members(tmp_path / "shard-2.tar", [("g.png", image(9)), ("__MACOSX/._g.png", b"x"), ("._g.png", b"x")])
    convert(run, f"{tmp_path}/shard-*.tar", tmp_path / "out", "--split", "train=1")
    labels = {key: label for key, label in rows(tmp_path / "out")}
    others = [*(f"shard-0/{key}.png" for key in "bcdef"), "shard-2/g.png"]
    assert labels == {"shard-0/a.png": 5, **dict.fromkeys(others)}


def test_samples_that_are_apart_are_told(run, tmp_path):
    names = [f"{key}.{field}" for field in ["png", "cls"] for key in "abcdef"]
    write_members(tmp_path / "a.tar", [(name, image(1) if name.endswith("png") else b"1") for name in names])
    done = convert(run, tmp_path / "a.tar", tmp_path / "out")
    assert "hint: a WebDataset has the files of a sample side by side: write them sorted by name" in done.stderr


def test_patterns_that_nothing_fits(run, tmp_path):
    done = convert(run, f"{tmp_path}/nope*.tar", tmp_path / "out", exit_code=1)
    assert done.stderr == f"error: can't read `{tmp_path}/nope*.tar`: no file fits the pattern\n"


def test_lists_have_folders(run, photos, tmp_path):
    tar(photos, tmp_path / "a.tar")
    (tmp_path / "list").write_bytes(b"\xef\xbb\xbf" + b"\0".join([b"photos/ant/00.png", b"photos/bee/01.png"]) + b"\0\n")
    done = convert(run, [tmp_path / "a.tar", "--files-from", tmp_path / "list"], tmp_path / "out", exit_code=1)
    assert "a list of files is relative to a folder, not to a file" in done.stderr


def test_zip_that_counts_too_few_files_is_an_error(run, photos, tmp_path):
    write_zip(photos, tmp_path / "a.zip")
    data = bytearray((tmp_path / "a.zip").read_bytes())
    end = data.rindex(b"PK\5\6")
    data[end + 8 : end + 12] = (2).to_bytes(2, "little") * 2
    (tmp_path / "a.zip").write_bytes(data)
    done = convert(run, tmp_path / "a.zip", tmp_path / "out", exit_code=1)
    assert "it holds more files than its directory counts: unpack it, and pack it anew" in done.stderr


def test_output_in_a_folder_of_archives_is_refused(run, photos, tmp_path):
    (tmp_path / "archives").mkdir()
    tar(photos, tmp_path / "archives/a.tar")
    done = convert(run, tmp_path / "archives", tmp_path / "archives/out", exit_code=1)
    assert "hint: choose a folder for `--out` outside the source" in done.stderr
