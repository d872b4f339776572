"""The statistics in the manifest are those that NumPy finds in the tensors that are read back."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import SAMPLE


def rows_of(dataset, split):
    table = pq.read_table(dataset / split)
    images = np.concatenate([chunk.to_numpy_ndarray() for chunk in table["image"].chunks])
    return images.astype(np.float64), table["label"].to_numpy(), table.select(["source_width", "source_height"])


def assert_moments(moments, images, channels_at):
    assert moments["rows"] == len(images)
    if len(images):
        axes = tuple(axis for axis in range(images.ndim) if axis != channels_at)
        np.testing.assert_allclose(moments["mean"], images.mean(axis=axes), rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(moments["std"], images.std(axis=axes), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("options", [(), ("--channels", "gray"), ("--channels", "rgba", "--threads", 1)], ids=str)
def test_moments_are_those_of_numpy(inlaid, tmp_path, options):
    out = tmp_path / "out"
    inlaid("convert", SAMPLE, "--out", out, "--size", "37x41", *options)
    for split, info in json.loads((out / "inlaid.json").read_text())["splits"].items():
        images, labels, sources = rows_of(out, split)
        statistics = info["statistics"]
        assert_moments(statistics, images, 3)
        for label, moments in enumerate(statistics["labels"]):
            assert_moments(moments, images[labels == label], 3)
        width, height = (sources[name].to_numpy().astype(float) for name in ("source_width", "source_height"))
        for bins, values in (("source_pixels", width * height), ("source_aspects", width / height)):
            edges = [bin["at_least"] for bin in statistics[bins]]
            counts, _ = np.histogram(values, [*edges, np.inf])
            assert counts.tolist() == [bin["rows"] for bin in statistics[bins]]


def test_appended_rows_are_added(inlaid, tmp_path):
    out, first = tmp_path / "out", tmp_path / "first"
    for path in sorted(SAMPLE.rglob("*.*"))[::2]:
        (first / path.relative_to(SAMPLE).parent).mkdir(parents=True, exist_ok=True)
        (first / path.relative_to(SAMPLE)).write_bytes(path.read_bytes())
    inlaid("convert", first, "--out", out, "--size", 32, "--split-by", "path")
    inlaid("append", SAMPLE, "--out", out)
    for split, info in json.loads((out / "inlaid.json").read_text())["splits"].items():
        images, labels, _ = rows_of(out, split)
        assert_moments(info["statistics"], images, 3)
        for label, moments in enumerate(info["statistics"]["labels"]):
            assert_moments(moments, images[labels == label], 3)
