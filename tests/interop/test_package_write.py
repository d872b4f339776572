"""The Python package converts and appends as the command line does, which it brings along."""

import inspect
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import inlaid
import numpy as np
import pytest
from PIL import Image

from conftest import REPOSITORY, SAMPLE

PROGRAM = Path(sys.executable).parent / "inlaid"


def content(dataset):
    """The bytes of every file of a dataset but its lock."""
    files = [path for path in dataset.rglob("*") if path.is_file() and ".inlaid" not in path.parts]
    return {str(path.relative_to(dataset)): path.read_bytes() for path in files}


@pytest.fixture
def many(tmp_path):
    """A source that takes a while."""
    folder = tmp_path / "many/images"
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (600, 600, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    for number in range(400):
        (folder / f"{number}.png").symlink_to(tmp_path / "image.png")
    return folder.parent


# The same as the command line


@pytest.mark.parametrize("command", ["convert", "append"])
def test_options_are_those_of_the_command_line(inlaid_path, command):
    help = subprocess.run([inlaid_path, command, "--help"], capture_output=True, text=True, check=True).stdout
    options = {name.replace("-", "_") for name in re.findall(r"^ +(?:-\w, )?--([a-z-]+)", help, re.MULTILINE)}
    arguments = set(inspect.signature(getattr(inlaid, command)).parameters)
    # What is said in text and JSON is the returned summary; messages are exceptions.
    assert arguments - {"sources", "progress"} == options - {"json", "quiet", "help", "version"}


def test_bytes_are_those_of_the_command_line(inlaid_path, tmp_path):
    options = dict(
        size=(48, 32), split={"train": 0.7, "test": 0.3}, split_by="path", pad_color=(9, 8, 7), fit="pad", seed=5
    )
    options |= dict(
        no_antialias=True, filter="bicubic", compression="lz4", row_group_bytes="20KiB", shard_bytes=65536, threads=1
    )
    inlaid.convert([SAMPLE], tmp_path / "package", **options)
    arguments = (
        "--size 48x32 --split train=0.7,test=0.3 --split-by path --pad-color 9,8,7 --fit pad --seed 5 --no-antialias"
    )
    arguments += " --filter bicubic --compression lz4 --row-group-bytes 20KiB --shard-bytes 65536"
    subprocess.run([inlaid_path, "convert", SAMPLE, "--out", tmp_path / "binary", *arguments.split(), "-q"], check=True)
    assert content(tmp_path / "package") == content(tmp_path / "binary")


def test_summaries_are_those_of_the_command_line(tmp_path):
    import jsonschema

    schema = json.loads((REPOSITORY / "schemas/summary.schema.json").read_text())
    tried = inlaid.convert(SAMPLE, tmp_path / "dataset", 64, dry_run=True)
    assert (tried["dry_run"], tried["rows"], (tmp_path / "dataset").exists()) == (True, 40, False)
    made = inlaid.convert(SAMPLE, tmp_path / "dataset", 64)
    assert (made["committed"], made["rows"], made["rejects"]) == (True, 40, 0)
    again = inlaid.append(str(SAMPLE), str(tmp_path / "dataset"), on_changed="stop", no_history=True)
    assert (again["committed"], again["rows"], again["unchanged"]) == (False, 0, 40)
    for summary in (tried, made, again):
        jsonschema.validate(summary, schema)


def test_appended_rows_are_read(tmp_path):
    inlaid.convert(SAMPLE / "circle", tmp_path / "dataset", 16, folders="none", split={"train": 1})
    before = inlaid.open(tmp_path / "dataset")["train"]
    added = inlaid.append([SAMPLE / "square", SAMPLE / "triangle"], tmp_path / "dataset", folders="none")
    after = inlaid.open(tmp_path / "dataset")["train"]
    assert added["rows"] > 0 and len(after) == len(before) + added["rows"] == 40 - added["rejects"]
    assert np.array_equal(after[: len(before)], before[:])


def test_rejected_images_are_counted_and_listed(tmp_path):
    (tmp_path / "images/a").mkdir(parents=True)
    (tmp_path / "images/a/good.png").symlink_to(next(SAMPLE.glob("*/*rgb.png")))
    (tmp_path / "images/a/bad.png").write_bytes(b"no image")
    source, split = tmp_path / "images", {"train": 1}
    summary = inlaid.convert(source, tmp_path / "dataset", 8, split=split)
    assert summary["rejects_by_reason"] == {"unknown-format": 1}
    assert "a/bad.png" in (tmp_path / "dataset/rejects.jsonl").read_text()
    for options in ({"on_error": "stop"}, {"max_errors": 0}, {"max_errors": "10%"}):
        with pytest.raises(inlaid.RejectedError, match="a/bad.png"):
            inlaid.convert(source, tmp_path / "other", 8, split=split, **options)
        assert not content(tmp_path / "other")


# Progress and interrupts


def test_progress_is_told(tmp_path, many):
    told = []
    inlaid.convert(many, tmp_path / "dataset", 64, progress=lambda *counts: told.append(counts))
    assert len(told) > 1 and told[-1] == (400, 400, 0)
    assert told == sorted(told)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_is_drawn_on_a_terminal_only(tmp_path, terminal):
    code = f"import inlaid; inlaid.convert({str(SAMPLE)!r}, {str(tmp_path / 'dataset')!r}, 64)"
    read, write = os.openpty() if terminal else os.pipe()
    child = subprocess.Popen([sys.executable, "-c", code], stderr=write, stdout=subprocess.PIPE)
    os.close(write)
    shown = b""
    try:
        while part := os.read(read, 4096):
            shown += part
    except OSError:
        pass  # how a terminal says that its other side is closed
    assert child.communicate()[0] == b"" and child.returncode == 0
    assert (b"40/40 images" in shown) == terminal and (terminal or shown == b"")


def interrupts(many, out):
    """Sends SIGINT to this process when the run has begun."""
    begun = threading.Event()
    sender = threading.Thread(target=lambda: begun.wait() and os.kill(os.getpid(), signal.SIGINT))
    # A shell lets what it starts in the background ignore interrupts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    sender.start()
    try:
        inlaid.convert(
            many, out, 64, threads=1, row_group_bytes=65536, shard_bytes=65536, progress=lambda *_: begun.set()
        )
    finally:
        begun.set()
        sender.join()
        signal.signal(signal.SIGINT, before)


def test_an_interrupt_stops_the_run_which_can_go_on(tmp_path, many):
    options = dict(row_group_bytes=65536, shard_bytes=65536, progress=False)
    inlaid.convert(many, tmp_path / "whole", 64, **options)
    with pytest.raises(KeyboardInterrupt):
        interrupts(many, tmp_path / "dataset")
    stopped = content(tmp_path / "dataset")
    assert len(stopped) < len(content(tmp_path / "whole"))
    inlaid.convert(many, tmp_path / "dataset", 64, **options)
    assert content(tmp_path / "dataset") == content(tmp_path / "whole")


def test_an_exception_of_the_function_stops_the_run(tmp_path, many):
    def fail(*_):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        inlaid.convert(many, tmp_path / "dataset", 64, threads=1, progress=fail)
    assert not (tmp_path / "dataset/inlaid.json").exists()
    inlaid.convert(many, tmp_path / "dataset", 64, progress=False)


# Bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "invalid value '0' for '--size <SIZE>': size `0` is not HEIGHTxWIDTH in pixels"),
        ({"filter": "blue"}, r"invalid value 'blue' for '--filter <FILTER>' \[possible values: nearest, bilinear,"),
        ({"split": {"train": 0.5}}, "split fractions sum to 0.5, not 1"),
        ({"split": {"left": 1}}, "split `left` is not known|`left`"),
        ({"seed": -1}, "invalid value '-1' for '--seed"),
        ({"threads": 0}, "invalid value '0' for '--threads"),
        ({"max_errors": "many"}, "`many` is not a number such as 100 or a percentage such as 0.5%"),
        ({"row_group_bytes": "big"}, "`big` is not a size in bytes such as 16MiB"),
        ({"sources": []}, "required arguments were not provided|no source"),
    ],
)
def test_wrong_options_are_named(tmp_path, options, message):
    arguments = {"sources": SAMPLE, "out": tmp_path / "dataset", "size": 64, **options}
    with pytest.raises(inlaid.SettingError, match=message) as error:
        inlaid.convert(**arguments)
    assert isinstance(error.value, ValueError) and "\n" not in str(error.value).partition("\nhint:")[0]
    assert not (tmp_path / "dataset").exists()


def test_unknown_options_are_named(tmp_path):
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        inlaid.convert(SAMPLE, tmp_path / "dataset", 64, colour="rgb")


def test_missing_and_empty_sources_are_named(tmp_path):
    (tmp_path / "empty").mkdir()
    for source in (tmp_path / "nowhere", tmp_path / "empty", tmp_path / "empty/-odd"):
        with pytest.raises(inlaid.NotFoundError, match=source.name):
            inlaid.convert(source, tmp_path / "dataset", 64)
    with pytest.raises(inlaid.NotFoundError, match="holds no dataset\nhint: create it with `inlaid convert`"):
        inlaid.append(SAMPLE, tmp_path / "dataset")


def test_folders_that_hold_something_are_kept(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    with pytest.raises(inlaid.ExistsError, match="full` is neither empty nor an inlaid dataset"):
        inlaid.convert(SAMPLE, tmp_path / "full", 64)
    inlaid.convert(SAMPLE, tmp_path / "dataset", 64)
    with pytest.raises(FileExistsError, match="already holds a dataset\nhint: .*`--overwrite`"):
        inlaid.convert(SAMPLE, tmp_path / "dataset", 32)
    assert inlaid.convert(SAMPLE, tmp_path / "dataset", 32, overwrite=True)["rows"] == 40


def test_one_process_writes_at_a_time(tmp_path, many):
    first = []

    def other(*_):
        if not first:
            with pytest.raises(inlaid.LockedError, match=f"dataset` is being written by process {os.getpid()}"):
                inlaid.convert(many, tmp_path / "dataset", 64, progress=False)
            first.append("locked")

    inlaid.convert(many, tmp_path / "dataset", 64, progress=other)
    assert first == ["locked"]


# The command line of the package


def test_the_package_brings_the_command_line(inlaid_path, tmp_path):
    for program in ([PROGRAM], [sys.executable, "-m", "inlaid"]):
        for arguments in (["--version"], ["--help"], ["convert", "--help"], ["convert"], ["info", str(tmp_path)]):
            ours = subprocess.run([*program, *arguments], capture_output=True, text=True)
            binary = subprocess.run([inlaid_path, *arguments], capture_output=True, text=True)
            assert (ours.returncode, ours.stdout, ours.stderr) == (binary.returncode, binary.stdout, binary.stderr)
    command = ["convert", SAMPLE, "--out", tmp_path / "dataset", "--size", "64"]
    done = subprocess.run([PROGRAM, *command], capture_output=True, text=True, check=True)
    assert "40 rows from 40 images, 3 classes" in done.stdout
    subprocess.run([PROGRAM, "verify", tmp_path / "dataset"], check=True, capture_output=True)
    assert subprocess.run([PROGRAM, *command, "--size", "3"], capture_output=True).returncode == 2


def test_an_interrupt_stops_the_command_line(tmp_path, many):
    command = [PROGRAM, "convert", many, "--out", tmp_path / "dataset", "--size", "64", "--threads", "1"]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "dataset/.inlaid").exists():
        assert child.poll() is None
    child.send_signal(signal.SIGINT)
    _, messages = child.communicate(timeout=60)
    assert child.returncode == 1 and "error: interrupted" in messages and "Traceback" not in messages
