"""Augmentations of stored tensors: what is drawn, and the pixels that it makes."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import inlaid
from conftest import SIZE, many_files


@pytest.fixture(scope="module")
def train(sample):
    """Several files of several row groups."""
    return inlaid.open(sample("tensor", "parquet", "none", *many_files()))["train"]


def rows_of(batches):
    """All tensors of a pass, and their labels."""
    parts = [(batch["image"], batch["label"]) for batch in batches]
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def is_within(window, image):
    """Whether an array (h, w, C) is a part of another one (H, W, C)."""
    windows = sliding_window_view(image, window.shape)
    return (windows == window).all(axis=(-3, -2, -1)).any()


def test_flips_mirror_rows_with_their_probability(train):
    stored, _ = rows_of(train.batches(8))
    always, _ = rows_of(train.batches(8, horizontal_flip=1.0))
    assert np.array_equal(always, stored[:, :, ::-1])
    batches = train.batches(8, horizontal_flip=0.25)
    flipped = total = 0
    for _ in range(40):
        images, _ = rows_of(batches)
        as_they_are = (images == stored).all(axis=(1, 2, 3))
        assert (as_they_are | (images == stored[:, :, ::-1]).all(axis=(1, 2, 3))).all()
        flipped, total = flipped + (~as_they_are).sum(), total + len(images)
    # Six standard deviations of a binomial distribution.
    assert abs(flipped / total - 0.25) < 6 * (0.25 * 0.75 / total) ** 0.5


@pytest.mark.parametrize("padding", [0, 5])
def test_crops_are_parts_of_the_padded_image(train, padding):
    stored, _ = rows_of(train.batches(8))
    padded = np.pad(stored, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    batches = train.batches(8, crop=(40, 60), padding=padding)
    assert batches.shape == (40, 60, 3)
    first, _ = rows_of(batches)
    second, _ = rows_of(batches)
    assert all(is_within(window, image) for window, image in zip(first, padded, strict=True))
    assert (first != second).any(axis=(1, 2, 3)).mean() > 0.9


def test_pad_color_surrounds_crops(train):
    images, _ = rows_of(train.batches(8, crop=SIZE, padding=20, pad_color=(255, 0, 255)))
    corners = images[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners == [255, 0, 255]).all(axis=-1).any(axis=-1).mean() > 0.9


def test_size_alone_resizes(train):
    PIL = pytest.importorskip("PIL.Image")
    images, _ = rows_of(train.batches(8, size=(20, 30), resize_like="pillow", filter="bicubic"))
    for image, row in zip(images, range(len(train)), strict=True):
        resized = PIL.fromarray(train[row]).resize((30, 20), PIL.Resampling.BICUBIC)
        assert np.array_equal(image, np.asarray(resized))


def test_casts_follow(train):
    flipped, _ = rows_of(train.batches(8, horizontal_flip=1.0))
    cast = train.batches(8, horizontal_flip=1.0, layout="chw", mean="imagenet", std="imagenet")
    images, _ = rows_of(cast)
    assert (cast.shape, cast.dtype) == ((3, SIZE, SIZE), np.float32)
    mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    expected = (flipped.astype(np.float32) / np.float32(255) - mean) / std
    assert np.array_equal(images, expected.transpose(0, 3, 1, 2))


def test_draws_depend_on_seed_epoch_and_row_alone(train):
    keywords = {
        "shuffle": True,
        "size": 24,
        "random_resized_crop": True,
        "horizontal_flip": 0.5,
    }

    def by_order(batches):
        images, labels = rows_of(batches)
        return images

    first = train.batches(8, seed=5, **keywords)
    epochs = [by_order(first), by_order(first)]
    for threads, prefetch, size in [(1, 0, 8), (3, 1, 8), (2, 3, 5)]:
        again = train.batches(size, seed=5, threads=threads, prefetch=prefetch, **keywords)
        again.set_epoch(0)
        assert np.array_equal(by_order(again), epochs[0])
        assert np.array_equal(by_order(again), epochs[1])
    ranks = [train.batches(8, seed=5, rank=rank, world_size=2, uneven="keep", **keywords) for rank in range(2)]
    assert np.array_equal(np.concatenate([by_order(rank) for rank in ranks]), epochs[0])
    # Mixed row groups change the order, and no row.
    in_order = train.batches(8, seed=5, **(keywords | {"shuffle": False}))
    in_order.set_epoch(0)
    assert sorted(map(bytes, by_order(in_order))) == sorted(map(bytes, epochs[0]))
    other = train.batches(8, seed=6, **(keywords | {"shuffle": False}))
    assert (by_order(other) != by_order(train.batches(8, seed=5, **(keywords | {"shuffle": False})))).any()


def test_passes_resume_with_the_same_pixels(train):
    keywords = {"shuffle": True, "seed": 2, "crop": 30, "horizontal_flip": 0.5}
    whole = train.batches(8, **keywords)
    expected = [batch["image"] for batch in whole.steps(2 * len(whole))]
    stopped = train.batches(8, **keywords)
    for _ in stopped.steps(len(stopped) + 1):
        pass
    resumed = train.batches(8, **keywords)
    resumed.load_state_dict(stopped.state_dict())
    rest = [batch["image"] for batch in resumed]
    assert all(np.array_equal(*pair) for pair in zip(rest, expected[len(whole) + 1 :], strict=True))


def test_a_row_that_is_drawn_twice_is_augmented_twice(train):
    only = np.zeros(len(train))
    only[3] = 1
    images, _ = rows_of(train.batches(8, shuffle=True, weights=only, crop=20))
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) > len(images) / 2


def test_row_groups_of_floats_and_planes_are_augmented(sample):
    for options in [
        ("--layout", "chw"),
        ("--dtype", "u16"),
        ("--dtype", "f32"),
        ("--dtype", "f16", "--layout", "chw"),
    ]:
        train = inlaid.open(sample("tensor", "parquet", "none", *options))["train"]
        stored, _ = rows_of(train.batches(8))
        flipped, _ = rows_of(train.batches(8, horizontal_flip=1.0))
        width = -1 if "chw" in options else -2
        assert flipped.dtype == stored.dtype and np.array_equal(flipped, np.flip(stored, width)), options
        batches = train.batches(8, crop=20, layout="hwc")
        assert batches.shape == (20, 20, 3) and batches.dtype == stored.dtype, options
        images = np.moveaxis(stored, 1, -1) if "chw" in options else stored
        for window, image in zip(rows_of(batches)[0], images, strict=True):
            assert is_within(window, image), options


@pytest.mark.parametrize(
    ("keywords", "text"),
    [
        (
            {"random_resized_crop": 2},
            "random_resized_crop is True, or the ranges of shares and of ratios, as in",
        ),
        (
            {"random_resized_crop": ((0.5, 2), (1, 1))},
            "scale 0.5 to 2 is not a range of numbers above 0 and at most 1",
        ),
        (
            {"random_resized_crop": ((0.5, 1), (2, 1))},
            "ratio 2 to 1 is not a range of numbers above 0",
        ),
        (
            {"random_resized_crop": True, "crop": 5},
            "`crop` has no effect with `random_resized_crop`",
        ),
        (
            {"random_resized_crop": True, "fit": "crop"},
            "`fit` has no effect with `random_resized_crop`",
        ),
        (
            {"crop": SIZE + 1},
            f"a crop of {SIZE + 1}x{SIZE + 1} does not fit into {SIZE}x{SIZE}",
        ),
        (
            {"crop": 80, "padding": 7},
            f"a crop of 80x80 does not fit into {SIZE}x{SIZE} with a padding of 7",
        ),
        (
            {"crop": 8, "padding": 8},
            "a padding of 8 pixels is not below the sides of the crop, 8x8",
        ),
        ({"padding": 4}, "padding is the margin that crop chooses from: add crop="),
        (
            {"horizontal_flip": 1.5},
            "horizontal_flip is a probability from 0 to 1, not 1.5",
        ),
        (
            {"jpeg_decoder": "libjpeg-turbo"},
            "`jpeg_decoder` is for image files, and these are tensors",
        ),
        ({"channels": "gray"}, "`channels` is for image files, and these are tensors"),
        ({"threads": 0}, "threads is at least 1, not 0"),
        ({"on_error": "ignore"}, 'on_error is "raise" or "skip", not \'ignore\''),
        ({"size": 0}, "size is the height and width in pixels"),
    ],
)
def test_wrong_settings_are_named(train, keywords, text):
    with pytest.raises(inlaid.SettingError) as error:
        train.batches(8, **keywords)
    assert text in str(error.value)


def test_stored_floats_have_no_margins(sample):
    train = inlaid.open(sample("tensor", "parquet", "none", "--dtype", "f32"))["train"]
    for keywords in [{"crop": 64, "padding": 4}, {"size": (64, 80), "fit": "pad"}]:
        with pytest.raises(inlaid.SettingError, match="stored floats have no value for"):
            train.batches(8, **keywords)
