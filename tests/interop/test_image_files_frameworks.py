"""Batches of image files in PyTorch, TensorFlow and JAX: the arrays that `batches` yields."""

import jax
import numpy as np
import pytest
import tensorflow as tf
import torch
from torch.utils.data import DataLoader

import inlaid
from conftest import SAMPLE

KEYWORDS = {
    "shuffle": True,
    "seed": 3,
    "size": 20,
    "random_resized_crop": True,
    "horizontal_flip": 0.5,
}


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    out = tmp_path_factory.mktemp("files") / "dataset"
    inlaid.convert(
        SAMPLE,
        out=out,
        storage="encoded",
        split={"train": 1},
        row_group_bytes=2000,
        progress=False,
    )
    return inlaid.open(out)["train"]


@pytest.fixture(scope="module")
def expected(train):
    """Two epochs of images and labels."""
    batches = train.batches(8, **KEYWORDS)
    return [[(batch["image"], batch["label"]) for batch in batches] for _ in range(2)]


def assert_same(found, expected):
    assert len(found) == len(expected)
    for (images, labels), (of_batches, their_labels) in zip(found, expected, strict=True):
        assert np.array_equal(images, of_batches) and np.array_equal(labels, their_labels)


@pytest.mark.parametrize("workers", [None, 0, 2])
@pytest.mark.filterwarnings("ignore::inlaid.RepeatedOrderWarning")
def test_torch(train, expected, workers):
    dataset = train.to_torch(8, **KEYWORDS)
    loader = dataset if workers is None else DataLoader(dataset, batch_size=None, num_workers=workers)
    for epoch in expected:
        found = [(images.permute(0, 2, 3, 1).numpy(), labels.numpy()) for images, labels in loader]
        assert_same(found, epoch)


@pytest.mark.filterwarnings("ignore::inlaid.RepeatedOrderWarning")
def test_torch_on_a_device(train, expected):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dataset = train.to_torch(8, device=device, pin_memory=device.type == "cuda", **KEYWORDS)
    found = []
    for number, (images, labels) in enumerate(dataset, 1):
        assert images.device.type == labels.device.type == device.type
        # What the loop has, whatever is copied ahead.
        assert dataset.state_dict()["batches"] == number % len(dataset)
        found.append((images.cpu().permute(0, 2, 3, 1).numpy(), labels.cpu().numpy()))
    assert_same(found, expected[0])
    for text, keywords in [("device is 'nowhere'|not 'nowhere'", {"device": "nowhere"})]:
        with pytest.raises(inlaid.SettingError, match=text):
            train.to_torch(8, size=8, **keywords)
    if device.type == "cpu":
        for text, keywords in [
            ("finds no CUDA", {"device": "cuda"}),
            ("finds none", {"pin_memory": True}),
        ]:
            with pytest.raises(inlaid.SettingError, match=text):
                train.to_torch(8, size=8, **keywords)
    with pytest.raises(inlaid.SettingError, match="device is for a loop over the dataset itself"):
        list(DataLoader(train.to_torch(8, size=8, device="cpu"), batch_size=None, num_workers=1))


def test_torch_transforms_get_what_is_on_the_device(train):
    seen = []

    def transform(batch):
        seen.append(batch[0].device.type)
        return batch[0].float().mean()

    values = list(train.to_torch(8, size=16, device="cpu", transform=transform))
    assert set(seen) == {"cpu"} and all(value.ndim == 0 for value in values)


@pytest.mark.parametrize("workers", [0, 2])
def test_torch_rows_by_number(train, workers):
    images = np.concatenate([batch["image"] for batch in train.batches(8, size=20)])
    rows = train.to_torch(size=20)
    assert len(rows) == len(train) and np.array_equal(rows[5][0].permute(1, 2, 0), images[5])
    found = torch.cat([batch for batch, _ in DataLoader(rows, batch_size=8, num_workers=workers)])
    assert np.array_equal(found.permute(0, 2, 3, 1), images)
    with pytest.raises(
        inlaid.SettingError,
        match="horizontal_flip is drawn in every epoch, which rows by number don't",
    ):
        train.to_torch(size=20, horizontal_flip=0.5)
    with pytest.raises(inlaid.SettingError, match="have sizes of their own"):
        train.to_torch()


@pytest.mark.filterwarnings("ignore::inlaid.RepeatedOrderWarning")
def test_tensorflow(train, expected):
    dataset = train.to_tf(8, **KEYWORDS)
    assert dataset.element_spec[0].shape.as_list() == [None, 20, 20, 3]
    for epoch in expected:
        assert_same([(images.numpy(), labels.numpy()) for images, labels in dataset], epoch)
    full = train.to_tf(8, drop_last=True, **KEYWORDS)
    assert full.element_spec[0].shape.as_list() == [8, 20, 20, 3]
    skipping = train.to_tf(8, drop_last=True, on_error="skip", **KEYWORDS)
    assert skipping.element_spec[0] == tf.TensorSpec((None, 20, 20, 3), tf.uint8)


@pytest.mark.filterwarnings("ignore::inlaid.RepeatedOrderWarning")
def test_jax(train, expected):
    batches = train.to_jax(8, **KEYWORDS)
    for epoch in expected:
        found = list(batches)
        assert all(isinstance(batch["image"], jax.Array) for batch in found)
        assert_same(
            [(np.asarray(batch["image"]), np.asarray(batch["label"])) for batch in found],
            epoch,
        )
