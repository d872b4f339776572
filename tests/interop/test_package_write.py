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


def options_of(inlaid_path, command):
    """The options of a command in its help: by keyword, whether it has a value, and its default."""
    help = subprocess.run([inlaid_path, command, "--help"], capture_output=True, text=True, check=True).stdout
    option = re.compile(r"^ {2,6}(?:-\w, )?--([a-z-]+)(.*)\n((?:(?: {8,}.*)?\n)*)", re.MULTILINE)
    # Defaults that the program sets stand in a line of their own; others are only told in the text.
    # Said once for each column.
    repeated = {"column": "column_types"} if command != "repack" else {}
    return {
        repeated.get(name, name.replace("-", "_")): ("<" in value, re.findall(r"^ +\[default: (.*)\]$|\[default: (\w+)\]", text, re.MULTILINE))
        for name, value, text in option.findall(help)
    }


def in_words(default):
    """A default as the command line writes it."""
    if isinstance(default, dict):
        return ",".join(f"{name}={part}" for name, part in default.items())
    return {"uint8": "u8", 1.0: "1"}.get(default, str(default))


@pytest.mark.parametrize("command", ["convert", "append", "repack"])
def test_keywords_and_defaults_are_those_of_the_command_line(inlaid_path, command):
    options = options_of(inlaid_path, command)
    # What is said in text and JSON is the returned summary; messages are exceptions.
    assert {"json", "quiet", "help"} < options.keys()
    keywords = inspect.signature(getattr(inlaid, command)).parameters
    # `inlaid.report` makes a report of what was converted.
    names = {name.removeprefix("no_") for name in options} - {"json", "quiet", "progress", "report", "help", "version"}
    # The command line has no rows in memory, no place for secrets, and leaves engines to the shell.
    assert names == keywords.keys() - {"sources", "progress", "root", "name", "storage_options", "engine"}
    for option, (has_value, defaults) in options.items():
        name = option.removeprefix("no_")
        if name not in names or name == "out":
            continue
        default = keywords[name].default
        if not has_value:
            assert default is (name != option), option
        elif default is None or default is False:
            assert not any(own for own, _ in defaults), option
        else:
            assert [own or told for own, told in defaults] == [in_words(default)], option


def test_bytes_are_those_of_the_command_line(inlaid_path, tmp_path):
    options = dict(
        size=(48, 32), split={"train": 0.7, "test": 0.3}, split_by="path", pad_color=(9, 8, 7), fit="pad", seed=5
    )
    options |= dict(antialias=False, exif=False, filter="bicubic", compression="lz4", dtype="float32", scale="-1..1")
    options |= dict(mean=(0.5, 0.25, 0), std=2, only_shrink=True, layout="chw", order="path", max_pixels=10**6)
    options |= dict(row_group_bytes="20KiB", shard_bytes=65536, threads=1, on_error="stop", max_errors="1%")
    inlaid.convert([SAMPLE], tmp_path / "package", **options)
    arguments = "--size 48x32 --split train=0.7,test=0.3 --split-by path --pad-color 9,8,7 --fit pad --seed 5"
    arguments += " --no-antialias --no-exif --filter bicubic --compression lz4 --dtype f32 --scale -1..1"
    arguments += " --mean 0.5,0.25,0 --std 2 --only-shrink --layout chw --order path --max-pixels 1000000"
    arguments += " --row-group-bytes 20KiB --shard-bytes 65536 --threads 1 --on-error stop --max-errors 1%"
    subprocess.run([inlaid_path, "convert", SAMPLE, "--out", tmp_path / "binary", *arguments.split(), "-q"], check=True)
    assert content(tmp_path / "package") == content(tmp_path / "binary")


@pytest.mark.parametrize(
    ("options", "arguments"),
    [({"size": 40}, "--size 40"), ({"storage": "encoded", "folders": "none"}, "--storage encoded --folders none")],
)
def test_bytes_of_defaults_are_those_of_the_command_line(inlaid_path, tmp_path, options, arguments):
    inlaid.convert(SAMPLE, tmp_path / "package", **options)
    subprocess.run([inlaid_path, "convert", SAMPLE, "--out", tmp_path / "binary", *arguments.split(), "-q"], check=True)
    assert content(tmp_path / "package") == content(tmp_path / "binary")


@pytest.mark.parametrize("command", ["convert", "append", "repack"])
def test_every_keyword_is_explained(command):
    function = getattr(inlaid, command)
    explained = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^ +- (`.*?:)", function.__doc__, re.MULTILINE))))
    explained |= set(re.findall(r"`(\w+)`", function.__doc__.partition("\n\n")[0]))
    of_runs = {"root", "name", "metadata", "file_column", "image_column", "label_column", "column_types", "keep_columns", "missing", "files_from", "storage_options"}
    of_runs |= {"threads", "memory", "on_error", "max_errors", "small_classes", "single_writer", "dry_run", "progress"}
    shared = of_runs if command == "append" else set()
    assert explained | shared >= inspect.signature(function).parameters.keys()


def test_summaries_are_those_of_the_command_line(tmp_path):
    import jsonschema

    schema = json.loads((REPOSITORY / "schemas/summary.schema.json").read_text())
    tried = inlaid.convert(SAMPLE, tmp_path / "dataset", 64, dry_run=True)
    assert (tried["dry_run"], tried["rows"], (tmp_path / "dataset").exists()) == (True, 40, False)
    made = inlaid.convert(SAMPLE, tmp_path / "dataset", 64)
    assert (made["committed"], made["rows"], made["rejects"]) == (True, 40, 0)
    again = inlaid.append(str(SAMPLE), str(tmp_path / "dataset"), on_changed="stop", history=False)
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


BYTES = 'a whole number of bytes below 2**64, as in 65536 or "16MiB", not'


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "size is the height and width in pixels, 1 to 65535 each, as in 224 or (240, 320), not 0"),
        ({"size": (224,)}, "size is the height and width in pixels, .*, not (224,)"),
        ({"size": "224"}, "size is the height and width in pixels, .*, not '224'"),
        ({"size": 22.4}, "size is the height and width in pixels, .*, not 22.4"),
        ({"size": True}, "size is the height and width in pixels, .*, not True"),
        ({"filter": "blue"}, "unknown filter `blue`, expected one of nearest, bilinear, bicubic, lanczos3, box, area"),
        ({"filter": 3}, "filter is a string, not 3"),
        ({"filter": None}, "filter is a string, not None"),
        ({"dtype": "int8"}, "unknown element type `int8`, expected one of uint8, uint16, float16, float32"),
        ({"split": {"train": 0.5}}, "sum to 0.5, not"),
        ({"split": {"train": 1.2}}, "1.2 of .*`train` is not above 0 and at most 1"),
        ({"split": {"left": 1}}, "unknown split `left`, expected one of train, validation, test"),
        ({"split": "train=1"}, 'split is a mapping of splits to fractions, as in {"train": 0.9, "test": 0.1}, not \'train=1\''),
        ({"split": {"train": "all"}}, "split is a mapping of splits to fractions, .*, not {'train': 'all'}"),
        ({"split": {}}, "split is a mapping of splits to fractions, .*, not {}"),
        ({"progress": "bar"}, "progress is True, False or a function, not 'bar'"),
        ({"seed": -1}, "seed is an integer from 0 to 18446744073709551615, not -1"),
        ({"seed": 2**64}, "seed is an integer from 0 to 18446744073709551615, not 18446744073709551616"),
        ({"seed": 0.5}, "seed is an integer from 0 to 18446744073709551615, not 0.5"),
        ({"threads": 0}, "threads is an integer from 1 to 1024, not 0"),
        ({"threads": 1025}, "threads is an integer from 1 to 1024, not 1025"),
        ({"max_errors": "many"}, 'max_errors is a number of images, as in 100, or a percentage.* "0.5%", not \'many\''),
        ({"max_errors": -1}, "max_errors is a number of images, .*, not -1"),
        ({"row_group_bytes": "big"}, f"row_group_bytes is {BYTES} 'big'"),
        ({"shard_bytes": 0}, f"shard_bytes is {BYTES} 0"),
        ({"max_file_bytes": 1.5}, f"max_file_bytes is {BYTES} 1.5"),
        ({"max_pixels": 0}, "max_pixels is an integer from 1 to"),
        ({"antialias": "no"}, "antialias is True or False, not 'no'"),
        ({"exif": 1}, "exif is True or False, not 1"),
        ({"on_error": "go on"}, 'on_error is "skip" or "stop", not \'go on\''),
        ({"pad_color": "blue"}, "color `blue` is not"),
        ({"pad_color": (0, 0, 256)}, "color `0,0,256` is not"),
        ({"pad_color": 0}, 'pad_color is (red, green, blue), 0 to 255 each, "#RRGGBB" or a name, not 0'),
        ({"mean": "blue"}, "mean `blue` is not"),
        ({"mean": (1, 2)}, 'mean is a number, (red, green, blue) or "imagenet", not (1, 2)'),
        ({"mean": {}}, 'mean is a number, (red, green, blue) or "imagenet", not {}'),
        ({"std": 0}, "standard deviation `0` is not"),
        ({"crop_ratio": 2}, "crop ratio `2` is not a number from 0.01 to 1"),
        ({"crop_ratio": "half"}, "crop_ratio is a number, as in 0.875, not 'half'"),
        ({"quality": 300}, "quality `300` is not a whole number from 1 to 100"),
        ({"quality": "high"}, "quality is an integer, not 'high'"),
        ({"jpeg_shrink": 256}, "`256` is not"),
        ({"sources": []}, "no source folder is given"),
    ],
)
def test_wrong_options_are_named(tmp_path, options, message):
    arguments = {"sources": SAMPLE, "out": tmp_path / "dataset", "size": 64, **options}
    with pytest.raises(inlaid.SettingError, match=re.escape(message).replace(r"\.\*", ".*")) as error:
        inlaid.convert(**arguments)
    assert isinstance(error.value, ValueError) and "\n" not in str(error.value).partition("\nhint:")[0]
    assert "--" not in str(error.value) and not (tmp_path / "dataset").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": "2x2"}, "shape is a tuple of dimensions, as in (224, 224, 3), not '2x2'"),
        ({"shape": (2, -1)}, "shape is a tuple of dimensions, as in (224, 224, 3), not (2, -1)"),
        ({"shape": (2, 0)}, "shape `2x0` is not"),
        ({"column": 3}, "column is a string, not 3"),
        ({"sources": []}, "no source folder is given"),
    ],
)
def test_wrong_options_of_a_repacking_are_named(tmp_path, options, message):
    with pytest.raises(inlaid.SettingError, match=re.escape(message)):
        inlaid.repack(**{"sources": SAMPLE, "out": tmp_path / "out", **options})


@pytest.mark.parametrize(
    ("options", "keywords"),
    [
        ({"size": None}, ["size=224", 'storage="encoded"']),
        ({"split": {"train": 0.5}}, ['split={"train": 0.8, "validation": 0.1, "test": 0.1}']),
        ({"mean": 0.5}, ["scale", "mean", "std", 'dtype="float32"', 'dtype="float16"']),
        ({"dtype": "float16", "scale": "0..255", "std": 0.001}, ["mean=0.5, std=0.25"]),
        ({"antialias": False, "resize_like": "tf"}, ["antialias=False", 'resize_like="tf"', "opencv"]),
        ({"filter": "area"}, ['resize_like="opencv"', 'resize_like="tf"', 'filter="box"']),
        ({"crop_ratio": 0.5}, ['fit="shortest-side"', "crop_ratio"]),
        ({"out": SAMPLE / "out"}, ["out"]),
        ({"sources": "empty"}, ["help(inlaid.convert)"]),
        ({"sources": "bad", "split": {"train": 1}, "max_errors": 0}, ["max_errors"]),
        ({"sources": "bad", "split": {"train": 1}, "on_error": "stop"}, ['on_error="stop"']),
    ],
)
def test_hints_name_keywords(tmp_path, monkeypatch, options, keywords):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("bad/a").mkdir(parents=True)
    Path("bad/a/good.png").symlink_to(next(SAMPLE.glob("*/*rgb.png")))
    Path("bad/a/bad.png").write_bytes(b"no image")
    with pytest.raises(inlaid.InlaidError) as error:
        inlaid.convert(**{"sources": SAMPLE, "out": "dataset", "size": 64, **options})
    _, hint = str(error.value).split("\nhint: ")
    assert set(keywords) <= set(re.findall("`(.*?)`", hint)) and "--" not in str(error.value)


def test_unknown_options_are_named(tmp_path):
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        inlaid.convert(SAMPLE, tmp_path / "dataset", 64, colour="rgb")


def test_missing_and_empty_sources_are_named(tmp_path):
    (tmp_path / "empty").mkdir()
    for source in (tmp_path / "nowhere", tmp_path / "empty", tmp_path / "empty/-odd"):
        with pytest.raises(inlaid.NotFoundError, match=source.name):
            inlaid.convert(source, tmp_path / "dataset", 64)
    with pytest.raises(inlaid.NotFoundError, match="holds no dataset\nhint: .*`inlaid.convert`"):
        inlaid.append(SAMPLE, tmp_path / "dataset")


def test_folders_that_hold_something_are_kept(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    with pytest.raises(inlaid.ExistsError, match="full` is neither empty nor an inlaid dataset"):
        inlaid.convert(SAMPLE, tmp_path / "full", 64)
    inlaid.convert(SAMPLE, tmp_path / "dataset", 64)
    with pytest.raises(FileExistsError, match="already holds a dataset\nhint: .*`inlaid.append`.*`overwrite=True`"):
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
    assert child.returncode == -signal.SIGINT and "error: interrupted" in messages and "Traceback" not in messages


def test_wrong_paths_are_named(tmp_path):
    def refused(message, call):
        with pytest.raises(inlaid.SettingError) as caught:
            call()
        assert str(caught.value) == message

    refused("sources is a path or several, not 3", lambda: inlaid.convert(3, out="x", size=4))
    images = np.zeros((2, 8, 8, 3), np.uint8)
    told = (
        "sources is a path, several, or rows, not a numpy.ndarray: give a dictionary for each image, as in "
        '`{"image": image, "label": "cat"}`, or save an array of them as `.npy`'
    )
    refused(told, lambda: inlaid.convert(images, out="x", size=4))
    refused(told.replace("numpy.ndarray", "list of images"), lambda: inlaid.convert(list(images), out="x", size=4))
    refused("a source is a path, not 3", lambda: inlaid.convert(["y", 3], out="x", size=4))
    refused("out is a path, not 4", lambda: inlaid.convert(tmp_path, out=4, size=4))
    refused("out is a path, not None", lambda: inlaid.append(tmp_path, out=None))
    null = "path is a path, in which a null character can't be: '\\x00'"
    for call in (inlaid.open, inlaid.open_dataset, inlaid.open_table, inlaid.Table, inlaid.Dataset):
        refused(null, lambda call=call: call("\0"))
        refused("path is a path, not 3", lambda call=call: call(3))


def test_notices_name_what_may_not_be_meant(tmp_path):
    for name in ("train/cat", "val/cat", "train/dog"):
        (tmp_path / "src/images" / name).mkdir(parents=True)
        Image.new("RGB", (5, 4)).save(tmp_path / "src/images" / name / "1.png")
    with pytest.raises(inlaid.SettingError) as caught:
        inlaid.convert(tmp_path / "src", tmp_path / "out", 4, progress=False)
    assert str(caught.value) == (
        f"`{tmp_path}/src/images` holds split folders, so it is not taken for a class\n"
        f'hint: give `{tmp_path}/src/images`; for a new dataset, `folders="classes"` takes the top folders as classes'
    )
    summary = inlaid.convert(tmp_path / "src/images", tmp_path / "out", 4, dry_run=True, progress=False)
    splits = f"the top folders of `{tmp_path}/src/images` are used as splits"
    assert summary["notices"] == [splits, "class `dog` has images in train only"]


@pytest.mark.parametrize("numbers", [[], [1.0, 2.0], (1, 2, 3, 4)])
def test_numbers_of_colors_are_one_or_three(tmp_path, numbers):
    for name in ("mean", "std"):
        with pytest.raises(inlaid.SettingError) as caught:
            inlaid.convert(tmp_path, tmp_path / "out", 4, dtype="float32", **{name: numbers}, progress=False)
        assert str(caught.value) == f'{name} is a number, (red, green, blue) or "imagenet", not {numbers!r}'
