"""The Python package inspects, verifies, compacts and rolls back as the command line does."""

import inspect
import json
import os
import shutil
import signal
import subprocess
import threading
import warnings

import inlaid
import pytest
from PIL import Image

from conftest import REPOSITORY, SAMPLE
from test_package_write import content, options_of

SMALL = dict(row_group_bytes=32 * 192, shard_bytes=32 * 192, split={"train": 1}, progress=False)


@pytest.fixture
def dataset(tmp_path):
    """A dataset with two small row groups, since it was appended to."""
    inlaid.convert(SAMPLE / "circle", tmp_path / "d", 8, folders="none", **SMALL)
    inlaid.append(SAMPLE / "square", tmp_path / "d", folders="none", progress=False)
    return tmp_path / "d"


def schema(name):
    return json.loads((REPOSITORY / f"schemas/{name}.schema.json").read_text())


def told_as_json(inlaid_path, *arguments):
    return json.loads(subprocess.run([inlaid_path, *arguments, "--json"], capture_output=True, check=True).stdout)


# The same as the command line


@pytest.mark.parametrize("command", ["info", "verify", "compact", "rollback"])
def test_keywords_are_the_options_of_the_command_line(inlaid_path, command):
    options = options_of(inlaid_path, command).keys() - {"json", "help", "version"}
    function = inspect.signature(getattr(inlaid, command)).parameters
    of_python = {"path", "check", "progress", "storage_options"}
    assert function.keys() - of_python == options
    method = inspect.signature(getattr(inlaid.Dataset, command)).parameters
    assert list(method.values())[1:] == list(function.values())[1:]


def test_append_of_a_dataset_takes_the_keywords_of_append():
    function, method = (inspect.signature(append).parameters for append in (inlaid.append, inlaid.Dataset.append))
    assert [each for name, each in function.items() if name != "out"] == list(method.values())[1:]


def test_info_is_that_of_the_command_line(inlaid_path, dataset):
    import jsonschema

    jsonschema.validate(inlaid.info(dataset), schema("manifest"))
    assert inlaid.info(dataset) == inlaid.open(dataset).info() == told_as_json(inlaid_path, "info", dataset)


def test_verification_is_that_of_the_command_line(inlaid_path, dataset):
    import jsonschema

    sources = [SAMPLE / "circle", SAMPLE / "square"]
    ours = [inlaid.verify(dataset, sources, threads=1), inlaid.open(dataset).verify(sources)]
    theirs = told_as_json(inlaid_path, "verify", dataset, "--sources", *sources)
    for found in (*ours, theirs):
        jsonschema.validate(found, schema("verification"))
        assert found.pop("seconds") > 0
    assert ours == [theirs, theirs]
    assert (theirs["problems"], theirs["rows"], theirs["sources"], theirs["unfinished"]) == ([], 27, 27, False)


@pytest.mark.parametrize("command", ["compact", "rollback"])
def test_changes_are_those_of_the_command_line(inlaid_path, dataset, tmp_path, command):
    for name in ("function", "method"):
        shutil.copytree(dataset, tmp_path / name)
    theirs = told_as_json(inlaid_path, command, dataset)
    assert getattr(inlaid, command)(tmp_path / "function") == theirs
    assert getattr(inlaid.open(tmp_path / "method"), command)() == theirs
    assert content(tmp_path / "function") == content(tmp_path / "method") == content(dataset)


# What they do


def test_a_dataset_stays_the_snapshot_that_was_opened(dataset):
    before = inlaid.open(dataset)
    rows, images = len(before["train"]), before["train"][:]
    summary = before.append(SAMPLE / "triangle", folders="none", on_changed="stop", progress=False)
    assert summary["rows"] == 13 and len(before["train"]) == rows and before.info() != before.manifest
    assert len(inlaid.open(before.path)["train"]) == rows + 13
    assert before.rollback()["dataset_version"] == 2 and len(inlaid.open(dataset)["train"]) == rows
    assert before.compact()["dataset_version"] == 3
    after = inlaid.open(dataset)["train"]
    assert (before["train"][:] == images).all() and (after[:] == images).all()
    with pytest.raises(inlaid.InlaidError) as caught:
        before.rollback()
    assert str(caught.value) == (
        f"`{dataset}` has no earlier snapshot to roll back to\n"
        "hint: only the last append can be rolled back, and not after `inlaid.compact` or with `history=False`"
    )
    assert caught.value.kind == "no-history"


def test_problems_are_returned_and_raised_if_asked_for(dataset):
    inlaid.append(SAMPLE / "triangle", dataset, folders="none", progress=False)
    assert inlaid.verify(dataset, check=True)["problems"] == []
    for shard in dataset.glob("train/*"):
        data = bytearray(shard.read_bytes())
        data[len(data) // 2] ^= 1
        shard.write_bytes(data)
    problems = inlaid.verify(dataset)["problems"]
    assert [problem["file"] for problem in problems] == ["train/train-00000.parquet", "train/train-00001.parquet"]
    with pytest.raises(inlaid.DamagedError) as caught:
        inlaid.open(dataset).verify(check=True)
    first = problems[0]["problem"]
    assert str(caught.value) == f"`{dataset}` has 2 problems; the first is `train/train-00000.parquet`: {first}"
    assert caught.value.kind == "damaged"


def test_sources_are_compared(dataset, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(SAMPLE / "circle", source)
    gone, other = sorted(source.iterdir())[:2]
    gone.unlink()
    other.write_bytes(other.read_bytes() + b"\0")
    found = inlaid.verify(dataset, [source, SAMPLE / "square"])["problems"]
    assert found == [
        {"file": gone.name, "problem": "its source file is missing"},
        {"file": other.name, "problem": "it has changed since its row was written"},
    ]


def test_a_manifest_that_is_damaged_is_named(dataset):
    text = (dataset / "inlaid.json").read_text()
    (dataset / "inlaid.json").write_text(text[:-20])
    with pytest.raises(inlaid.DamagedError, match="inlaid.json` is damaged"):
        inlaid.info(dataset)


def test_a_commit_that_can_not_be_completed_is_a_warning(dataset, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inlaid.info(dataset)
    (dataset / ".inlaid/journal.json").write_text("{")
    with pytest.warns(inlaid.DatasetWarning, match="journal.json` is damaged") as seen:
        assert inlaid.info(dataset)["dataset_version"] == 2
    assert [warning.filename for warning in seen] == [__file__]


def test_a_card_that_is_left_alone_is_a_warning(dataset):
    (dataset / "README.md").write_text("---\nno: [end\n")
    with pytest.warns(inlaid.DatasetWarning, match="README.md`") as seen:
        inlaid.rollback(dataset)
    assert [warning.filename for warning in seen] == [__file__]


# Progress and interrupts


@pytest.mark.parametrize(
    ("call", "total"),
    [
        (lambda dataset, progress: inlaid.verify(dataset, progress=progress), 27),
        (lambda dataset, progress: inlaid.verify(dataset, [SAMPLE / "circle"], progress=progress), 54),
        (lambda dataset, progress: inlaid.compact(dataset, progress=progress), 27),
        (lambda dataset, progress: inlaid.rollback(dataset, progress=progress), 14),
    ],
)
def test_progress_counts_rows(dataset, call, total):
    told = []
    call(dataset, lambda *counts: told.append(counts))
    assert {counts[1] for counts in told} == {total} and told[-1][2] == 0 and told == sorted(told)


def test_wrong_keywords_are_named(dataset):
    for call, message in (
        (lambda: inlaid.verify(dataset, threads=0), "threads is an integer from 1 to 1024, not 0"),
        (lambda: inlaid.verify(dataset, check="yes"), "check is True or False, not 'yes'"),
        (lambda: inlaid.verify(dataset, sources=3), "sources is a path or several, not 3"),
        (lambda: inlaid.compact(dataset, progress="bar"), "progress is True, False or a function, not 'bar'"),
        (lambda: inlaid.info(3), "path is a path, not 3"),
    ):
        with pytest.raises(inlaid.SettingError) as caught:
            call()
        assert str(caught.value) == message


@pytest.mark.parametrize("function", [inlaid.info, inlaid.verify, inlaid.compact, inlaid.rollback])
def test_a_folder_that_is_no_dataset_is_named(function, tmp_path):
    with pytest.raises(inlaid.NotFoundError) as caught:
        function(tmp_path)
    assert str(caught.value) == f"`{tmp_path}` holds no dataset\nhint: create it with `inlaid.convert`"


def test_an_interrupt_stops_a_verification(tmp_path):
    source = tmp_path / "many"
    source.mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "image.png")
    for number in range(200):
        (source / f"{number}.png").symlink_to(tmp_path / "image.png")
    inlaid.convert(source, tmp_path / "d", 8, **SMALL)
    # What is hashed now takes ten seconds or more.
    os.truncate(tmp_path / "image.png", 2**27)
    begun, told = threading.Event(), []
    sender = threading.Thread(target=lambda: begun.wait() and os.kill(os.getpid(), signal.SIGINT))

    def progress(*counts):
        told.append(counts)
        begun.set()

    # A shell lets what it starts in the background ignore interrupts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    sender.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            inlaid.verify(tmp_path / "d", source, threads=1, progress=progress)
    finally:
        begun.set()
        sender.join()
        signal.signal(signal.SIGINT, before)
    assert told[-1][0] < told[-1][1] == 400
