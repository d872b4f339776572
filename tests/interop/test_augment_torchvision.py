"""Augmentations held against torchvision: the parameters of the same random numbers, and the pixels of the same crop."""

import math
import random

import numpy as np
import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

import inlaid
from inlaid._inlaid import random_crop


class Drawn:
    """What torch draws, from given numbers."""

    def __init__(self, numbers):
        self.numbers = iter(numbers)

    def uniform_(self, least, most):
        self.value = float(least) + (float(most) - float(least)) * next(self.numbers)
        return self

    def integer(self, least, end, size):
        self.value = least + int(next(self.numbers) * (end - least))
        return self

    def item(self):
        return self.value


def parameters_of_torchvision(monkeypatch, height, width, scale, ratio, numbers):
    """Left, top, width and height."""
    drawn = Drawn(numbers)
    transform = v2.RandomResizedCrop(224, scale=scale, ratio=ratio)
    transform._log_ratio = [math.log(side) for side in ratio]
    of_numbers = torch.exp

    def exponential(value):
        if value is drawn:
            drawn.value = math.exp(drawn.value)
            return drawn
        return of_numbers(value)

    with monkeypatch.context() as patched:
        patched.setattr(torch, "empty", lambda *_, **__: drawn)
        patched.setattr(torch, "randint", drawn.integer)
        patched.setattr(torch, "exp", exponential)
        found = transform.make_params([torch.zeros(3, 1, 1).expand(3, height, width)])
    return found["left"], found["top"], found["width"], found["height"]


@pytest.mark.parametrize(
    ("scale", "ratio"),
    [((0.08, 1.0), (3 / 4, 4 / 3)), ((0.5, 0.9), (0.2, 0.4)), ((1.0, 1.0), (1.0, 1.0))],
)
def test_crops_are_those_of_the_same_numbers(monkeypatch, scale, ratio):
    numbers = random.Random(0)
    for _ in range(2000):
        height, width = numbers.randint(8, 700), numbers.randint(8, 700)
        drawn = [numbers.random() for _ in range(40)]
        expected = parameters_of_torchvision(monkeypatch, height, width, scale, ratio, drawn)
        # A part of no line or column is one of one line or column here.
        expected = (*expected[:2], *(max(1, side) for side in expected[2:]))
        assert tuple(random_crop(height, width, scale, ratio, drawn)) == expected, (
            height,
            width,
        )


@pytest.fixture
def table(tmp_path):
    """Three images of noise, 40 wide and 30 high, stored as they are."""
    rng = np.random.default_rng(0)
    rows = [{"image": rng.integers(0, 256, (30, 40, 3), np.uint8), "label": "a"} for _ in range(3)]
    inlaid.convert(
        rows,
        out=tmp_path / "dataset",
        size=(30, 40),
        split={"train": 1},
        progress=False,
    )
    return inlaid.open(tmp_path / "dataset")["train"]


def tensors(table):
    return [torch.from_numpy(row.copy()).permute(2, 0, 1) for row in table]


def hwc(image):
    return image.permute(1, 2, 0).numpy()


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_pixels_of_a_known_crop_are_those_of_torchvision(table, mode):
    # Nothing has the area of the whole image and is a square: the largest square in the middle.
    batch = next(
        iter(
            table.batches(
                3,
                size=17,
                random_resized_crop=((1, 1), (1, 1)),
                resize_like="torchvision",
                filter=mode,
            )
        )
    )
    for image, row in zip(batch["image"], tensors(table), strict=True):
        expected = F.resized_crop(row, 0, 5, 30, 30, [17, 17], v2.InterpolationMode(mode), antialias=True)
        assert np.array_equal(image, hwc(expected))


def test_pixels_of_a_drawn_crop_are_those_of_torchvision(table):
    # A square of 12 pixels, wherever it is.
    share = 144 / 1200
    keywords = {
        "random_resized_crop": ((share, share), (1, 1)),
        "resize_like": "torchvision",
        "size": 10,
    }
    found = set()
    for batch in table.batches(3, **keywords).steps(20):
        for image, row in zip(batch["image"], tensors(table), strict=True):
            places = [(top, left) for top in range(19) for left in range(29)]
            crops = (F.resized_crop(row, top, left, 12, 12, [10, 10], antialias=True) for top, left in places)
            same = [place for place, crop in zip(places, crops, strict=True) if np.array_equal(image, hwc(crop))]
            assert len(same) == 1
            found.update(same)
    assert len(found) > 40


def test_resize_and_crop_of_the_whole_image(table):
    keywords = {
        "size": 20,
        "fit": "shortest-side",
        "crop": 18,
        "resize_like": "torchvision",
    }
    lefts = set()
    for batch in table.batches(3, **keywords).steps(20):
        for image, row in zip(batch["image"], tensors(table), strict=True):
            # 20 high, 26 wide.
            resized = hwc(F.resize(row, [20], antialias=True))
            places = [(top, left) for top in range(3) for left in range(9)]
            same = [at for at in places if np.array_equal(image, resized[at[0] : at[0] + 18, at[1] : at[1] + 18])]
            assert len(same) == 1, resized.shape
            lefts.add(same[0][1])
    assert lefts == set(range(9))
