"""The Python package as batches of JAX."""

import inlaid
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

jax = pytest.importorskip("jax", reason="JAX is not installed")

import jax.numpy as jnp

from package import address, read_with_pyarrow


# A file of another tool is among the tables.
pytestmark = pytest.mark.filterwarnings("ignore::inlaid.DecodingWarning")


@pytest.fixture(scope="module")
def train(sample):
    return inlaid.open(sample())["train"]


def test_batches_are_arrays_of_jax(sample, train):
    images, labels, paths = read_with_pyarrow(sample() / "train")
    batches = list(train.to_jax(8, columns=["label", "path"]))
    assert all(isinstance(batch[name], jax.Array) for batch in batches for name in ("image", "label"))
    assert batches[0]["image"].dtype == np.uint8
    assert np.array_equal(np.concatenate([batch["image"] for batch in batches]), images)
    assert np.array_equal(np.concatenate([batch["label"] for batch in batches]), labels)
    assert [path for batch in batches for path in batch["path"]] == paths


def test_epochs_and_states_are_those_of_batches(train):
    options = dict(shuffle=True, seed=1, columns=["path"])
    plain, batches = train.batches(5, **options), train.to_jax(5, **options)
    assert len(plain) == len(batches)
    for _ in range(2):
        assert [list(b["path"]) for b in plain] == [list(b["path"]) for b in batches]
    state = batches.state_dict()
    assert plain.state_dict() == state and (state["epoch"], state["batches"]) == (2, 0)


def test_a_jitted_function_takes_them(train):
    mean = jax.jit(lambda images: images.astype("float32").mean())
    batch = next(iter(train.to_jax(8)))
    assert abs(float(mean(batch["image"])) - train[0:8].mean()) < 0.01


def test_batches_are_taken_without_a_copy(train):
    batch = next(iter(train.batches(8)))
    for take in (jnp.from_dlpack, jax.device_put):
        array = take(batch["image"])
        assert (array.shape, array.dtype) == ((8, 64, 64, 3), jnp.uint8)
        assert array.unsafe_buffer_pointer() == address(batch["image"])
        assert np.array_equal(take(batch["label"]), batch["label"])


def test_views_of_the_file_are_copied(train):
    view = train[3]
    assert np.array_equal(jax.device_put(view), view)
    with pytest.raises(BufferError, match="readonly"):
        jnp.from_dlpack(view)
    assert np.array_equal(jnp.from_dlpack(train[[3]])[0], view)


def test_integers_that_jax_would_wrap_are_refused(tmp_path):
    images = pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((6, 2, 2, 3), np.uint8))
    columns = {"image": images, "id": pa.array([1, 2, 3, 2**31 - 1, 2**31, 5]), "x": pa.array([0.5] * 5 + [1e39])}
    fields = [pa.field(name, column.type, nullable=name != "image") for name, column in columns.items()]
    pq.write_table(pa.Table.from_arrays(list(columns.values()), schema=pa.schema(fields)), tmp_path / "a.parquet")
    table = inlaid.open(tmp_path)
    batches = iter(table.to_jax(2, columns=["id"]))
    assert [next(batches)["id"].tolist() for _ in range(2)] == [[1, 2], [3, 2**31 - 1]]
    with pytest.raises(inlaid.SettingError, match="^column `id` has 2147483648, which is too large for int32"):
        next(batches)
    with pytest.raises(inlaid.SettingError, match="^column `x` has 1e\\+39, which is too large for float32"):
        list(table.to_jax(2, columns=["x"]))
