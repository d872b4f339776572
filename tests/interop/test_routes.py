"""The same images, whatever they come in: the same tensors and labels in the same order, byte for byte."""

import io
import json
import os
import signal
import subprocess
import tarfile
import zipfile

import datasets
import inlaid
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import webdataset
from PIL import Image

from conftest import many_files

SIZE = 16
NUMBERS = range(60)
CLASSES = ["ant", "bee", "cat"]


def pixels(number):
    return np.random.default_rng(number).integers(0, 256, (SIZE, SIZE, 3), np.uint8)


def png(number):
    file = io.BytesIO()
    Image.fromarray(pixels(number)).save(file, "PNG")
    return file.getvalue()


PNGS = [png(number) for number in NUMBERS]
# In the order of their paths: all of a class, then the next.
NAMES = [f"{CLASSES[number // 20]}/{number:03}.png" for number in NUMBERS]
LABELS = [number // 20 for number in NUMBERS]


def folder(at):
    for name, data in zip(NAMES, PNGS, strict=True):
        (at / name).parent.mkdir(parents=True, exist_ok=True)
        (at / name).write_bytes(data)
    return [at]


def metadata(at):
    folder(at / "images")
    lines = [f"{name},{CLASSES[label]}" for name, label in zip(NAMES, LABELS, strict=True)]
    (at / "images/metadata.csv").write_text("file_name,label\n" + "\n".join(reversed(lines)))
    return [at / "images"]


def list_of_files(at):
    folder(at)
    lines = [f"{at / name}\t{CLASSES[label]}" for name, label in zip(NAMES, LABELS, strict=True)]
    (at.parent / "list").write_text("\n".join(reversed(lines)))
    return [at, "--files-from", at.parent / "list"]


def tar(at, mode="w", name="a.tar"):
    folder(at / "images")
    with tarfile.open(at / name, mode) as archive:
        archive.add(at / "images", "images")
    return [at / name]


def tar_gz(at):
    return tar(at, "w:gz", "a.tar.gz")


def two_zips(at):
    paths = [at / "first.zip", at / "second.zip"]
    for number, path in enumerate(paths):
        with zipfile.ZipFile(path, "w", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED][number]) as archive:
            for name, data in list(zip(NAMES, PNGS, strict=True))[number::2]:
                archive.writestr(name, data)
    return paths


def shards_of_webdataset(at):
    with webdataset.ShardWriter(str(at / "%02d.tar"), maxcount=25, verbose=0) as writer:
        for name, label, data in zip(NAMES, LABELS, PNGS, strict=True):
            writer.write({"__key__": name.removesuffix(".png"), "png": data, "cls": label})
    return sorted(at.glob("*.tar"))


def features():
    return datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=CLASSES)})


def hugging_face():
    images = [{"bytes": data, "path": None} for data in PNGS]
    return datasets.Dataset.from_dict({"image": images, "label": LABELS}, features())


def parquet(at):
    hugging_face().to_parquet(at / "rows.parquet", batch_size=17)
    return [at / "rows.parquet"]


def compressed_parquet(at):
    columns = {"photo": PNGS, "label": [CLASSES[label] for label in LABELS]}
    pq.write_table(pa.table(columns), at / "rows.parquet", compression="zstd", row_group_size=17)
    return [at / "rows.parquet"]


def saved_to_disk(at):
    hugging_face().save_to_disk(at / "saved", num_shards=3)
    return [at / "saved"]


def npz(at):
    np.savez(at / "a.npz", images=np.stack([pixels(number) for number in NUMBERS]), labels=np.array(LABELS))
    return [at / "a.npz"]


def npy_of_planes(at):
    np.save(at / "images.npy", np.stack([pixels(number) for number in NUMBERS]).transpose(0, 3, 1, 2))
    np.save(at / "labels.npy", np.array(LABELS))
    return [at]


def frame():
    return pa.table({"image": PNGS, "label": [CLASSES[label] for label in LABELS]})


def dictionaries():
    return ({"image": pixels(number), "label": CLASSES[label]} for number, label in zip(NUMBERS, LABELS, strict=True))


ON_DISK = [
    metadata,
    list_of_files,
    tar,
    tar_gz,
    two_zips,
    shards_of_webdataset,
    parquet,
    compressed_parquet,
    saved_to_disk,
    npz,
    npy_of_planes,
]


def tensors_and_labels(out):
    """The tensors of every row group as they are in the file, and all labels, in order."""
    paths = sorted(out.glob("train/*.parquet"))
    assert len(paths) > 3
    images, labels = [], []
    for path in paths:
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=["image", "label"])
            images.append(table["image"].combine_chunks().storage.flatten().to_numpy().tobytes())
            labels += table["label"].to_pylist()
    return images, labels


OPTIONS = ["--size", SIZE, "--split", "train=1", "--order", "path", *many_files(3 * SIZE**2)]


@pytest.fixture(scope="module")
def expected(inlaid_path, tmp_path_factory):
    at = tmp_path_factory.mktemp("folder")
    row_group, shard = (option for option in many_files(3 * SIZE**2) if not str(option).startswith("--"))
    keywords = dict(row_group_bytes=str(row_group), shard_bytes=str(shard))
    inlaid.convert(folder(at / "src"), at / "out", SIZE, split={"train": 1}, order="path", progress=False, **keywords)
    images, labels = tensors_and_labels(at / "out")
    assert labels == LABELS
    assert b"".join(images) == b"".join(pixels(number).tobytes() for number in NUMBERS)
    return images, labels, keywords


@pytest.mark.parametrize("write", ON_DISK, ids=lambda write: write.__name__)
def test_route_gives_the_same_bytes(request, expected, tmp_path, write):
    run = request.getfixturevalue("inlaid")
    (tmp_path / "src").mkdir()
    source = write(tmp_path / "src")
    for threads in (1, 3):
        out = tmp_path / f"out-{threads}"
        done = run("convert", *source, "--out", out, *OPTIONS, "--threads", threads, "--json")
        assert json.loads(done.stdout)["rows"] == 60
        assert tensors_and_labels(out) == expected[:2]
    # Running it again, and appending the same, changes nothing.
    before = {path: path.read_bytes() for path in out.rglob("*.parquet")}
    again = json.loads(run("convert", *source, "--out", out, *OPTIONS, "--json").stdout)
    appended = json.loads(run("append", *source, "--out", out, "--json").stdout)
    assert (again["committed"], appended["committed"]) == (False, False)
    assert (again["unchanged"], appended["unchanged"]) == (60, 60)
    assert {path: path.read_bytes() for path in out.rglob("*.parquet")} == before
    run("verify", out, "--sources", *source[: source.index("--files-from") if "--files-from" in source else None])


@pytest.mark.parametrize("make", [frame, hugging_face, dictionaries], ids=lambda make: make.__name__)
def test_rows_in_memory_give_the_same_bytes(expected, tmp_path, make):
    options = dict(split={"train": 1}, order="path", progress=False, **expected[2])
    inlaid.convert(make(), tmp_path / "out", SIZE, **options)
    assert tensors_and_labels(tmp_path / "out") == expected[:2]


KILLED = [tar_gz, shards_of_webdataset, compressed_parquet, npz]


@pytest.mark.parametrize("write", KILLED, ids=lambda write: write.__name__)
def test_run_that_is_killed_resumes_to_the_same_files(request, inlaid_path, tmp_path, write):
    run = request.getfixturevalue("inlaid")
    (tmp_path / "src").mkdir()
    source = write(tmp_path / "src")
    run("convert", *source, "--out", tmp_path / "whole", *OPTIONS)
    files = {path.relative_to(tmp_path / "whole"): path.read_bytes() for path in tmp_path.glob("whole/*/*.parquet")}
    kept = set()
    for step in range(4, 80, 9):
        out = tmp_path / f"killed-{step}"
        command = [inlaid_path, "convert", *source, "--out", out, *OPTIONS, "-q"]
        environment = {**os.environ, "INLAID_FAILPOINT": f"kill:{step}"}
        done = subprocess.run(list(map(str, command)), env=environment, capture_output=True)
        assert done.returncode == -signal.SIGKILL
        kept.add(len(list(out.glob("train/*.parquet"))))
        run("convert", *source, "--out", out, *OPTIONS)
        assert {path.relative_to(out): path.read_bytes() for path in out.glob("*/*.parquet")} == files
        # Copies of what is compressed have gone with the process.
        names = {path.name for path in out.iterdir()}
        assert names == {path.name for path in (tmp_path / "whole").iterdir()}
    assert len(kept) > 2
