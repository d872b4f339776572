"""The Python package as datasets of PyTorch, with workers of both kinds and several ranks."""

import inlaid
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler, IterableDataset

from package import address, read_with_pyarrow

WORKERS = [(0, None), (1, "fork"), (2, "fork"), (2, "spawn")]


@pytest.fixture(scope="module")
def train(sample):
    return inlaid.open(sample())["train"]


@pytest.fixture(scope="module")
def expected(sample):
    """As PyTorch has images: (N, C, H, W)."""
    images, labels, paths = read_with_pyarrow(sample() / "train")
    return np.moveaxis(images, -1, 1), labels, paths


@pytest.fixture(params=WORKERS, ids=lambda workers: f"{workers[1] or 'process'}-{workers[0]}")
def workers(request):
    return dict(zip(["num_workers", "multiprocessing_context"], request.param))


@pytest.fixture(params=[0, 2])
def forked(request):
    """As `workers`, for tests that start them more than once: spawning takes seconds."""
    return {"num_workers": request.param, "multiprocessing_context": "fork" if request.param else None}


def paths(loader):
    return [path for *_, batch in loader for path in batch]


def test_workers_give_all_batches_in_order(train, expected, workers):
    images, labels, stored = expected
    dataset = train.to_torch(5, columns=["label", "path"])
    assert isinstance(dataset, IterableDataset)
    loader = DataLoader(dataset, batch_size=None, **workers)
    batches = list(loader)
    assert len(loader) == len(dataset) == len(batches) == -(-len(train) // 5)
    assert (batches[0][0].dtype, batches[0][0].shape, batches[0][1].dtype) == (torch.uint8, (5, 3, 64, 64), torch.int64)
    assert np.array_equal(torch.cat([batch[0] for batch in batches]), images)
    assert np.array_equal(torch.cat([batch[1] for batch in batches]), labels)
    assert paths(batches) == stored


def test_epochs_are_shuffled_and_the_same_for_any_workers(train, expected, workers):
    alone = train.to_torch(5, shuffle=True, seed=2, columns=["path"])
    dataset = train.to_torch(5, shuffle=True, seed=2, columns=["path"])
    loader = DataLoader(dataset, batch_size=None, **workers)
    orders = []
    for epoch in range(2):
        alone.set_epoch(epoch)
        dataset.set_epoch(epoch)
        orders.append(paths(loader))
        assert orders[-1] == paths(alone) and sorted(orders[-1]) == sorted(expected[2])
    assert orders[0] != orders[1]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_that_live_on_hear_of_the_next_epoch(train, method):
    dataset = train.to_torch(5, shuffle=True, columns=["path"])
    loader = DataLoader(
        dataset, batch_size=None, num_workers=2, persistent_workers=True, multiprocessing_context=method
    )
    orders = []
    for epoch in (0, 1, 0):
        dataset.set_epoch(epoch)
        orders.append(paths(loader))
    assert orders[0] == orders[2] != orders[1]


def test_a_state_goes_on_with_any_number_of_workers(train, workers):
    options = dict(shuffle=True, seed=4, columns=["path"])
    dataset = train.to_torch(3, **options)
    dataset.set_epoch(2)
    whole = [batch for _, batch in DataLoader(dataset, batch_size=None, num_workers=2)]
    state = dataset.state_dict(batches=4)
    assert (state["epoch"], state["batches"]) == (2, 4)
    other = train.to_torch(3, **options)
    other.load_state_dict(state)
    loader = DataLoader(other, batch_size=None, **workers)
    assert [batch for _, batch in loader] == whole[4:]
    other.set_epoch(3)
    dataset.set_epoch(3)
    assert paths(loader) == paths(dataset)


def position(dataset, batches=None):
    state = dataset.state_dict(batches)
    return state["epoch"], state["batches"]


def test_batches_are_counted_where_no_worker_reads(train):
    dataset = train.to_torch(3, columns=["path"])
    assert position(dataset) == (0, 0)
    reading = iter(DataLoader(dataset, batch_size=None))
    next(reading), next(reading)
    assert position(dataset) == (0, 2)
    dataset.load_state_dict({**dataset.state_dict(), "epoch": 4, "batches": 1})
    assert position(dataset) == (4, 1)
    next(iter(dataset))
    assert position(dataset) == (4, 2)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_batches_that_workers_read_are_counted_by_the_loop(train, method):
    dataset = train.to_torch(3, columns=["path"])
    list(DataLoader(dataset, batch_size=None, num_workers=1, multiprocessing_context=method))
    with pytest.raises(inlaid.SettingError, match=r"workers read ahead: `state_dict\(batches=...\)` needs the number"):
        dataset.state_dict()
    assert position(dataset, 2) == (0, 2)
    dataset.set_epoch(1)
    assert position(dataset) == (1, 0)


def test_a_state_of_batches_is_one_of_torch(train):
    options = dict(shuffle=True, seed=4, columns=["path"])
    batches = train.batches(3, **options)
    whole = [list(batch["path"]) for batch in batches]
    batches.set_epoch(0)
    reading = iter(batches)
    next(reading), next(reading)
    dataset = train.to_torch(3, **options)
    dataset.load_state_dict(batches.state_dict())
    assert [batch for _, batch in DataLoader(dataset, batch_size=None, num_workers=2)] == whole[2:]


def test_ranks_and_workers_share_the_rows(train, expected, forked):
    options = dict(shuffle=True, columns=["path"], world_size=2, uneven="keep")
    ranks = [train.to_torch(4, rank=rank, **options) for rank in range(2)]
    read = [path for rank in ranks for path in paths(DataLoader(rank, batch_size=None, **forked))]
    assert sorted(read) == sorted(expected[2])


def test_ranks_that_are_padded_take_as_many_steps(train, expected, forked):
    options = dict(shuffle=True, columns=["path"], world_size=7, uneven="pad")
    loaders = [DataLoader(train.to_torch(2, rank=rank, **options), batch_size=None, **forked) for rank in range(7)]
    steps = [[len(batch) for _, batch in loader] for loader in loaders]
    assert len(train) % 7 and steps == [steps[0]] * 7
    assert {path for loader in loaders for path in paths(loader)} == set(expected[2])


def test_tensors_are_the_memory_that_was_read(train):
    arrays = list(train.batches(8)._arrays(0, 0))[0]
    from inlaid._frameworks.torch import _tensor

    for array, is_moved in zip(arrays, [True, False]):
        assert _tensor(array, is_moved).data_ptr() == address(array)
    for image, _ in train.to_torch(8):
        image += 1  # their own memory


def test_rows_are_a_map(train, expected, workers):
    images, labels, stored = expected
    dataset = train.to_torch(columns=["label", "path"])
    assert isinstance(dataset, Dataset) and not isinstance(dataset, IterableDataset)
    image, label, path = dataset[-1]
    assert np.array_equal(image, images[-1]) and (label, path) == (labels[-1], stored[-1])
    loader = DataLoader(dataset, batch_size=5, **workers)
    batches = list(loader)
    assert len(loader) == len(batches) and batches[0][1].dtype == torch.int64
    assert np.array_equal(torch.cat([batch[0] for batch in batches]), images)
    assert np.array_equal(torch.cat([batch[1] for batch in batches]), labels)
    assert paths(batches) == stored


def test_rows_are_sampled_for_ranks(train, expected, forked):
    dataset = train.to_torch(columns=["path"])
    read = []
    for rank in range(2):
        sampler = DistributedSampler(dataset, num_replicas=2, rank=rank, shuffle=True)
        sampler.set_epoch(1)
        read.append(paths(DataLoader(dataset, batch_size=4, sampler=sampler, **forked)))
    assert set(read[0] + read[1]) == set(expected[2]) and len(read[0]) == len(read[1])
    assert read[0] != expected[2][::2]


def test_tensors_alone_if_there_are_no_columns(train, expected):
    assert np.array_equal(torch.cat(list(train.to_torch(5, columns=[]))), expected[0])
    assert np.array_equal(train.to_torch(columns=[])[3], expected[0][3])


def test_errors_of_workers_name_the_thing(train):
    with pytest.raises(inlaid.ColumnError, match="no column `nothing`"):
        train.to_torch(4, columns=["nothing"])
    with pytest.raises(IndexError, match="row 99 is out of range"):
        train.to_torch()[99]
    with pytest.raises(inlaid.SettingError, match="shuffle needs a batch_size"):
        train.to_torch(shuffle=True)
