"""Tensors cast in batches: to another layout, type, scale or normalization."""

import inlaid
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import SAMPLE
from package import dataset, expected, train  # noqa: F401

MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])


def images(table, batch_size=5, **options):
    return np.concatenate([batch["image"] for batch in table.batches(batch_size, **options)])


@pytest.fixture(scope="module", params=["hwc", "chw"])
def stored(request, tmp_path_factory):
    """A dataset of each layout, of several row groups and files, and its tensors as (N, H, W, C)."""
    out = tmp_path_factory.mktemp("casts") / "dataset"
    options = dict(layout=request.param, row_group_bytes="40KiB", shard_bytes="130KiB", progress=False)
    inlaid.convert(SAMPLE, out, (64, 48), **options)
    table = inlaid.open(out)["train"]
    return table, np.moveaxis(table[:], 1, -1) if request.param == "chw" else table[:]


@pytest.mark.parametrize("map", [True, False])
def test_layouts(stored, map):
    table, interleaved = stored
    if not map:
        table = inlaid.open(table._origin.path, map=False)["train"]
    planes = np.moveaxis(interleaved, -1, 1)
    for layout, wanted in [("chw", planes), ("hwc", interleaved)]:
        batches = table.batches(5, layout=layout)
        assert (batches.shape, batches.dtype) == (wanted.shape[1:], np.uint8)
        assert np.array_equal(images(table, layout=layout), wanted)
        order = images(table.select(slice(None, None, -1)), layout=layout, prefetch=0)
        assert np.array_equal(order, wanted[::-1]) and order.flags.c_contiguous


@pytest.mark.parametrize("layout", ["hwc", "chw"])
def test_floats_are_those_of_torchvision(stored, layout):
    """Bit for bit: as `ToTensor` and `Normalize` compute them."""
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchvision.transforms.functional")
    table, interleaved = stored
    unit = torch.stack([functional.to_tensor(image) for image in interleaved])
    wanted = {(): unit, ("mean", "std"): functional.normalize(unit, MEAN.tolist(), STD.tolist())}
    for options, floats in wanted.items():
        got = images(table, layout=layout, dtype="float32", **dict.fromkeys(options, "imagenet"))
        got = got if layout == "chw" else np.moveaxis(got, -1, 1)
        assert got.dtype == np.float32 and np.array_equal(got, floats.numpy())
        halves = images(table, layout=layout, dtype="float16", **dict.fromkeys(options, "imagenet"))
        halves = halves if layout == "chw" else np.moveaxis(halves, -1, 1)
        assert np.array_equal(halves, floats.numpy().astype(np.float16))


def test_scales_means_and_types(stored):
    table, interleaved = stored
    floats = interleaved.astype(np.float32)
    layout = dict(layout="hwc")
    assert np.array_equal(images(table, scale="0..255", **layout), floats)
    assert np.array_equal(images(table, scale="-1..1", **layout), floats / np.float32(127.5) - 1)
    assert np.array_equal(images(table, mean=0.5, **layout), floats / 255 - np.float32(0.5))
    colors = np.float32([0.1, 0.2, 0.3])
    for mean in ((0.1, 0.2, 0.3), [0.1, 0.2, 0.3], colors):
        got = images(table, mean=mean, std=0.25, **layout)
        assert np.array_equal(got, (floats / 255 - colors) / np.float32(0.25))
    for dtype in ("float32", "f32", np.float32, np.dtype("float32")):
        assert images(table, dtype=dtype, **layout).dtype == np.float32
    assert np.array_equal(images(table, dtype="uint16", **layout), interleaved.astype(np.uint16) * 257)


@pytest.mark.parametrize("dtype", ["uint16", "float16", "float32"])
@pytest.mark.parametrize("layout", ["hwc", "chw"])
def test_other_types_are_cast(tmp_path, dtype, layout):
    inlaid.convert(SAMPLE, tmp_path / "dataset", 24, dtype=dtype, layout=layout, progress=False)
    table = inlaid.open(tmp_path / "dataset")["train"]
    other = "chw" if layout == "hwc" else "hwc"
    moved = np.moveaxis(table[:], -1, 1) if layout == "hwc" else np.moveaxis(table[:], 1, -1)
    assert np.array_equal(images(table, layout=other), moved)
    if dtype == "uint16":
        assert np.array_equal(images(table, dtype="float32"), table[:].astype(np.float32) / np.float32(65535))
        assert np.array_equal(images(table, dtype="uint8"), np.round(table[:] / np.float32(257)).astype(np.uint8))
        return
    to = np.float16 if dtype == "float32" else np.float32
    assert np.array_equal(images(table, dtype=to, layout=other), moved.astype(to))
    with pytest.raises(inlaid.SettingError, match=f"stored {dtype} elements are on a scale already, `mean` is for"):
        table.batches(4, mean=0.5)
    with pytest.raises(inlaid.SettingError, match=f"{dtype} can't be cast to uint8"):
        table.batches(4, dtype="uint8")


@pytest.mark.parametrize(("channels", "count"), [("gray", 1), ("rgba", 4)])
def test_gray_and_alpha(tmp_path, channels, count):
    inlaid.convert(SAMPLE, tmp_path / "dataset", 24, channels=channels, progress=False)
    table = inlaid.open(tmp_path / "dataset")["train"]
    planes = np.moveaxis(table[:], -1, 1)
    assert table.shape[-1] == count and np.array_equal(images(table, layout="chw"), planes)
    unit = planes.astype(np.float32) / 255
    if channels == "rgba":
        # Alpha is not normalized.
        wanted = unit.copy()
        wanted[:, :3] = (wanted[:, :3] - MEAN[:, None, None]) / STD[:, None, None]
        assert np.array_equal(images(table, layout="chw", mean="imagenet", std="imagenet"), wanted)
    else:
        half = np.float32(0.5)
        assert np.array_equal(images(table, layout="chw", mean=0.5, std=0.5), (unit - half) / half)
        with pytest.raises(inlaid.SettingError, match="gray tensors have one mean, not three"):
            table.batches(4, mean="imagenet")


def test_frameworks_get_cast_batches(train, expected):
    floats = expected[0].astype(np.float32) / 255
    planes = np.moveaxis(floats, -1, 1)
    torch = pytest.importorskip("torch")
    options = dict(dtype="float32")
    batch = next(iter(train.to_torch(8, layout="chw", **options)))[0]
    assert batch.is_contiguous() and np.array_equal(batch, planes[:8])
    batch = next(iter(train.to_torch(8, **options)))[0]
    assert batch.is_contiguous(memory_format=torch.channels_last) and np.array_equal(batch, planes[:8])
    assert np.array_equal(next(iter(train.to_torch(8, layout="hwc", **options)))[0], floats[:8])
    rows = train.to_torch(layout="chw", **options)
    assert np.array_equal(rows[3][0], planes[3]) and rows[3][0].is_contiguous()
    assert np.array_equal(train.to_torch(**options)[3][0], planes[3])
    pytest.importorskip("tensorflow")
    dataset = train.to_tf(8, layout="chw", **options)
    assert dataset.element_spec[0].shape == (None, 3, 64, 64)
    assert np.array_equal(next(iter(dataset))[0], planes[:8])
    pytest.importorskip("jax")
    assert np.array_equal(next(iter(train.to_jax(8, layout="chw", **options)))["image"], planes[:8])


def test_files_without_names_of_dimensions(tmp_path):
    def table(*shape):
        values = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
        path = tmp_path / f"{shape}.parquet"
        pq.write_table(pa.table({"x": pa.FixedShapeTensorArray.from_numpy_ndarray(values)}), path)
        inlaid.repack(path, tmp_path / str(shape), progress=False)
        return inlaid.open(tmp_path / str(shape)), values

    interleaved, values = table(4, 5, 6, 3)
    assert np.array_equal(next(iter(interleaved.batches(4, layout="chw")))["x"], np.moveaxis(values, -1, 1))
    planes, values = table(4, 3, 5, 6)
    assert np.array_equal(next(iter(planes.batches(4, layout="hwc")))["x"], np.moveaxis(values, 1, -1))
    for shape in [(4, 3, 5, 3), (4, 7, 7, 7), (4, 9)]:
        ambiguous, _ = table(*shape)
        with pytest.raises(inlaid.SettingError, match="have no layout: none of their dimensions is told to be channels"):
            ambiguous.batches(2, layout="chw")
        assert next(iter(ambiguous.batches(2, dtype="float32")))["x"].dtype == np.float32


def test_wrong_casts_are_named(train):
    for options, message in [
        ({"layout": "nchw"}, r"layout `nchw`.*hwc"),
        ({"dtype": "int8"}, "int8"),
        ({"dtype": 5}, 'dtype is a type such as "float32", not 5'),
        ({"scale": "0..2"}, "0..2"),
        ({"mean": "imagenet", "scale": "0..255"}, "the imagenet mean is for the scale 0..1"),
        ({"mean": (0.1, 0.2)}, "mean is a number, .red, green, blue. or \"imagenet\""),
        ({"std": 0}, "standard deviation `0`"),
        ({"mean": 0.5, "dtype": "uint8"}, '`mean` has no effect with `dtype="uint8"`'),
        ({"std": 1e-30, "dtype": "float16"}, "out of the range of `f16`"),
    ]:
        with pytest.raises(inlaid.SettingError, match=message) as error:
            train.batches(4, **options)
        assert "--" not in str(error.value)


# Transforms


def test_a_transform_makes_what_is_yielded(train, expected):
    import threading

    seen = set()

    def mirrored(batch):
        seen.add(threading.get_ident())
        return batch["image"][:, :, ::-1], batch["label"]

    batches = train.batches(8, transform=mirrored)
    got = list(batches)
    assert np.array_equal(np.concatenate([image for image, _ in got]), expected[0][:, :, ::-1])
    assert seen == {threading.get_ident()}
    assert next(batches.steps(1))[0].shape == (8, 64, 64, 3)


def test_a_transform_of_torch_runs_in_workers(train, expected):
    torch = pytest.importorskip("torch")
    v2 = pytest.importorskip("torchvision.transforms.v2")
    import os

    from torch.utils.data import DataLoader

    def with_process(element):
        return *element, os.getpid()

    for dataset, size in [(train.to_torch(8, transform=with_process), None), (train.to_torch(transform=with_process), 8)]:
        processes = {torch.as_tensor(pid).flatten()[0].item() for *_, pid in DataLoader(dataset, size, num_workers=2)}
        assert len(processes) == 2 and os.getpid() not in processes
        assert {int(torch.as_tensor(pid).flatten()[0]) for *_, pid in DataLoader(dataset, size)} == {os.getpid()}
    flip = v2.RandomHorizontalFlip(p=1)
    batch, labels = next(iter(DataLoader(train.to_torch(8, transform=flip), batch_size=None)))
    assert np.array_equal(batch, np.moveaxis(expected[0][:8, :, ::-1], -1, 1))
    assert labels.tolist() == expected[1][:8].tolist()
    with pytest.raises(inlaid.SettingError, match="the dataset yields batches"):
        next(iter(DataLoader(train.to_torch(8, transform=flip))))


# Images


def test_a_row_is_an_image_of_pillow(tmp_path, train, expected):
    assert np.array_equal(np.asarray(train.image(3)), expected[0][3])
    assert np.array_equal(np.asarray(train.image(-1)), expected[0][-1])
    # As many as there are channels; floats within what rounding of them leaves.
    for number, (options, most) in enumerate(
        [
            (dict(channels="gray"), 0),
            (dict(channels="rgba", layout="chw"), 0),
            (dict(dtype="float32", mean="imagenet", std="imagenet", layout="chw"), 1),
            (dict(dtype="float16", scale="-1..1", std=0.5, channels="rgba"), 1),
            (dict(dtype="float32", scale="0..255"), 1),
            (dict(dtype="uint16"), 1),
        ]
    ):
        channels = {"channels": options.get("channels", "rgb")}
        inlaid.convert(SAMPLE, tmp_path / f"{number}", 24, **options, progress=False)
        inlaid.convert(SAMPLE, tmp_path / f"{number}-u8", 24, **channels, progress=False)
        image = np.asarray(inlaid.open(tmp_path / f"{number}")["train"].image(2)).astype(int)
        plain = np.asarray(inlaid.open(tmp_path / f"{number}-u8")["train"].image(2)).astype(int)
        assert image.shape == plain.shape and np.abs(image - plain).max() <= most
    with pytest.raises(inlaid.RowError, match="row 33 is out of range"):
        train.image(33)
