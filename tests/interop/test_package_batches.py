"""Batches of the Python package: epochs, ranks and states, against what pyarrow reads from the same files."""

import os
import pickle
import shutil
from dataclasses import replace

import inlaid
import numpy as np
import pytest

from conftest import CLASSES, SAMPLE
from package import address, dataset, expected, kind, train  # noqa: F401


def paths(batches):
    return [list(batch["path"]) for batch in batches]


# Batches


@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_batches_are_all_rows_in_order(kind, prefetch):
    folder, (images, labels, paths) = kind
    batches = list(inlaid.open(folder)["train"].batches(5, columns=["label", "path"], prefetch=prefetch))
    assert [list(batch) for batch in batches] == [["image", "label", "path"]] * len(batches)
    assert [len(batch["image"]) for batch in batches] == [5] * (len(paths) // 5) + [len(paths) % 5]
    assert np.array_equal(np.concatenate([batch["image"] for batch in batches]), images)
    assert np.array_equal(np.concatenate([batch["label"] for batch in batches]), labels)
    assert [path for batch in batches for path in batch["path"]] == paths


def test_batches_are_arrays_of_their_own(train):
    first, second = (batch["image"] for batch in list(train.batches(8))[:2])
    assert type(first) is np.ndarray and first.dtype == np.uint8 and first.shape == (8, 64, 64, 3)
    first[:] = 0
    assert second.any() and train[0].any()
    for batch in train.batches(8, columns=["label", "source_width"]):
        assert all(array.flags.writeable for array in batch.values())
        batch["label"][:] = -5
    assert (train.column("label") >= 0).all()


def test_batches_begin_where_tensorflow_and_jax_want_them(train):
    assert [address(batch["image"]) % 64 for batch in train.batches(3)] == [0] * len(train.batches(3))


def test_the_label_comes_along_if_there_is_one(train):
    assert train.batches(8).columns == ("label",)
    assert train.batches(8, columns=[]).columns == ()
    assert list(next(iter(train.batches(8, columns=["image", "path"])))) == ["image", "path"]


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("world_size", [1, 2, 3, 5])
@pytest.mark.parametrize("batch_size", [1, 4, 7, 100])
def test_lengths_are_the_numbers_of_batches(train, batch_size, world_size, drop_last):
    lengths = []
    for rank in range(world_size):
        options = dict(drop_last=drop_last, rank=rank, world_size=world_size)
        if drop_last and len(train) // world_size < batch_size:
            with pytest.raises(inlaid.SettingError, match="an epoch has no batch: 33 rows are too few"):
                train.batches(batch_size, **options)
            return
        batches = train.batches(batch_size, **options)
        lengths.append(len(batches))
        assert len(list(batches)) == len(batches)
        kept = train.batches(batch_size, **{**options, "drop_last": False}, uneven="keep")
        assert abs(len(kept) - len(batches)) <= 1
    rows = len(train) // world_size if drop_last else -(-len(train) // world_size)
    assert lengths == [rows // batch_size if drop_last else -(-rows // batch_size)] * world_size


@pytest.mark.parametrize("shuffle", [True, 1, 2, 100])
def test_shuffled_epochs_are_all_rows_in_another_order(train, expected, shuffle):
    _, _, stored = expected
    batches = train.batches(4, shuffle=shuffle, seed=7, columns=["path"])
    epochs = [[path for batch in batches for path in batch["path"]] for _ in range(3)]
    assert all(sorted(epoch) == sorted(stored) for epoch in epochs)
    assert len({tuple(order) for order in [*epochs, stored]}) == 4
    again = train.batches(4, shuffle=shuffle, seed=7, columns=["path"])
    again.set_epoch(1)
    assert [path for batch in again for path in batch["path"]] == epochs[1]
    other = train.batches(4, shuffle=shuffle, seed=8, columns=["path"])
    assert [path for batch in other for path in batch["path"]] != epochs[0]


def test_shuffled_tensors_stay_with_their_rows(train, expected):
    images, labels, stored = expected
    for batch in train.batches(4, shuffle=True, columns=["label", "path"]):
        rows = [stored.index(path) for path in batch["path"]]
        assert np.array_equal(batch["image"], images[rows])
        assert np.array_equal(batch["label"], labels[rows])


@pytest.mark.parametrize("world_size", [2, 3, 7])
def test_ranks_share_the_rows_of_an_epoch(train, expected, world_size):
    options = dict(shuffle=True, seed=1, columns=["path"], world_size=world_size, uneven="keep")
    ranks = [
        [path for batch in train.batches(4, rank=rank, **options) for path in batch["path"]]
        for rank in range(world_size)
    ]
    assert sorted(path for rank in ranks for path in rank) == sorted(expected[2])


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("world_size", [1, 2, 3, 7, 50])
def test_all_ranks_have_as_many_rows_if_asked(train, expected, world_size, drop_last):
    stored = expected[2]
    for uneven, each in [("drop", len(stored) // world_size), ("pad", -(-len(stored) // world_size))]:
        options = dict(columns=["path"], world_size=world_size, uneven=uneven, drop_last=drop_last)
        if each < (4 if drop_last else 1):
            with pytest.raises(inlaid.SettingError, match=f"33 rows are too few for each of {world_size} ranks"):
                train.batches(4, rank=0, **options)
            continue
        ranks = [train.batches(4, rank=rank, **options) for rank in range(world_size)]
        batches = each // 4 if drop_last else -(-each // 4)
        assert {len(rank) for rank in ranks} == {len(paths(rank)) for rank in ranks} == {batches}
        if not drop_last:
            read = [path for rank in ranks for batch in paths(rank) for path in batch]
            assert read == (stored * world_size)[: each * world_size]


def test_ranks_are_padded_in_the_order_of_the_epoch(train):
    options = dict(shuffle=True, seed=3, columns=["path"])
    (alone,) = paths(train.batches(100, **options))
    ranks = [train.batches(100, rank=rank, world_size=7, uneven="pad", **options) for rank in range(7)]
    read = [path for rank in ranks for path in paths(rank)[0]]
    assert len(read) % 7 == 0 and read == alone + alone[: len(read) - len(alone)]


# States


@pytest.mark.parametrize("stop", [0, 1, 3, 6])
@pytest.mark.parametrize("prefetch", [0, 1, 2, 5])
def test_a_state_goes_on_with_the_next_batch(train, stop, prefetch):
    options = dict(shuffle=True, seed=3, columns=["path"])
    whole = train.batches(5, **options)
    epochs = [paths(whole), paths(whole)]
    first = train.batches(5, **options, prefetch=2)
    list(first)
    reading = iter(first)
    read = [list(next(reading)["path"]) for _ in range(stop)]
    state = pickle.loads(pickle.dumps(first.state_dict()))
    assert (state["epoch"], state["batches"]) == (1, stop)
    second = train.batches(5, **options, prefetch=prefetch)
    second.load_state_dict(state)
    assert second.state_dict() == state
    assert read + paths(second) == epochs[1]
    assert second.state_dict() == {**state, "epoch": 2, "batches": 0}


def test_a_state_may_be_of_fewer_batches_than_were_read(train):
    batches = train.batches(5, columns=["path"])
    reading = iter(batches)
    ahead = [list(next(reading)["path"]) for _ in range(3)]
    other = train.batches(5, columns=["path"])
    other.load_state_dict(batches.state_dict(batches=1))
    assert paths(other)[:2] == ahead[1:]
    with pytest.raises(inlaid.SettingError, match="batches is at least 0, not -1"):
        batches.state_dict(batches=-1)


def test_tables_and_batches_can_be_pickled(train, expected):
    copy = pickle.loads(pickle.dumps(train))
    assert np.array_equal(copy[:], expected[0]) and copy.classes == CLASSES
    batches = train.batches(5, shuffle=True, columns=["path"])
    list(batches)
    assert paths(pickle.loads(pickle.dumps(batches))) == paths(batches)


def test_a_pickled_table_notices_that_its_dataset_changed(dataset, tmp_path):
    shutil.copytree(SAMPLE, tmp_path / "more/again")
    shutil.copytree(dataset, tmp_path / "dataset")
    pickled = pickle.dumps(inlaid.open(tmp_path / "dataset")["train"])
    inlaid.append(tmp_path / "more/again", tmp_path / "dataset", progress=False)
    assert len(pickle.loads(pickled)) == len(inlaid.open(dataset)["train"])
    (tmp_path / "more/again/circle/new").mkdir()
    shutil.copy(next(SAMPLE.glob("circle/*rgb.png")), tmp_path / "more/again/circle/new/new.png")
    inlaid.append(tmp_path / "more/again", tmp_path / "dataset", on_error="skip", progress=False)
    grown = {name: len(table) for name, table in inlaid.open(tmp_path / "dataset").items()}
    (split,) = [name for name, table in inlaid.open(dataset).items() if grown[name] != len(table)]
    reopen, (origin, *state) = inlaid.open(dataset)[split].__reduce__()
    with pytest.raises(inlaid.InlaidError, match="rows now, it had"):
        # Its own files are gone, and those of its dataset are others.
        reopen(replace(origin, path=tmp_path / "dataset", shards=((str(tmp_path / "gone"), 1),)), *state)


def test_a_pickled_table_notices_other_rows_in_the_same_place(tmp_path):
    inlaid.convert(SAMPLE, tmp_path / "dataset", 16, progress=False)
    pickled = pickle.dumps(inlaid.open(tmp_path / "dataset")["train"])
    for options in ({"size": 16, "seed": 1}, {"size": 24}):
        inlaid.convert(SAMPLE, tmp_path / "dataset", **options, overwrite=True, progress=False)
        with pytest.raises(inlaid.InlaidError, match="other files now than when it was opened; open it again"):
            pickle.loads(pickled)
    inlaid.convert(SAMPLE, tmp_path / "dataset", 16, overwrite=True, progress=False)
    assert len(pickle.loads(pickled)) == 33


def test_batches_are_not_inherited_by_a_fork(train):
    batches = iter(train.batches(4))
    next(batches)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            next(batches)
        except inlaid.InlaidError as error:
            os.write(write, str(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    assert os.waitpid(child, 0)[1] == 0
    with os.fdopen(read) as told:
        assert told.read() == "another process started these batches; start new ones after a fork"
    assert len(next(batches)["image"]) == 4


@pytest.mark.parametrize(
    "state", [{}, {"epoch": 1}, {"epoch": -1, "batches": 0}, {"epoch": 0, "batches": 1.5}, None, "epoch batches"]
)
def test_states_that_are_none_are_refused(train, state):
    pytest.importorskip("torch")
    for of in (train.batches(4), train.to_torch(4)):
        with pytest.raises(inlaid.SettingError):
            of.load_state_dict(state)
        if isinstance(state, dict):
            with pytest.raises(inlaid.SettingError):
                of.load_state_dict({**of.state_dict(), **state, "seed": 1})
        with pytest.raises(inlaid.SettingError, match="epoch is at least 0, not -1"):
            of.set_epoch(-1)


def test_an_open_table_keeps_its_version(dataset, tmp_path):
    shutil.copytree(dataset, tmp_path / "dataset")
    opened = inlaid.open(tmp_path / "dataset")["train"]
    before = opened[:].copy()
    inlaid.convert(SAMPLE, tmp_path / "dataset", 32, overwrite=True, progress=False)
    assert np.array_equal(opened[:], before)
    assert inlaid.open(tmp_path / "dataset")["train"].shape == (32, 32, 3)
