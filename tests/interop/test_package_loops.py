"""Training loops as people write them: each pass another order, no row lost in silence, states that fit or say why."""

import copy
import json
import os
import pickle
import subprocess
import sys
import warnings
from itertools import islice
from textwrap import dedent

import inlaid
import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from package import dataset, expected, train  # noqa: F401

BATCH = 4
# 33 rows: 8 batches of 4, and one of 1.
BATCHES = 9


def rows(loader):
    """What a pass reads, in order."""
    return [path for *_, paths in loader for path in paths]


def rows_of(batches):
    return [path for batch in batches for path in batch["path"]]


@pytest.fixture
def epochs(train):
    """The rows of the first epochs, in order: what every loader has to read."""
    batches = train.batches(BATCH, shuffle=True, columns=["path"])
    return [rows_of(batches) for _ in range(8)]


def shuffled(train, **options):
    return train.to_torch(BATCH, shuffle=True, columns=["path"], **options)


def run(code, folder, environment=None, processes=1):
    """What a program prints that ends well, in a process of its own, or in several ranks."""
    (folder / "program.py").write_text(dedent(code))
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *(launcher if processes > 1 else []), "program.py"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# Passes


@pytest.mark.parametrize("kind", ["batches", "torch", "jax"])
def test_passes_that_stop_by_a_count_are_epochs(train, epochs, kind):
    if kind == "jax":
        pytest.importorskip("jax", reason="JAX is not installed")
    options = dict(shuffle=True, columns=["path"])
    made = {"batches": train.batches, "torch": train.to_torch, "jax": train.to_jax}[kind](BATCH, **options)
    orders = []
    for _ in range(3):
        # `zip` never asks for the batch after the last one.
        read = [batch for _, batch in zip(range(len(made)), made, strict=False)]
        orders.append(rows(read) if kind == "torch" else rows_of(read))
    assert orders == epochs[:3]


def test_passes_that_are_left_early_see_all_rows_in_time(train, expected):
    batches = train.batches(BATCH, shuffle=True, columns=["path"])
    seen = set()
    for _ in range(20):
        seen.update(rows_of(islice(batches, 5)))
    # A row is missed with a probability of (13/33)^20.
    assert seen == set(expected[2])


@pytest.mark.parametrize("shuffle", [False, True])
def test_steps_see_exactly_all_rows_in_every_epoch(train, expected, shuffle):
    batches = train.batches(BATCH, shuffle=shuffle, columns=["path"])
    read = [rows_of(batches.steps(5)) for _ in range(BATCHES)]
    together = sum(read, [])
    orders = [together[place : place + 33] for place in range(0, 5 * 33, 33)]
    assert [sorted(order) for order in orders] == [sorted(expected[2])] * 5
    assert len({tuple(order) for order in orders}) == (5 if shuffle else 1)
    assert (batches.state_dict()["epoch"], batches.state_dict()["batches"]) == (5, 0)


def test_passes_in_stored_order_that_are_left_early_warn_once(train):
    batches = train.batches(BATCH)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        list(islice(batches, 5))
        list(islice(batches, 5))
        assert not caught
        for _ in range(4):
            list(islice(batches, 5))
    assert [(warning.category, warning.filename) for warning in caught] == [(inlaid.PartialPassWarning, __file__)]
    assert "`steps(n)` goes on through the data" in str(caught[0].message)


def test_shuffled_and_whole_passes_and_steps_do_not_warn(train):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Orders that no other test reads.
        for batches in (train.batches(BATCH, shuffle=True, seed=101), train.batches(BATCH, shuffle=2, seed=101)):
            for _ in range(4):
                list(islice(batches, 5))
        batches = train.batches(BATCH)
        for _ in range(3):
            list(batches)
            list(batches.steps(5))
            # One pass that is left, as a sanity check of Lightning, and a whole one.
            list(islice(batches, 2))


def test_two_passes_at_the_same_time_are_two_epochs(train, epochs):
    batches = train.batches(BATCH, shuffle=True, columns=["path"])
    pairs = list(zip(batches, batches, strict=True))
    assert [rows_of(half) for half in zip(*pairs, strict=True)] == epochs[:2]


# Loaders of PyTorch


@pytest.mark.parametrize("is_persistent", [False, True])
def test_loaders_whose_seed_is_set_again_read_other_orders(train, epochs, is_persistent):
    loader = DataLoader(shuffled(train), batch_size=None, num_workers=2, persistent_workers=is_persistent)
    orders = []
    for _ in range(4):
        torch.manual_seed(0)
        orders.append(rows(loader))
    assert orders == epochs[:4]


@pytest.mark.parametrize("options", [{"num_workers": 0}, {"num_workers": 2}, {"num_workers": 2, "persistent": True}])
def test_a_pass_that_is_left_early_is_an_epoch(train, epochs, options):
    workers, is_persistent = options["num_workers"], "persistent" in options
    loader = DataLoader(shuffled(train), batch_size=None, num_workers=workers, persistent_workers=is_persistent)
    orders = []
    for _ in range(3):
        assert len(list(islice(loader, 2))) == 2
        orders.append(rows(loader))
    assert orders == [epochs[1], epochs[3], epochs[5]]


def test_workers_that_begin_after_the_position_was_set_are_of_the_pass_before(train, epochs):
    for _ in range(3):
        made = shuffled(train)
        loader = DataLoader(made, batch_size=None, num_workers=2)
        # It is in no hurry to start its workers.
        left = iter(loader)
        made.set_epoch(5)
        assert rows(loader) == epochs[5]
        assert rows(left) == epochs[0]
        assert rows(loader) == epochs[6]


def test_loaders_over_one_dataset_at_the_same_time_read_an_epoch_each(train, epochs):
    made = shuffled(train)
    loaders = [DataLoader(made, batch_size=None, num_workers=2) for _ in range(2)]
    pairs = list(zip(*loaders, strict=True))
    first, second = [rows(half) for half in zip(*pairs, strict=True)]
    assert sorted([first, second]) == sorted(epochs[:2])
    assert rows(loaders[0]) == epochs[2]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
def test_copies_of_a_dataset_go_on_by_themselves(train, epochs, duplicate):
    made = shuffled(train)
    assert rows(DataLoader(made, batch_size=None, num_workers=2)) == epochs[0]
    other = duplicate(made)
    for epoch in (1, 2):
        assert rows(DataLoader(other, batch_size=None, num_workers=2)) == epochs[epoch]
    assert rows(DataLoader(made, batch_size=None, num_workers=2)) == epochs[1]


class FailsAt:
    """A transform that fails at one batch."""

    def __init__(self, count, error=ValueError):
        self.left, self.error = count, error

    def __call__(self, batch):
        self.left -= 1
        if self.left == 0:
            raise self.error("this batch")
        return batch


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_batch_whose_transform_failed_was_not_read(train, epochs, error):
    batches = train.batches(BATCH, shuffle=True, columns=["path"], transform=FailsAt(3, error))
    made = shuffled(train, transform=FailsAt(3, error))
    for failing, read_rows in [(batches, rows_of), (made, rows)]:
        read = []
        with pytest.raises(error):
            for batch in failing:
                read.append(batch)  # noqa: PERF402 (what was read before it fails)
        resumed = train.batches(BATCH, shuffle=True, columns=["path"])
        resumed.load_state_dict(failing.state_dict())
        assert len(read) == 2 and read_rows(read) + rows_of(resumed) == epochs[0]


def error_of(loader):
    """The error that a pass ends with. Its traceback, which keeps workers, goes."""
    try:
        rows(loader)
    except ValueError as error:
        return str(error)


def test_an_error_in_a_worker_ends_the_pass_and_the_next_one_is_whole(train, epochs):
    made = shuffled(train, transform=FailsAt(2))
    assert "this batch" in error_of(DataLoader(made, batch_size=None, num_workers=1))
    made._transform = None
    assert rows(DataLoader(made, batch_size=None, num_workers=2)) == epochs[1]


@pytest.mark.parametrize("transform", [None, lambda batch: (batch[0] / 255, batch[1])])
def test_a_loader_that_would_make_batches_of_batches_is_refused(train, transform):
    with pytest.raises(inlaid.SettingError, match=r"`DataLoader\(dataset, batch_size=None\)` takes them as they are"):
        next(iter(DataLoader(train.to_torch(BATCH, transform=transform))))


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_workers_of_every_kind_read_one_epoch_after_the_other(train, epochs, method):
    made = shuffled(train)
    options = dict(batch_size=None, num_workers=2, multiprocessing_context=method)
    living = DataLoader(made, persistent_workers=True, **options)
    assert [rows(DataLoader(made, **options)), rows(living), rows(living)] == epochs[:3]


# tf.data


def rows_of_tf(dataset):
    return [path.decode() for _, paths in dataset for path in paths.numpy()]


def test_datasets_of_tf_data_read_one_epoch_after_the_other(train, epochs):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

    def made():
        return train.to_tf(BATCH, shuffle=True, columns=["path"])

    assert rows_of_tf(made().repeat(3)) == sum(epochs[:3], [])
    cached, taken, prefetched = made().cache(), made().take(5), made().prefetch(2)
    assert [rows_of_tf(cached) for _ in range(2)] == [epochs[0]] * 2
    assert [rows_of_tf(taken) for _ in range(3)] == [epoch[: 5 * BATCH] for epoch in epochs[:3]]
    assert [rows_of_tf(prefetched) for _ in range(3)] == epochs[:3]


def test_two_passes_of_tf_data_at_the_same_time_are_two_epochs(train, epochs):
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    made = train.to_tf(BATCH, shuffle=True, columns=["path"])
    for epoch, pairs in [(0, zip(made, made, strict=True)), (2, tf.data.Dataset.zip((made, made)))]:
        assert [rows_of_tf(half) for half in zip(*pairs, strict=True)] == epochs[epoch : epoch + 2]


# StatefulDataLoader


@pytest.mark.parametrize("workers", [0, 1, 4])
@pytest.mark.parametrize("read", [0, 1, 5, BATCHES - 1, BATCHES, "end"])
def test_states_of_a_stateful_loader_go_on_at_the_next_row(train, epochs, workers, read):
    torchdata = pytest.importorskip("torchdata.stateful_dataloader", reason="torchdata is not installed")

    def loader():
        return torchdata.StatefulDataLoader(shuffled(train), batch_size=None, num_workers=workers)

    first = loader()
    assert rows(first) == epochs[0]
    reading, before = iter(first), []
    for _ in range(BATCHES if read == "end" else read):
        before += next(reading)[1]
    if read == "end":
        with pytest.raises(StopIteration):
            next(reading)
    state = first.state_dict()

    second = loader()
    second.load_state_dict(pickle.loads(pickle.dumps(state)))
    after = rows(second)
    if read == "end":
        # After its end, a loader that is loaded begins the next epoch.
        assert (before, after) == (epochs[1], epochs[2])
    else:
        assert before + after == epochs[1]
        assert rows(second) == epochs[2]


def test_states_of_a_stateful_loader_are_checked(train):
    torchdata = pytest.importorskip("torchdata.stateful_dataloader", reason="torchdata is not installed")
    for workers in (0, 1):
        first = torchdata.StatefulDataLoader(shuffled(train), batch_size=None, num_workers=workers)
        next(iter(first))
        other = torchdata.StatefulDataLoader(shuffled(train, seed=1), batch_size=None, num_workers=workers)
        other.load_state_dict(first.state_dict())
        assert "the state is of batches with seed=0, these have seed=1" in error_of(other)


# States


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(batch_size=8), "the state is of batches with batch_size=4, these have batch_size=8"),
        (dict(seed=3), "the state is of batches with seed=0, these have seed=3"),
        (dict(shuffle=False), "the state is of batches with shuffle=True, these have shuffle=False"),
        (dict(shuffle=2), "the state is of batches with shuffle=True, these have shuffle=2"),
        (dict(drop_last=True), "the state is of batches with drop_last=False, these have drop_last=True"),
        (dict(rank=0, world_size=2), "the state is of batches with world_size=1, these have world_size=2"),
        (dict(weights=np.arange(33.0)), "the state is of other weights or proportions"),
        (dict(balanced=True), "the state is of other weights or proportions"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_states_of_other_settings_are_errors_that_name_them(train, options, message):
    state = train.batches(BATCH, shuffle=True).state_dict()
    options = {"batch_size": BATCH, "shuffle": True, **options}
    for make in (train.batches, train.to_torch):
        with pytest.raises(inlaid.SettingError, match=message):
            make(**options).load_state_dict(state)


def test_states_of_other_rows_are_errors_that_name_the_way_on(train, dataset, tmp_path):
    inlaid.convert(dataset_sources(tmp_path, 9), tmp_path / "dataset", 8, split={"train": 1}, progress=False)
    batches = inlaid.open(tmp_path / "dataset")["train"].batches(BATCH, shuffle=True)
    list(batches.steps(5))
    state = batches.state_dict()
    inlaid.append(dataset_sources(tmp_path, 10), tmp_path / "dataset", progress=False)
    grown = inlaid.open(tmp_path / "dataset")["train"]
    with pytest.raises(inlaid.SettingError) as caught:
        grown.batches(BATCH, shuffle=True).load_state_dict(state)
    assert str(caught.value) == (
        "the state is of a table of 9 rows, this one has 10; `set_epoch(2)` begins the next epoch with the rows of now"
    )
    other = grown.select(range(1, 10)).batches(BATCH, shuffle=True)
    with pytest.raises(inlaid.SettingError, match="of other rows: the files or the selection have changed since"):
        other.load_state_dict(state)


def dataset_sources(folder, count):
    """A folder of so many images, in one class."""
    (folder / "photos/class").mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / f"photos/class/{number}.png")
    return folder / "photos"


def test_states_fit_other_ways_to_read_the_same_batches(train, epochs):
    batches = train.batches(BATCH, shuffle=True)
    list(batches.steps(BATCHES + 3))
    state = json.loads(json.dumps(batches.state_dict()))
    other = train.batches(BATCH, shuffle=True, columns=["path"], scale="0..1", layout="chw", prefetch=0)
    other.load_state_dict(state)
    assert rows_of(other) == epochs[1][3 * BATCH :]
    made = shuffled(train)
    made.load_state_dict(state)
    assert rows(DataLoader(made, batch_size=None, num_workers=3)) == epochs[1][3 * BATCH :]


# Ranks


def test_ranks_are_found_in_the_environment(train, expected, monkeypatch):
    assert rows_of(train.batches(BATCH, columns=["path"])) == expected[2]
    read = []
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "3")
        batches = train.batches(BATCH, columns=["path"])
        assert repr(batches).endswith(f"; rank {rank} of 3>") and len(batches) == 3
        read += rows_of(batches)
    assert sorted(read) == sorted(expected[2])
    # Given ones are taken.
    assert rows_of(train.batches(BATCH, columns=["path"], rank=0, world_size=1)) == expected[2]


@pytest.mark.parametrize(("rank", "world_size"), [("3", "3"), ("-1", "2"), ("one", "2")])
def test_ranks_that_are_none_are_refused(train, monkeypatch, rank, world_size):
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", world_size)
    with pytest.raises(inlaid.SettingError, match=f"RANK={rank} and WORLD_SIZE={world_size} in the environment"):
        train.batches(BATCH)
    monkeypatch.delenv("RANK")
    assert len(train.batches(BATCH)) == BATCHES


def test_batches_that_are_older_than_the_process_group_are_refused(dataset, tmp_path):
    code = """
        import os

        import inlaid
        import torch.distributed as dist

        rank, world_size = int(os.environ.pop("RANK")), int(os.environ.pop("WORLD_SIZE"))
        train = inlaid.open("dataset")["train"]
        old = train.batches(4), train.to_torch(4)
        dist.init_process_group("gloo", rank=rank, world_size=world_size)
        for batches in old:
            try:
                next(iter(batches))
            except inlaid.SettingError as error:
                assert str(error).startswith(f"this process is rank {rank} of 2, but was 0 of 1 when the"), error
            else:
                raise AssertionError("it reads all rows")
        assert len(train.batches(4)) == 5
        # The other rank may still be connecting.
        dist.barrier()
        dist.destroy_process_group()
        print("refused")
    """
    (tmp_path / "dataset").symlink_to(dataset)
    assert run(code, tmp_path, processes=2).count("refused") == 2


@pytest.mark.parametrize("workers", [0, 2])
def test_ranks_that_wait_for_each_other_in_every_step_do_not_hang(dataset, train, tmp_path, workers):
    code = f"""
        import datetime
        import json

        import inlaid
        import torch
        import torch.distributed as dist
        from torch.utils.data import DataLoader

        dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=20))
        made = inlaid.open("dataset")["train"].to_torch(4, shuffle=True, columns=["path"])
        steps, read = torch.zeros(1), []
        for _ in range(2):
            for _, paths in DataLoader(made, batch_size=None, num_workers={workers}):
                one = torch.ones(1)
                dist.all_reduce(one)
                steps += one
                read += paths
        with open(f"read-{{dist.get_rank()}}", "w") as file:
            json.dump([int(steps), read], file)
        dist.destroy_process_group()
    """
    (tmp_path / "dataset").symlink_to(dataset)
    run(code, tmp_path, processes=2)
    (steps, first), (others, second) = [json.loads((tmp_path / f"read-{rank}").read_text()) for rank in range(2)]
    # 33 rows: 17 for each rank, so 5 batches in each of 2 epochs.
    assert steps == others == 2 * 2 * 5
    for epoch in range(2):
        together = first[epoch * 17 :][:17] + second[epoch * 17 :][:17]
        assert len(together) == 34 and len(set(together)) == 33 == len(train)


# Loops of frameworks


@pytest.mark.parametrize("kind", ["to_torch", "batches"])
def test_lightning_saves_the_state_of_what_it_reads(train, epochs, tmp_path, kind):
    lightning = pytest.importorskip("lightning", reason="Lightning is not installed")

    class Model(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer, self.read = torch.nn.Linear(1, 1), []

        def training_step(self, batch):
            self.read += list(batch["path"] if isinstance(batch, dict) else batch[1])
            return self.layer(torch.ones(1)).sum()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    def fit(steps, checkpoint=None):
        model = Model()
        trainer = lightning.Trainer(
            max_steps=steps, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, default_root_dir=tmp_path,
        )  # fmt: skip
        trainer.fit(model, getattr(train, kind)(BATCH, shuffle=True, columns=["path"]), ckpt_path=checkpoint)
        trainer.save_checkpoint(tmp_path / "checkpoint")
        return model.read

    first = fit(BATCHES + 5)
    assert first + fit(3 * BATCHES, tmp_path / "checkpoint") == sum(epochs[:3], [])


@pytest.mark.parametrize("workers", [0, 2])
def test_lightning_trains_in_another_order_in_every_epoch(train, epochs, tmp_path, workers):
    lightning = pytest.importorskip("lightning", reason="Lightning is not installed")

    class Model(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer, self.orders, self.validated = torch.nn.Linear(1, 1), [], []

        def on_train_epoch_start(self):
            self.orders.append([])

        def training_step(self, batch):
            self.orders[-1] += batch[1]
            return self.layer(torch.ones(1)).sum()

        def validation_step(self, batch):
            self.validated += batch[1]

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    def fit(model, loader, validation=None, **options):
        trainer = lightning.Trainer(
            max_epochs=3, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, default_root_dir=tmp_path, **options,
        )  # fmt: skip
        trainer.fit(model, loader, validation)
        return model

    def loader():
        return DataLoader(shuffled(train), batch_size=None, num_workers=workers, persistent_workers=workers > 0)

    stored = train.to_torch(BATCH, columns=["path"])
    with warnings.catch_warnings():
        warnings.simplefilter("error", inlaid.PartialPassWarning)
        model = fit(Model(), loader(), DataLoader(stored, batch_size=None))
        assert model.orders == epochs[:3]
        # The sanity check reads two batches, then each epoch all of them.
        assert model.validated == rows(stored)[: 2 * BATCH] + 3 * rows(stored)
        limited = fit(Model(), loader(), limit_train_batches=4)
    assert limited.orders == [epoch[: 4 * BATCH] for epoch in epochs[:3]]


@pytest.mark.parametrize("workers", [0, 2])
def test_keras_on_pytorch_trains_in_another_order_in_every_epoch(dataset, tmp_path, workers):
    pytest.importorskip("keras", reason="Keras is not installed")
    code = f"""
        import os

        os.environ["KERAS_BACKEND"] = "torch"
        import inlaid
        import keras
        from torch.utils.data import DataLoader

        train = inlaid.open("dataset")["train"]
        made = train.to_torch(4, shuffle=True, layout="hwc", scale="0..1")
        loader = DataLoader(made, batch_size=None, num_workers={workers}, persistent_workers={workers > 0})
        model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3)])
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        step, sums = keras.Model.train_step, []

        def train_step(self, batch):
            sums.extend(batch[0].double().sum((1, 2, 3)).tolist())
            return step(self, batch)

        keras.Model.train_step = train_step
        model.fit(loader, epochs=3, verbose=0)
        epochs = [sums[place : place + 33] for place in (0, 33, 66)]
        assert len(sums) == 99
        assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(epochs[2]), "another row"
        assert len({{tuple(epoch) for epoch in epochs}}) == len({{epoch[0] for epoch in epochs}}) == 3, "the same order"
        print("three orders")
    """
    (tmp_path / "dataset").symlink_to(dataset)
    assert run(code, tmp_path) == "three orders\n"


def test_keras_with_steps_per_epoch_reads_on(dataset, tmp_path):
    pytest.importorskip("keras", reason="Keras is not installed")
    code = """
        import os

        os.environ["KERAS_BACKEND"] = "torch"
        import inlaid
        import keras
        import numpy as np

        def numbered(batch):
            return batch["image"], np.array([numbers[path] for path in batch["path"]])

        train = inlaid.open("dataset")["train"]
        numbers = {path: row for row, path in enumerate(train.column("path"))}
        batches = train.batches(4, shuffle=True, scale="0..1", columns=["path"], transform=numbered)
        model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(33)])
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        step, seen = keras.Model.train_step, []

        def train_step(self, batch):
            seen.extend(batch[1].tolist())
            return step(self, batch)

        keras.Model.train_step = train_step
        model.fit(batches.steps(), steps_per_epoch=5, epochs=9, verbose=0)
        epochs = [sorted(seen[place : place + 33]) for place in range(0, len(seen), 33)]
        assert epochs == [list(range(33))] * 5, epochs
        print("five epochs")
    """
    (tmp_path / "dataset").symlink_to(dataset)
    assert run(code, tmp_path) == "five epochs\n"


def test_accelerate_leaves_batches_of_one_process_alone(train, epochs):
    accelerate = pytest.importorskip("accelerate", reason="accelerate is not installed")
    loader = accelerate.Accelerator(cpu=True).prepare(DataLoader(shuffled(train), batch_size=None, num_workers=2))
    assert [rows(loader), rows(loader)] == epochs[:2]


def test_accelerate_divides_batches_among_processes_once(dataset, train, tmp_path):
    pytest.importorskip("accelerate", reason="accelerate is not installed")
    code = """
        import json

        import inlaid
        import torch
        from accelerate import Accelerator
        from torch.utils.data import DataLoader

        def rows(loader):
            return [row for batch in loader for row in batch.tolist()]

        def numbered(batch):
            return torch.tensor([numbers[path] for path in batch[1]])

        accelerator = Accelerator(cpu=True)
        train = inlaid.open("dataset")["train"]
        numbers = {path: row for row, path in enumerate(train.column("path"))}
        options = dict(shuffle=True, columns=["path"], transform=numbered)
        alone = train.to_torch(4, rank=0, world_size=1, **options)
        prepared = accelerator.prepare(DataLoader(alone, batch_size=None))
        read = {"left out": rows(DataLoader(train.to_torch(4, **options), batch_size=None)), "prepared": rows(prepared)}
        with open(f"read-{accelerator.process_index}", "w") as file:
            json.dump(read, file)
        accelerator.wait_for_everyone()
    """
    (tmp_path / "dataset").symlink_to(dataset)
    run(code, tmp_path, processes=2)
    first, second = [json.loads((tmp_path / f"read-{rank}").read_text()) for rank in range(2)]
    for way in ("left out", "prepared"):
        assert set(first[way] + second[way]) == set(range(33)) and len(first[way]) == len(second[way]) < 20


# Batches that are made anew

ANEW = """
import sys, warnings
import inlaid

warnings.simplefilter("always")


def main():
    train = inlaid.open(sys.argv[1])["train"]
    for epoch in range(2):
        made = {made}
        {between}
        for batch in {loop}:
            pass


if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("between", ["pass", "made.set_epoch(epoch)"], ids=["not told", "told"])
@pytest.mark.parametrize(
    ("made", "loop", "needs"),
    [
        ("train.batches(8, shuffle=True)", "made", "numpy"),
        ("train.batches(8, shuffle=True)", "made.steps(3)", "numpy"),
        ("train.to_torch(8, shuffle=True)", "made", "torch"),
        ("train.to_torch(8, shuffle=True)", "{fork}", "torch"),
        ("train.to_torch(8, shuffle=True)", "{spawn}", "torch"),
        ("train.to_jax(8, shuffle=True)", "made", "jax"),
    ],
    ids=["batches", "steps", "torch", "fork", "spawn", "jax"],
)
def test_an_order_that_is_repeated_is_told(dataset, tmp_path, made, loop, needs, between):
    pytest.importorskip(needs)
    loader = "__import__('torch').utils.data.DataLoader(made, None, num_workers=2, multiprocessing_context='{}')"
    loop = loop.format(fork=loader.format("fork"), spawn=loader.format("spawn"))
    (tmp_path / "loop.py").write_text(ANEW.format(made=made, loop=loop, between=between))
    command = [sys.executable, str(tmp_path / "loop.py"), str(dataset)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = done.stderr.count("RepeatedOrderWarning: these batches have the same order as others that were read before")
    assert told == (between == "pass")


def test_stored_order_and_batches_made_once_are_not_told(dataset, recwarn):
    train = inlaid.open(dataset)["train"]
    once = train.batches(8, shuffle=True, seed=12345)
    for _ in range(3):
        list(once)
        list(train.batches(8))
    list(train.batches(4, shuffle=True, seed=12345))
    assert [warning.category for warning in recwarn] == []
