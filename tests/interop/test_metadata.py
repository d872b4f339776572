"""Tables that describe images that are files: CSV, TSV, JSON lines, Parquet."""

import json
import os
import subprocess
from datetime import datetime, timezone

import datasets
import inlaid
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from conftest import REPOSITORY

NAMES = ["a.png", "b.png", "deep/er/c.png", "deep/d.png"]


@pytest.fixture
def run(request):
    """The command; `inlaid` is the package here."""
    return request.getfixturevalue("inlaid")


@pytest.fixture
def folder(tmp_path):
    """Four images, at three depths, whose pixels are their numbers."""
    for number, name in enumerate(NAMES):
        path = tmp_path / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 5), (number, 0, 0)).save(path)
    return tmp_path / "src"


def rows(out, *columns):
    """Path, label and the values of columns of every row, sorted by path."""
    frames = [pl.DataFrame(table) for table in inlaid.open(out).values()]
    frame = pl.concat(frames).sort("path")
    return list(frame.select("path", "label", *columns).iter_rows())


def convert(source, out, **options):
    options = {"split": {"train": 1}, "progress": False, "size": 4} | options
    return inlaid.convert(source, out, **options)


def write(folder, name, frame):
    path = folder / name
    match path.suffix:
        case ".csv":
            frame.to_csv(path, index=False)
        case ".tsv":
            frame.to_csv(path, index=False, sep="\t")
        case ".jsonl":
            frame.to_json(path, orient="records", lines=True)
        case ".parquet":
            frame.to_parquet(path)
    return path


FRAME = pd.DataFrame(
    {
        "file_name": ["b.png", "a.png", "deep/d.png", "deep/er/c.png"],
        "label": ["bee", "ant", "bee", None],
        "age": [2, 1, 4, 3],
        "score": [0.5, None, 2.0, 1.5],
        "good": [True, False, True, True],
        "text": ['a, "b"\nc', "é", "x", "y"],
    }
)
EXPECTED = [
    ("a.png", 0, 1, None, False, "é"),
    ("b.png", 1, 2, 0.5, True, 'a, "b"\nc'),
    ("deep/d.png", 1, 4, 2.0, True, "x"),
    ("deep/er/c.png", None, 3, 1.5, True, "y"),
]


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_a_table_beside_the_images_is_found(folder, tmp_path, kind):
    write(folder, f"metadata.{kind}", FRAME)
    summary = convert(folder, tmp_path / "out")
    assert (summary["rows"], summary["rejects"]) == (4, 0)
    assert rows(tmp_path / "out", "age", "score", "good", "text") == EXPECTED
    assert inlaid.open(tmp_path / "out").classes == ["ant", "bee"]
    schema = pq.read_schema(tmp_path / "out/train/train-00000.parquet")
    types = {name: str(schema.field(name).type) for name in ("age", "score", "good", "text")}
    assert types == {"age": "int64", "score": "double", "good": "bool", "text": "string"}


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_rows_are_those_of_imagefolder(folder, tmp_path, kind):
    write(folder, f"metadata.{kind}", FRAME.drop(columns="label"))
    convert(folder, tmp_path / "out")
    theirs = datasets.load_dataset("imagefolder", data_dir=str(folder), split="train")
    theirs = sorted((row["age"], row["score"], row["text"], row["image"].getpixel((0, 0))[0]) for row in theirs)
    table = inlaid.open(tmp_path / "out")["train"]
    ours = [table.column(name).tolist() for name in ("age", "score", "text")]
    ours = sorted(zip(*ours, table[:][:, 0, 0, 0].tolist(), strict=True))
    assert str(ours).replace("nan", "None") == str(theirs)


def test_the_nearest_table_describes_a_file(folder, tmp_path):
    for place, name in enumerate(["metadata.csv", "deep/metadata.csv", "deep/er/metadata.csv"]):
        below = [file.removeprefix(name.removesuffix("metadata.csv")) for file in NAMES]
        below = [
            file
            for file, whole in zip(below, NAMES, strict=True)
            if whole.startswith(name.removesuffix("metadata.csv"))
        ]
        (folder / name).write_text("file_name,n\n" + "".join(f"{file},{place}\n" for file in below))
    summary = convert(folder, tmp_path / "out")
    assert rows(tmp_path / "out", "n") == [
        ("a.png", None, 0),
        ("b.png", None, 0),
        ("deep/d.png", None, 1),
        ("deep/er/c.png", None, 2),
    ]
    rejects = [(reject.path, reject.reason) for reject in inlaid.open(tmp_path / "out").rejects]
    assert summary["rejects"] == 3
    assert rejects == [("deep/d.png", "second-row"), ("deep/er/c.png", "second-row"), ("er/c.png", "second-row")]


def test_a_competition_has_ids_and_a_table_elsewhere(folder, tmp_path):
    table = tmp_path / "train.csv"
    table.write_text("id,breed,when\na,cat,2024-01-02\nb,dog,2024-01-02T03:04:05+01:00\nd,cat,\nc,cow,2024-02-01\n")
    convert(folder, tmp_path / "out", metadata=table, file_column="id", label_column="breed")
    assert rows(tmp_path / "out", "when") == [
        ("a.png", 0, datetime(2024, 1, 2, tzinfo=timezone.utc)),
        ("b.png", 2, datetime(2024, 1, 2, 2, 4, 5, tzinfo=timezone.utc)),
        ("deep/d.png", 0, None),
        ("deep/er/c.png", 1, datetime(2024, 2, 1, tzinfo=timezone.utc)),
    ]
    assert inlaid.open(tmp_path / "out").classes == ["cat", "cow", "dog"]


def test_a_table_is_a_source(folder, tmp_path):
    (folder / "list.csv").write_text("file_name;n\na.png;1\n")
    summary = convert(folder / "list.csv", tmp_path / "out")
    assert rows(tmp_path / "out", "n") == [("a.png", None, 1)] and summary["rejects"] == 3


def test_every_row_and_every_file_is_a_row_or_a_reject(folder, tmp_path):
    names = ["a.png", "a.png", "", "../a.png", "/etc/passwd", "https://x/y.png", "C:\\a.png", "none.png", "deep/er/c"]
    (folder / "metadata.csv").write_text("file_name,n\n" + "".join(f"{name},{n}\n" for n, name in enumerate(names)))
    (folder / "deep/er/c.jpg").write_bytes((folder / "a.png").read_bytes())
    summary = convert(folder, tmp_path / "out")
    assert rows(tmp_path / "out", "n") == [("a.png", None, 0)]
    rejects = [(reject.path, reject.reason) for reject in inlaid.open(tmp_path / "out").rejects]
    assert rejects == [
        ("../a.png", "name-outside"),
        ("/etc/passwd", "name-outside"),
        ("C:\\a.png", "name-outside"),
        ("a.png", "second-row"),
        ("b.png", "no-row"),
        ("deep/d.png", "no-row"),
        ("deep/er/c", "several-files"),
        ("deep/er/c.jpg", "no-row"),
        ("deep/er/c.png", "no-row"),
        ("https://x/y.png", "name-outside"),
        ("none.png", "no-file"),
        ("row 3", "no-file-name"),
    ]
    assert summary["rejects"] == len(rejects)
    with pytest.raises(inlaid.RejectedError, match="`a.png` can't be used: the file has another row"):
        convert(folder, tmp_path / "other", missing="stop")


# Labels


@pytest.mark.parametrize(
    ("values", "classes", "labels"),
    [
        ("3,1,-1,", ["0", "1", "2", "3"], [3, 1, None, None]),
        ("b,a,b,", ["a", "b"], [1, 0, 1, None]),
        ("true,false,true,true", ["false", "true"], [1, 0, 1, 1]),
        ("1.0,0.0,,2.0", ["0", "1", "2"], [1, 0, None, 2]),
    ],
)
def test_labels_are_classes(folder, tmp_path, values, classes, labels):
    lines = [f"{name},{value}\n" for name, value in zip(NAMES, values.split(","), strict=True)]
    (folder / "metadata.csv").write_text("file_name,label\n" + "".join(lines))
    convert(folder, tmp_path / "out")
    expected = sorted((name, label) for name, label in zip(NAMES, labels, strict=True))
    assert rows(tmp_path / "out") == expected
    assert inlaid.open(tmp_path / "out").classes == classes


def test_labels_are_numbers(folder, tmp_path):
    (folder / "metadata.csv").write_text("file_name,label\n" + "".join(f"{n},{i}.5\n" for i, n in enumerate(NAMES)))
    convert(folder, tmp_path / "out")
    dataset = inlaid.open(tmp_path / "out")
    assert dataset.classes == [] and dataset.manifest["spec"]["label"] == "number"
    batch = next(iter(dataset["train"].batches(4)))
    assert batch["label"].dtype == np.float64
    assert batch["label"].tolist() == [batch["image"][row, 0, 0, 0] + 0.5 for row in range(4)]
    convert(folder, tmp_path / "whole", column_types={"label": "float64"})
    theirs = datasets.load_dataset(str(tmp_path / "out"), split="train")
    assert theirs.features["label"] == datasets.Value("float64")


MANY = {"a.png": [1, 0, 1], "b.png": [0, 0, 0], "deep/d.png": [0, 1, 1], "deep/er/c.png": [1, 1, 1]}


@pytest.mark.parametrize("how", ["names", "numbers", "hot", "columns", "parquet"])
def test_labels_are_several_classes(folder, tmp_path, how):
    options, classes = {}, ["0", "1", "2"]
    if how == "columns":
        lines = [f"{name},{','.join(map(str, hot))}\n" for name, hot in MANY.items()]
        (folder / "metadata.csv").write_text("file_name,x,y,z\n" + "".join(lines))
        options, classes = {"label_column": ["x", "y", "z"]}, ["x", "y", "z"]
    else:
        words = ["x", "y", "z"] if how in ("names", "parquet") else [0, 1, 2]
        classes = ["x", "y", "z"] if how in ("names", "parquet") else classes
        listed = {name: [word for word, is_on in zip(words, hot, strict=True) if is_on] for name, hot in MANY.items()}
        labels = MANY if how == "hot" else listed
        if how == "parquet":
            pq.write_table(
                pa.table({"file_name": list(labels), "label": list(labels.values())}), folder / "metadata.parquet"
            )
        else:
            lines = [json.dumps({"file_name": name, "labels": label}) + "\n" for name, label in labels.items()]
            (folder / "metadata.jsonl").write_text("".join(lines))
    for out, format in ((tmp_path / "out", "parquet"), (tmp_path / "arrow", "arrow")):
        convert(folder, out, format=format, row_group_bytes=96, **options)
        dataset = inlaid.open(out)
        assert dataset.classes == classes and dataset.manifest["spec"]["label"] == "multi-hot"
        train = dataset["train"]
        got = {}
        for batch in train.batches(3, shuffle=True, columns=["label", "path"]):
            assert batch["label"].dtype == np.uint8 and batch["label"].shape[1:] == (3,)
            got |= dict(zip(batch["path"], batch["label"].tolist(), strict=True))
        assert got == MANY
        assert inlaid.verify(out)["problems"] == []
    images, labels = next(iter(inlaid.open(tmp_path / "out")["train"].to_torch(4)))
    assert labels.shape == (4, 3) and str(labels.dtype) == "torch.uint8"
    theirs = datasets.load_dataset(str(tmp_path / "out"), split="train")
    assert {row["path"]: row["label"] for row in theirs.to_dict() and theirs} == MANY


def test_an_append_knows_the_classes_of_several(folder, tmp_path):
    (folder / "metadata.jsonl").write_text(
        "".join(json.dumps({"file_name": n, "label": ["x", "z"]}) + "\n" for n in NAMES)
    )
    convert(folder, tmp_path / "out")
    more = tmp_path / "more"
    more.mkdir()
    Image.new("RGB", (5, 5)).save(more / "new.png")
    (more / "metadata.jsonl").write_text(json.dumps({"file_name": "new.png", "label": ["z"]}))
    inlaid.append(more, tmp_path / "out", progress=False)
    table = inlaid.open(tmp_path / "out")["train"]
    assert dict(zip(table.column("path"), table.column("label").tolist(), strict=True))["new.png"] == [0, 1]
    Image.new("RGB", (5, 5)).save(more / "newer.png")
    (more / "metadata.jsonl").write_text(json.dumps({"file_name": "newer.png", "label": ["y"]}))
    with pytest.raises(inlaid.InlaidError, match="multi-hot labels without a class `y`"):
        inlaid.append(more, tmp_path / "out", progress=False)
    (more / "metadata.jsonl").write_text(json.dumps({"file_name": "newer.png", "label": "x"}))
    with pytest.raises(inlaid.InlaidError, match="labels of the kind multi-hot, the new images of the kind class"):
        inlaid.append(more, tmp_path / "out", progress=False)


# Columns


def test_columns_are_kept_and_typed_as_asked(folder, tmp_path):
    (folder / "metadata.csv").write_text(
        "file_name,zip,n,x\n" + "".join(f"{n},0{i},{i},{i}\n" for i, n in enumerate(NAMES))
    )
    convert(folder, tmp_path / "out", keep_columns=["n", "zip"], column_types={"n": "string"})
    schema = pq.read_schema(tmp_path / "out/train/train-00000.parquet")
    assert schema.names[-2:] == ["zip", "n"] and str(schema.field("n").type) == "string"
    convert(folder, tmp_path / "none", keep_columns=[])
    assert pq.read_schema(tmp_path / "none/train/train-00000.parquet").names[-1] == "sha256"
    for options in (
        {"keep_columns": ["y"]},
        {"column_types": {"y": "int64"}},
        {"label_column": "y"},
        {"file_column": "y"},
    ):
        with pytest.raises(inlaid.InlaidError, match="has no column `y`"):
            convert(folder, tmp_path / "wrong", **options, metadata=folder / "metadata.csv")
    with pytest.raises(inlaid.InlaidError, match="column `zip` has values that are not times: `00` in line 2"):
        convert(folder, tmp_path / "wrong", column_types={"zip": "timestamp"})


def test_an_append_has_the_columns_of_the_dataset(folder, tmp_path):
    (folder / "metadata.csv").write_text("file_name,n,x\n" + "".join(f"{n},{i},a{i}\n" for i, n in enumerate(NAMES)))
    convert(folder, tmp_path / "out")
    more = tmp_path / "more"
    more.mkdir()
    Image.new("RGB", (5, 5)).save(more / "new.png")
    (more / "metadata.csv").write_text("file_name,y,x,n\nnew.png,1,7,5\n")
    inlaid.append(more, tmp_path / "out", progress=False)
    assert rows(tmp_path / "out", "n", "x")[-1] == ("new.png", None, 5, "7")
    Image.new("RGB", (5, 5)).save(more / "newer.png")
    (more / "metadata.csv").write_text("file_name,n\nnewer.png,5\n")
    with pytest.raises(inlaid.InlaidError, match="has no column `x`, only `n`"):
        inlaid.append(more, tmp_path / "out", progress=False)
    (more / "metadata.csv").unlink()
    with pytest.raises(inlaid.InlaidError, match="folders of images have no column `n`"):
        inlaid.append(more, tmp_path / "out", progress=False)


def test_a_column_of_splits_decides_splits(folder, tmp_path):
    splits = ["train", "val", "test", "train"]
    (folder / "metadata.csv").write_text(
        "file_name,split\n" + "".join(f"{n},{s}\n" for n, s in zip(NAMES, splits, strict=True))
    )
    inlaid.convert(folder, tmp_path / "out", 4, progress=False)
    dataset = inlaid.open(tmp_path / "out")
    assert {name: sorted(table.column("path")) for name, table in dataset.items()} == {
        "train": ["a.png", "deep/d.png"],
        "validation": ["b.png"],
        "test": ["deep/er/c.png"],
    }


def test_further_images_become_tensors(folder, tmp_path):
    (folder / "masks").mkdir()
    for number, name in enumerate(["a", "b"]):
        Image.new("L", (6, 5), 100 + number).save(folder / f"masks/{name}.png")
    (folder / "metadata.csv").write_text(
        "file_name,mask_file_name,near_file_name\na.png,masks/a.png,b.png\nb.png,masks/b.png,a.png\n"
        "deep/d.png,masks/none.png,a.png\ndeep/er/c.png,masks/a.png,b.png\n"
    )
    summary = convert(folder, tmp_path / "out")
    table = inlaid.open(tmp_path / "out")["train"]
    for row, path in enumerate(table.column("path")):
        mask, near = {"a.png": (100, 1), "b.png": (101, 0), "deep/er/c.png": (100, 1)}[path]
        assert np.array_equal(table.column("mask")[row], np.full((4, 4, 1), mask))
        assert table.column("near")[row, 0, 0].tolist() == [near, 0, 0]
    assert summary["rows"] == 3
    assert [(reject.path, reject.reason) for reject in inlaid.open(tmp_path / "out").rejects] == [
        ("deep/d.png", "no-file")
    ]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_lists_of_names_are_several_images(folder, tmp_path, kind):
    """As `datasets` reads them: `file_names`, and `*_file_names` beside a `file_name`."""
    lists = pd.DataFrame({"file_names": [["a.png", "b.png", "deep/d.png"], ["b.png", "a.png", "deep/er/c.png"], []]})
    write(folder, f"metadata.{kind}", lists)
    summary = convert(folder, tmp_path / "several")
    table = inlaid.open(tmp_path / "several")["train"]
    numbers = [table.column(name)[:, 0, 0, 0].tolist() for name in ("image", "image_2", "image_3")]
    paths = table.column("path").tolist()
    assert dict(zip(paths, zip(*numbers, strict=True), strict=True)) == {"a.png": (0, 1, 3), "b.png": (1, 0, 2)}
    assert summary["rejects_by_reason"] == {"no-file-name": 1}
    write(folder, f"metadata.{kind}", lists[:2])
    theirs = datasets.load_dataset("imagefolder", data_dir=str(folder), split="train")
    assert [[image.getpixel((0, 0))[0] for image in row["images"]] for row in theirs] == [[0, 1, 3], [1, 0, 2]]

    beside = pd.DataFrame({"file_name": ["a.png", "b.png"], "near_file_names": [["b.png", "a.png"]] * 2})
    write(folder, f"metadata.{kind}", beside)
    convert(folder, tmp_path / "beside")
    table = inlaid.open(tmp_path / "beside")["train"]
    assert [table.column(name)[:, 0, 0, 0].tolist() for name in ("near", "near_2")] == [[1, 1], [0, 0]]


def test_an_append_tells_which_images_have_no_column(folder, tmp_path):
    write(folder, "metadata.jsonl", pd.DataFrame({"file_names": [["a.png"]]}))
    convert(folder, tmp_path / "out")
    write(folder, "metadata.jsonl", pd.DataFrame({"file_names": [["b.png", "a.png"]]}))
    summary = inlaid.append(folder, tmp_path / "out", progress=False)
    assert summary["rows"] == 1
    assert any("`image_2`" in notice and "no such column" in notice for notice in summary["notices"])


def test_lists_of_names_have_one_length(folder, tmp_path):
    write(folder, "metadata.jsonl", pd.DataFrame({"file_names": [["a.png"], ["b.png", "a.png"]]}))
    with pytest.raises(inlaid.InlaidError, match="row 1 of column `file_names` has 2 images, but earlier rows have 1"):
        convert(folder, tmp_path / "out")


def test_a_table_describes_the_files_of_its_own_source(folder, tmp_path):
    """Both sources have a table at the top, and one file of the same name."""
    other = tmp_path / "other"
    other.mkdir()
    for name in ("a.png", "z.png"):
        Image.new("RGB", (5, 5)).save(other / name)
    (folder / "metadata.csv").write_text("file_name,n\n" + "".join(f"{name},1\n" for name in NAMES) + "z.png,1\n")
    (other / "metadata.csv").write_text("file_name,n\na.png,2\nz.png,2\nb.png,2\n")
    for sources, of_a in (([folder, other], 1), ([other, folder], 2)):
        out = tmp_path / f"out{of_a}"
        convert(sources, out)
        values = {path: n for path, _, n in rows(out, "n")}
        assert values == {"a.png": of_a, "b.png": 1, "deep/d.png": 1, "deep/er/c.png": 1, "z.png": 2}
        told = [(reject.path, reject.reason) for reject in inlaid.open(out).rejects]
        assert told == [("a.png", "duplicate-key"), ("a.png", "no-file"), ("b.png", "no-file"), ("z.png", "no-file")]


def test_a_given_table_may_lie_beside_its_files(folder, tmp_path):
    (folder / "deep/list.csv").write_text("file_name,n\ner/c.png,1\nd.png,2\n")
    convert(folder, tmp_path / "out", metadata=folder / "deep/list.csv")
    assert rows(tmp_path / "out", "n") == [("deep/d.png", None, 2), ("deep/er/c.png", None, 1)]


def test_numbers_as_names_are_not_beginnings_of_others(tmp_path):
    for number in (1, 10, 100):
        path = tmp_path / f"src/{number % 7}/{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (5, 5)).save(path)
    (tmp_path / "t.csv").write_text("id,n\n1,1\n10,2\n100,3\n")
    convert(tmp_path / "src", tmp_path / "out", metadata=tmp_path / "t.csv", file_column="id")
    assert rows(tmp_path / "out", "n") == [("1/1.png", None, 1), ("2/100.png", None, 3), ("3/10.png", None, 2)]


@pytest.mark.parametrize("labels", ["[]", "null"])
def test_lists_without_any_class_are_no_labels(folder, tmp_path, labels):
    (folder / "metadata.jsonl").write_text("".join(f'{{"file_name": "{name}", "label": {labels}}}\n' for name in NAMES))
    convert(folder, tmp_path / "out")
    assert rows(tmp_path / "out") == [(name, None) for name in sorted(NAMES)]


def test_files_are_verified_without_the_table(folder, tmp_path):
    splits = "".join(f"{name},{split},1\n" for name, split in zip(NAMES, ["train", "test"] * 2, strict=True))
    (tmp_path / "t.csv").write_text("file_name,split,n\n" + splits)
    inlaid.convert(folder, tmp_path / "out", 4, metadata=tmp_path / "t.csv", progress=False)
    verified = inlaid.verify(tmp_path / "out", folder)
    assert (verified["problems"], verified["sources"]) == ([], 4)
    (folder / "a.png").write_bytes(b"other")
    assert inlaid.verify(tmp_path / "out", folder)["problems"] != []


@pytest.mark.parametrize("kind", ["date32", "naive", "zoned"])
def test_times_of_any_type_are_those_of_utc(folder, tmp_path, kind):
    noon = datetime(2024, 1, 2, 12)
    values, is_of = {
        "date32": (noon.date(), pa.date32()),
        "naive": (noon, pa.timestamp("ms")),
        "zoned": (noon.replace(tzinfo=timezone.utc), pa.timestamp("s", "Europe/Berlin")),
    }[kind]
    table = pa.table({"file_name": NAMES, "when": pa.array([values, None, values, values], is_of)})
    pq.write_table(table, folder / "metadata.parquet")
    convert(folder, tmp_path / "out")
    expected = datetime(2024, 1, 2, 0 if kind == "date32" else 12, tzinfo=timezone.utc)
    assert [when for _, _, when in rows(tmp_path / "out", "when")] == [expected, None, expected, expected]


def test_lists_of_fractions_are_no_classes(folder, tmp_path):
    (folder / "metadata.jsonl").write_text('{"file_name": "a.png", "label": [1.5]}\n')
    with pytest.raises(
        inlaid.InlaidError, match="column `label` can't be labels: they are lists of numbers with fractions"
    ):
        convert(folder, tmp_path / "out")


def test_names_that_are_taken_are_left_out_and_told(run, folder, tmp_path):
    names = "file_name,n,n,path,image_file_name,_file_name,mask_file_name,mask"
    (folder / "metadata.csv").write_text(names + "\n" + "".join(f"{name},1,2,x,y,z,a.png,5\n" for name in NAMES))
    done = run("convert", folder, "--out", tmp_path / "out", "--size", "4", "--split", "train=1")
    assert (
        "note: columns left out: `n` (its name is taken), `path` (its name is taken), `mask` (its name is taken)\n"
        in done.stderr
    )
    assert rows(tmp_path / "out", "n")[0] == ("a.png", None, 1)


# Broken tables


def test_tables_of_folders_have_the_same_columns(folder, tmp_path):
    (folder / "metadata.csv").write_text("file_name,n\na.png,1\n")
    (folder / "deep/metadata.csv").write_text("file_name,m\nd.png,1\n")
    with pytest.raises(inlaid.InlaidError, match="metadata.csv`: it has no column `[nm]`"):
        convert(folder, tmp_path / "out")


def test_a_pipe_or_a_folder_is_no_table(run, folder, tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    for path in ("pipe.csv", "src"):
        done = run(
            "convert", folder, "--metadata", tmp_path / path, "--out", tmp_path / "out", "--size", "4", exit_code=1
        )
        assert done.stderr == f"error: can't read `{tmp_path / path}`: it is not a regular file\n"


def test_broken_tables_are_told(folder, tmp_path):
    for text, message in [
        ("file_name,n\na.png,1,2\n", "it is damaged: line 2 has 3 fields, the first one has 2"),
        (b"file_name,n\na.png,\xff\n", "line 2 is not UTF-8"),
    ]:
        (folder / "metadata.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(inlaid.InlaidError) as caught:
            convert(folder, tmp_path / "out")
        assert message in str(caught.value) and "metadata.csv" in str(caught.value)


def test_a_table_without_names_of_files_is_not_read_and_told(run, folder, tmp_path):
    (folder / "metadata.csv").write_text("text\nhello\n")
    done = run("convert", folder, "--out", tmp_path / "out", "--size", "4", "--split", "train=1", exit_code=3)
    assert (
        f"note: `{folder}/metadata.csv` is not read: it has no column `file_name` with the names of the files\n"
        in done.stderr
    )


# Lists


def test_a_list_of_files_is_a_source(run, folder, tmp_path, monkeypatch):
    (tmp_path / "list").write_text(f"src/a.png\tant\n{folder}/b.png\tbee\nsrc/none.png\tbee\n")
    (tmp_path / "nul").write_bytes(b"src/a.png\0src/deep/er/../d.png\0")
    monkeypatch.chdir(tmp_path)
    inlaid.convert([], "out", 4, files_from="list", split={"train": 1}, progress=False)
    assert rows("out") == [("src/a.png", 0), ("src/b.png", 1)]
    assert [(r.path, r.reason) for r in inlaid.open("out").rejects] == [("src/none.png", "unreadable")]
    inlaid.convert("src", "nul-out", 4, files_from="nul", folders="none", split={"train": 1}, progress=False)
    assert rows("nul-out") == [("a.png", None), ("deep/d.png", None)]
    command = "inlaid convert --files-from <(find src -name a.png) --out piped --size 4 --split train=1"
    run_path = os.environ.get("INLAID_BIN", str(REPOSITORY / "target/release/inlaid"))
    subprocess.run(["bash", "-c", command.replace("inlaid", run_path, 1)], check=True, capture_output=True)
    assert rows("piped") == [("src/a.png", 0)]
    done = run("convert", "--files-from", "nothing", "--out", tmp_path / "x", "--size", "4", exit_code=1)
    assert done.stderr.startswith("error: can't read the list `nothing`")


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ("1", "1.5", "column `v` has values that are not whole numbers: `1.5` in row 0"),
        ("true", "7", "column `v` has values that are not true or false: `7` in row 0"),
        ("0.5", "9007199254740993", "column `v` has values that are not numbers: `9007199254740993` in row 0"),
        ("2020-01-01", "5", "column `v` has values that are not times: `5` in row 0"),
    ],
)
def test_an_append_changes_no_values(run, tmp_path, first, second, told):
    for name, value in [("a", first), ("b", second)]:
        (tmp_path / name).mkdir()
        Image.new("RGB", (6, 5)).save(tmp_path / name / f"{name}.png")
        (tmp_path / name / "metadata.csv").write_text(f"file_name,v\n{name}.png,{value}\n")
    run("convert", tmp_path / "a", "--out", tmp_path / "out", "--size", 4)
    done = run("append", tmp_path / "b", "--out", tmp_path / "out", exit_code=1)
    assert told in done.stderr


def test_append_without_its_table_is_told(run, folder, tmp_path):
    write(tmp_path, "labels.csv", FRAME)
    options = ["--metadata", tmp_path / "labels.csv", "--keep-columns", "none"]
    run("convert", folder, "--out", tmp_path / "out", "--size", 4, *options)
    (tmp_path / "new").mkdir()
    for number in range(2):
        Image.new("RGB", (6, 5), (99, number, 0)).save(tmp_path / f"new/{number}.png")
    done = run("append", tmp_path / "new", "--out", tmp_path / "out")
    assert "note: none of the 2 new images has a label, though the dataset has labels\nhint: undo it with" in done.stderr


def test_split_of_another_name_is_told(folder, tmp_path):
    frame = FRAME.assign(split=["train", "holdout", "test", "train"])
    write(folder, "metadata.csv", frame)
    summary = convert(folder, tmp_path / "out")
    assert "column `split` is not used as splits, since `holdout` is not the name of one" in summary["notices"]
    assert [row[2] for row in rows(tmp_path / "out", "split")] == ["holdout", "train", "test", "train"]
