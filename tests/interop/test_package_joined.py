"""Files whose labels are numbered differently, and settings that were silently wrong."""

import pickle
import re
import subprocess
import sys
import textwrap
import warnings

import inlaid
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import CLASSES, SAMPLE
from package import dataset, train  # noqa: F401

TENSORS = pa.fixed_shape_tensor(pa.uint8(), [2, 2, 3])


def write(path, classes, labels, label_type=None):
    """A file of tensors (2, 2, 3) whose labels are of these classes; of none without a list of classes."""
    rows = np.full((len(labels), 12), len(labels), np.uint8)
    images = pa.ExtensionArray.from_storage(TENSORS, pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), 12))
    table = pa.table({"image": images, "label": pa.array(labels, label_type or pa.int64())})
    if classes is not None:
        names = str(classes).replace("'", '"')
        table = table.replace_schema_metadata({"inlaid.classes": names})
    pq.write_table(table, path, row_group_size=2)
    return path


def named(table):
    """The class of each row."""
    return [table.classes[label] for label in table.column("label")]


@pytest.mark.parametrize("kind", [pa.int64(), pa.int32(), pa.uint8(), pa.int16()], ids=str)
def test_files_of_other_class_lists_are_matched_by_name(tmp_path, kind):
    write(tmp_path / "a.parquet", ["ant", "bee"], [0, 1, 1, 0, 1], kind)
    write(tmp_path / "b.parquet", ["bee", "cow"], [0, 1, 0], kind)
    table = inlaid.open_table(tmp_path)
    assert table.classes == ["ant", "bee", "cow"]
    assert named(table) == ["ant", "bee", "bee", "ant", "bee", "bee", "cow", "bee"]
    labels = [label for batch in table.batches(3) for label in batch["label"]]
    assert labels == [0, 1, 1, 0, 1, 1, 2, 1]
    assert pa.table(table)["label"].to_pylist() == labels


def test_a_longer_list_that_begins_with_the_others_changes_no_label(tmp_path):
    write(tmp_path / "a.parquet", ["ant"], [0, 0])
    write(tmp_path / "b.parquet", ["ant", "bee"], [1, 0])
    table = inlaid.open_table(tmp_path)
    assert table.classes == ["ant", "bee"] and table.column("label").tolist() == [0, 0, 1, 0]


def test_a_label_that_names_no_class_is_missing_where_labels_are_matched(tmp_path):
    write(tmp_path / "a.parquet", ["ant", "bee"], [0, 7])
    write(tmp_path / "b.parquet", ["bee"], [0])
    assert inlaid.open_table(tmp_path).column("label").tolist() == [0, -1, 1]


def test_classes_without_names_are_not_guessed(tmp_path):
    write(tmp_path / "a.parquet", ["ant", "bee"], [0, 1])
    write(tmp_path / "b.parquet", ["bee", "ant"], [0, 1])
    write(tmp_path / "c.parquet", None, [0, 1])
    with pytest.raises(inlaid.SettingError, match=re.escape("c.parquet` does not name its classes, and others")):
        inlaid.open_table(tmp_path).column("label")
    with pytest.raises(inlaid.SettingError, match="has labels without class names, the others name theirs"):
        inlaid.concat([inlaid.open_table(tmp_path / name) for name in ("a.parquet", "c.parquet")])


def test_tables_of_matched_files_are_joined(tmp_path):
    (tmp_path / "one").mkdir()
    write(tmp_path / "one/a.parquet", ["ant", "bee"], [0, 1])
    write(tmp_path / "one/b.parquet", ["bee", "ant"], [0, 1])
    write(tmp_path / "c.parquet", ["cow", "bee"], [0, 1])
    both = inlaid.concat([inlaid.open_table(tmp_path / "one"), inlaid.open_table(tmp_path / "c.parquet")])
    assert named(both) == ["ant", "bee", "bee", "ant", "cow", "bee"]
    assert named(pickle.loads(pickle.dumps(both))) == named(both)


# Settings


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"mean": [123.7, 116.3, 103.5]},
            'a mean of 123.7 is outside of the scale 0..1; elements of 0 to 255 are scale="0..255"',
        ),
        ({"scale": "0-1", "dtype": "float32"}, 'scale is "0..1", "-1..1" or "0..255", not \'0-1\''),
        ({"transform": 5}, "transform is a function, not 5"),
        ({"seed": 2**64}, f"seed is at most {2**64 - 1}, not {2**64}"),
    ],
)
def test_settings_of_batches_that_can_not_be_meant(train, options, message):
    with pytest.raises(inlaid.SettingError) as caught:
        train.batches(4, **options)
    assert str(caught.value) == message


def test_mean_and_standard_deviation_of_the_statistics_fit_their_scale(dataset, train):
    dataset = inlaid.open(dataset)
    told = dataset.statistics["train"]
    [first, *_] = train.batches(len(train), mean=told.mean, std=told.std, scale="0..255")
    assert np.allclose(first["image"].mean(axis=(0, 1, 2)), 0, atol=1e-3)


def test_element_types_of_numpy_and_torch(train, tmp_path):
    torch = pytest.importorskip("torch")
    for dtype in (np.float16, np.dtype("float16"), torch.float16):
        assert next(iter(train.batches(2, dtype=dtype)))["image"].dtype == np.float16
        inlaid.convert(SAMPLE, tmp_path / repr(dtype), 8, dtype=dtype, progress=False)
        assert inlaid.open(tmp_path / repr(dtype))["train"].dtype == np.float16


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label": 99}, f"there is no label 99, the classes are {', '.join(CLASSES)}"),
        ({"label": "hexagon"}, f"there is no class 'hexagon', the classes are {', '.join(CLASSES)}"),
        (
            {"source_width": "wide"},
            "column `source_width` holds numbers, which ['wide'] are not; a function may compare them",
        ),
    ],
)
def test_values_that_no_row_has_because_they_are_of_another_kind(train, columns, message):
    with pytest.raises(inlaid.SettingError) as caught:
        train.where(**columns)
    assert str(caught.value) == message


def test_long_lists_of_classes_are_cut(tmp_path):
    classes = [f"class{number:03}" for number in range(500)]
    table = inlaid.open_table(write(tmp_path / "a.parquet", classes, [0, 1]))
    with pytest.raises(inlaid.SettingError, match=r"class008, class009 and 490 others$"):
        table.where(label="nothing")


def test_large_weights_and_shares_are_proportions(train):
    weights = np.full(len(train), 1e308)
    assert len(list(train.batches(8, shuffle=True, weights=weights))) == -(-len(train) // 8)
    mixture = inlaid.mix({train.select(slice(0, 8)): 1e308, train.select(slice(8, 16)): 1e308}, rows=20)
    paths = [path for batch in mixture.batches(4, columns=["path"]) for path in batch["path"]]
    assert sum(path in set(train.column("path")[:8]) for path in paths) == 10


def test_unknown_keywords_name_the_nearest(train):
    with pytest.raises(TypeError, match="unexpected keyword argument 'shufle'. Did you mean 'shuffle'?"):
        train.to_torch(4, shufle=True)


@pytest.mark.parametrize("split", ["val", "training", "testing"])
def test_other_names_of_splits_are_answered(dataset, split):
    right = {"val": "validation", "training": "train", "testing": "test"}[split]
    opened = inlaid.open(dataset)
    for mapping in (opened, opened.statistics):
        with pytest.raises(inlaid.SplitError, match=f"did you mean `{right}`"):
            mapping[split]


# States and processes


def test_the_end_of_an_epoch_is_the_beginning_of_the_next(train):
    def paths(batches):
        return [path for batch in batches for path in batch["path"]]

    batches = train.batches(8, shuffle=True, columns=["path"], seed=77)
    first, second = paths(batches), paths(batches)
    again = train.batches(8, shuffle=True, columns=["path"], seed=77)
    state = again.state_dict() | {"epoch": 0, "batches": len(again)}
    again.load_state_dict(state)
    assert paths(again) == second != first


def test_a_table_is_what_it_was_in_a_process_that_is_started_after_an_append(tmp_path):
    inlaid.convert(SAMPLE, tmp_path / "d", 8, split={"train": 1}, progress=False)
    table = inlaid.open(tmp_path / "d")["train"]
    pickled, rows, paths = pickle.dumps(table), len(table), list(table.column("path"))
    (tmp_path / "more/aaa").mkdir(parents=True)
    for number, file in enumerate(sorted((SAMPLE / CLASSES[0]).iterdir())):
        (tmp_path / f"more/aaa/new{number}-{file.name}").write_bytes(file.read_bytes())
    inlaid.append(tmp_path / "more", tmp_path / "d", progress=False)
    assert len(inlaid.open(tmp_path / "d")["train"]) > rows
    program = f"""
        import pickle
        table = pickle.loads({pickled!r})
        print(len(table), list(table.column("path")) == {paths!r}, table.classes == {CLASSES!r})
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True)
    assert done.stdout.split() == [str(rows), "True", "True"], done.stderr


def test_a_forked_process_reads_while_threads_of_its_parent_do(dataset, train):
    """A lock that a thread held at the fork would be held forever."""
    program = f"""
        import inlaid, os, threading
        train = inlaid.open({str(dataset)!r})["train"]
        done = threading.Event()
        def read():
            while not done.is_set():
                list(train.batches(2, shuffle=True, columns=["path"]))
        threads = [threading.Thread(target=read) for _ in range(4)]
        [thread.start() for thread in threads]
        codes = []
        for _ in range(40):
            child = os.fork()
            if not child:
                list(train.batches(4, columns=["path"]))
                os._exit(0)
            codes.append(os.waitpid(child, 0)[1])
        done.set()
        [thread.join() for thread in threads]
        print(set(codes))
    """
    with warnings.catch_warnings():
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)],
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.stdout.strip() == "{0}", done.stderr
