"""Tables made of others: some of their rows, several of them, and mixtures; and what an epoch draws by weights."""

import pickle
from collections import Counter

import inlaid
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import CLASSES, SAMPLE
from package import dataset, expected, train  # noqa: F401


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Rows of two of the classes and of a new one, whose labels are other numbers there."""
    folder = tmp_path_factory.mktemp("views")
    for name, as_name in [("square", "square"), ("circle", "ring"), ("triangle", "triangle")]:
        (folder / "images" / as_name).mkdir(parents=True)
        for number, file in enumerate(sorted((SAMPLE / name).iterdir())[:6]):
            (folder / "images" / as_name / f"other-{file.name}").write_bytes(file.read_bytes())
    inlaid.convert(folder / "images", folder / "out", 64, split={"train": 1}, shard_bytes="64KiB", progress=False)
    return inlaid.open(folder / "out")["train"]


def epoch(batches, column="path"):
    return [value for batch in batches for value in batch[column]]


# Some rows


@pytest.mark.parametrize(
    "rows",
    [slice(5, 20), slice(None, None, -2), slice(30, 1000), [7], [31, 0, 0, -2, 8], np.arange(20, 4, -3), []],
    ids=str,
)
@pytest.mark.parametrize("prefetch", [0, 2])
def test_a_selection_is_a_table_of_these_rows(train, expected, rows, prefetch):
    images, labels, paths = expected
    view, chosen = train.select(rows), np.arange(len(paths))[rows if len(str(rows)) > 2 else slice(0)]
    assert type(view) is inlaid.Table and view.classes == train.classes and len(view) == len(chosen)
    assert np.array_equal(view[:], images[chosen]) and np.array_equal(view.column("label"), labels[chosen])
    assert list(view.column("path")) == [paths[row] for row in chosen]
    for row in range(len(view)):
        assert np.array_equal(view[row], images[chosen[row]])
    batches = list(view.batches(4, columns=["label", "path"], prefetch=prefetch))
    assert epoch(batches) == [paths[row] for row in chosen]
    assert all(np.array_equal(batch["image"], images[[paths.index(p) for p in batch["path"]]]) for batch in batches)
    table = view.to_arrow()
    assert table["path"].to_pylist() == [paths[row] for row in chosen]
    if len(chosen):
        tensors = np.concatenate([chunk.to_numpy_ndarray() for chunk in table["image"].chunks])
        assert np.array_equal(tensors, images[chosen])
    assert pl.DataFrame(view)["label"].to_list() == labels[chosen].tolist()


def test_a_selection_of_a_selection_counts_its_rows(train, expected):
    view = train.select(slice(10, 30)).select([3, 19, 0])
    assert list(view.column("path")) == [expected[2][row] for row in (13, 29, 10)]
    assert np.array_equal(view[[2, 0]], expected[0][[10, 13]])
    with pytest.raises(inlaid.RowError, match="row 3 is out of range for a table of length 3"):
        view[3]
    with pytest.raises(inlaid.RowError, match="row 20 is out of range for a table of length 20"):
        train.select(slice(10, 30)).select([20])


def test_a_long_run_of_a_selection_is_still_a_view_of_the_file(train):
    row = train.select(slice(1, 5))[0]
    assert not row.flags.owndata and not row.flags.writeable


def test_rows_are_chosen_by_values(train, expected):
    _, labels, paths = expected
    of = {name: np.flatnonzero(labels == CLASSES.index(name)) for name in CLASSES}
    for wanted in ("circle", ["circle"], 0, [0], np.int64(0)):
        assert list(train.where(label=wanted).column("path")) == [paths[row] for row in of["circle"]]
    both = train.where(label=["triangle", "circle"])
    assert len(both) == len(of["triangle"]) + len(of["circle"]) and set(both.column("label")) == {0, 2}
    assert both.classes == CLASSES
    few = train.where(path=paths[3:5])
    assert list(few.column("path")) == paths[3:5]
    wide = train.where(source_width=lambda width: width > 60, label="square")
    mask = (train.column("source_width") > 60) & (labels == CLASSES.index("square"))
    assert 0 < len(wide) == mask.sum() < len(of["square"])
    for given in (mask, mask.tolist(), pl.Series(mask), pa.array(mask)):
        assert list(train.where(given).column("path")) == list(wide.column("path"))
    assert len(train.where(mask, label="circle")) == 0
    assert list(train.where(label="circle").batches(4)) and list(train.where(mask, label="circle").batches(4)) == []


def test_wrong_conditions_are_named(train):
    for condition, error, message in [
        ({"label": "dog"}, inlaid.SettingError, "there is no class 'dog', the classes are circle, square, triangle"),
        ({"lable": 0}, inlaid.ColumnError, "there is no column `lable`, the table has image, label, path"),
        ({"image": 0}, inlaid.ColumnError, "`image` is the column of tensors; rows are chosen by the others"),
        ({"label": lambda label: 5}, inlaid.SettingError, "the function for `label` gives a boolean for each row"),
    ]:
        with pytest.raises(error, match=message):
            train.where(**condition)
    with pytest.raises(inlaid.RowError, match=r"a mask is 33 booleans, not an array \(2,\) of bool"):
        train.where([True, False])
    with pytest.raises(inlaid.RowError, match=r"a mask is 33 booleans, not an array \(33,\) of int64"):
        train.where(np.zeros(33, int))


@pytest.mark.parametrize("shuffle", [True, 2])
def test_epochs_ranks_and_states_of_a_view_are_those_of_its_rows(train, expected, shuffle):
    view = train.where(label=["circle", "square"])
    stored = sorted(view.column("path"))
    options = dict(shuffle=shuffle, seed=3, columns=["path"])
    batches = view.batches(4, **options)
    orders = [epoch(batches) for _ in range(3)]
    assert all(sorted(order) == stored for order in orders) and len(set(map(tuple, orders))) == 3
    ranks = [view.batches(4, rank=rank, world_size=3, uneven="keep", **options) for rank in range(3)]
    assert [path for rank in ranks for path in epoch(rank)] == orders[0]
    state = view.batches(4, **options).state_dict(batches=2)
    resumed = train.where(label=["square", "circle"]).batches(4, **options)
    resumed.load_state_dict(state)
    assert epoch(resumed) == orders[0][8:]
    with pytest.raises(inlaid.SettingError, match=f"a table of {len(view)} rows, this one has 33; `set_epoch.1."):
        train.batches(4, **options).load_state_dict(state)
    same_length = train.select(range(len(view))).batches(4, **options)
    with pytest.raises(inlaid.SettingError, match="of other rows: the files or the selection have changed since"):
        same_length.load_state_dict(state)


def test_row_groups_are_mixed_in_views_too(train):
    """With `shuffle=1` the rows of a row group stay together."""
    view = train.select(range(1, 33, 2))
    group_of = {}
    for file in train.files:
        metadata = pq.ParquetFile(file)
        for group in range(metadata.num_row_groups):
            paths = metadata.read_row_group(group, columns=["path"])["path"].to_pylist()
            group_of |= dict.fromkeys(paths, (file, group))
    paths = epoch(view.batches(3, shuffle=1, columns=["path"]))
    groups = [group_of[path] for path in paths]
    assert len(set(groups)) > 2 and sorted(paths) == sorted(view.column("path"))
    assert sum(one != other for one, other in zip(groups, groups[1:])) == len(set(groups)) - 1


# Several tables


def test_rows_of_several_tables_follow_each_other(train, other):
    both = inlaid.concat([train, other])
    assert len(both) == len(train) + len(other)
    assert np.array_equal(both[:], np.concatenate([train[:], other[:]]))
    assert list(both.column("path")) == [*train.column("path"), *other.column("path")]
    assert both.classes == ["circle", "square", "triangle", "ring"] and other.classes == ["ring", "square", "triangle"]
    names = [table.classes[label] for table in (train, other) for label in table.column("label")]
    assert [both.classes[label] for label in both.column("label")] == names
    batch = next(iter(both.batches(len(both), columns=["label"])))
    assert [both.classes[label] for label in batch["label"]] == names
    assert both.to_arrow()["label"].to_pylist() == both.column("label").tolist()
    assert b'["circle","square","triangle","ring"]' == both.to_arrow().schema.metadata[b"inlaid.classes"]
    # Once more, in another order, with views and files that are relabelled already.
    again = inlaid.concat([other.where(label="ring"), both.select(slice(None, None, -1)), train])
    assert again.classes == ["ring", "square", "triangle", "circle"]
    backwards = [*["ring"] * 6, *names[::-1], *names[: len(train)]]
    assert [again.classes[label] for label in again.column("label")] == backwards
    assert np.array_equal(again[6], both[len(both) - 1])
    copy = pickle.loads(pickle.dumps(again))
    assert np.array_equal(copy.column("label"), again.column("label")) and np.array_equal(copy[5:9], again[5:9])


def test_train_and_validation_make_one(dataset):
    splits = inlaid.open(dataset)
    both = inlaid.concat(splits.values())
    assert sorted(both.column("path")) == sorted(path for table in splits.values() for path in table.column("path"))
    assert both.classes == CLASSES


def test_tables_that_do_not_fit_are_named(train, tmp_path):
    inlaid.convert(SAMPLE, tmp_path / "small", 16, progress=False)
    with pytest.raises(inlaid.SettingError, match=r"small/train/train-00000.parquet` has tensors image \[16, 16, 3\] uint8"):
        inlaid.concat([train, inlaid.open(tmp_path / "small")["train"]])
    for tables, message in [
        ([], "there is no table"),
        ([train, "d"], "tables are what `inlaid.open` returns for a split or a file, not 'd'"),
        (inlaid.open(tmp_path / "small"), "tables are what `inlaid.open` returns"),
    ]:
        with pytest.raises(inlaid.SettingError, match=message):
            inlaid.concat(tables)


# Mixtures


@pytest.mark.parametrize("shuffle", [False, True, 3])
def test_a_mixture_has_its_shares_and_uses_every_row_as_often(train, other, shuffle):
    mixture = inlaid.mix({train: 0.25, other: 0.75}, rows=40)
    assert len(mixture) == 40 and mixture.counts == (10, 30) and mixture.classes[3] == "ring"
    batches = mixture.batches(8, shuffle=shuffle, columns=["path", "label"])
    assert len(batches) == 5
    seen = Counter()
    for number in range(33):
        paths = epoch(batches)
        assert len(paths) == 40 and sum(path.split("/")[1].startswith("other-") for path in paths) == 30
        seen.update(paths)
    # 330 draws of 33 rows, 990 of 18.
    assert {seen[path] for path in train.column("path")} == {10}
    assert {seen[path] for path in other.column("path")} == {55}


def test_tables_of_a_mixture_take_turns_without_shuffle(train, other):
    paths = epoch(inlaid.mix({train: 1, other: 3}, rows=16).batches(4, columns=["path"]))
    turns = ["other-" in path for path in paths]
    assert all(sum(turns[first : first + 4]) == 3 for first in range(0, 16, 4))
    assert [path for path in paths if "other-" not in path] == list(train.column("path")[:4])


def test_a_mixture_is_resumed_and_shared(train, other):
    options = dict(shuffle=True, columns=["path"])
    mixture = inlaid.mix({train: 1, other: 1})
    assert len(mixture) == len(train) + len(other)
    whole = epoch(mixture.batches(4, **options))
    resumed = inlaid.mix({train: 1, other: 1}).batches(4, **options)
    resumed.load_state_dict(mixture.batches(4, **options).state_dict(batches=3))
    assert epoch(resumed) == whole[12:]
    ranks = [mixture.batches(4, rank=rank, world_size=2, uneven="keep", **options) for rank in range(2)]
    assert [path for rank in ranks for path in epoch(rank)] == whole
    with pytest.raises(inlaid.SettingError, match="the state is of other weights or proportions"):
        inlaid.mix({train: 2, other: 1}).batches(4, **options).load_state_dict(resumed.state_dict())


def test_wrong_shares_are_named(train, other):
    for shares, message in [
        ({train: 0, other: 1}, "a share is a number above 0, not 0"),
        ({train: "a"}, "a share is a number above 0, not 'a'"),
        ([train], "shares are a mapping of tables to numbers"),
        ({}, "there is no table"),
        ({train.select([]): 1}, "a table without rows can't be mixed"),
    ]:
        with pytest.raises(inlaid.SettingError, match=message):
            inlaid.mix(shares)
    with pytest.raises(inlaid.SettingError, match="a mixture has its shares; weights and balanced are for tables"):
        inlaid.mix({train: 1}).batches(4, shuffle=True, balanced=True)
    with pytest.raises(inlaid.SettingError, match="a mixture has no rows by number: give a batch_size"):
        inlaid.mix({train: 1}).to_torch()


# Weights


def test_weights_are_how_often_a_row_is_drawn(train):
    weights = np.zeros(len(train))
    weights[[2, 5, 9]] = [1, 2, 8.5]
    paths = list(train.column("path"))
    total, epochs = Counter(), 40
    batches = train.batches(6, shuffle=True, columns=["path"], weights=weights)
    for _ in range(epochs):
        drawn = Counter(epoch(batches))
        assert sum(drawn.values()) == len(train)
        for row in (2, 5, 9):
            assert abs(drawn[paths[row]] - 33 * weights[row] / 11.5) < 1
        total.update(drawn)
    assert set(total) == {paths[row] for row in (2, 5, 9)}
    assert all(abs(total[paths[row]] / epochs - 33 * weights[row] / 11.5) < 0.5 for row in (2, 5, 9))


def test_classes_are_balanced(train, expected):
    few = train.select([*np.flatnonzero(expected[1] == 0)[:2], *np.flatnonzero(expected[1] > 0)])
    batches = few.batches(5, shuffle=True, balanced=True, columns=["label", "path"])
    seen = Counter()
    for _ in range(30):
        drawn = [(int(label), path) for batch in batches for label, path in zip(batch["label"], batch["path"])]
        labels = Counter(label for label, _ in drawn)
        assert max(labels.values()) - min(labels.values()) <= 1 and len(drawn) == len(few)
        seen.update(path for _, path in drawn)
    for label in range(3):
        counts = [seen[path] for path in few.where(label=label).column("path")]
        assert max(counts) - min(counts) <= 1
    by_name = few.batches(5, shuffle=True, weights={"circle": 1, "square": 1}, columns=["label"])
    labels = Counter(epoch(by_name, "label"))
    assert labels[2] == 0 and labels[0] > 2


def test_wrong_weights_are_named(train):
    for options, message in [
        ({"weights": [1, 2]}, r"weights of shape \(2,\) do not fit 33 rows"),
        ({"weights": np.zeros(33)}, "weights are finite numbers of at least 0, and one of them is above 0"),
        ({"weights": np.full(33, np.nan)}, "weights are finite numbers"),
        ({"weights": -np.ones(33)}, "weights are finite numbers"),
        ({"weights": "circle"}, "weights are numbers, one for each row, or a mapping of classes, not 'circle'"),
        ({"weights": {"dog": 1}}, "weights name a class 'dog', the classes are circle, square, triangle"),
        ({"weights": np.ones(33), "balanced": True}, "weights and balanced exclude each other"),
        ({"weights": np.ones(33), "shuffle": False}, "weights draws rows at random: add shuffle=True"),
        ({"balanced": True, "shuffle": False}, "balanced=True draws rows at random: add shuffle=True"),
        ({"balanced": 1}, "balanced is True or False, not 1"),
    ]:
        with pytest.raises(inlaid.SettingError, match=message):
            train.batches(4, **{"shuffle": True, **options})


def test_rows_without_labels_are_not_balanced_silently(tmp_path):
    inlaid.convert(SAMPLE, tmp_path / "dataset", 16, folders="none", progress=False)
    table = inlaid.open(tmp_path / "dataset")["train"]
    with pytest.raises(inlaid.SettingError, match=f"a label in every row, {len(table)} rows have none"):
        table.batches(4, shuffle=True, balanced=True)
