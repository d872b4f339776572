"""The Python package as `tf.data.Dataset`."""

import inlaid
import numpy as np
import pytest
import tensorflow as tf

from package import read_with_pyarrow


@pytest.fixture(scope="module")
def train(sample):
    return inlaid.open(sample())["train"]


@pytest.fixture(scope="module")
def expected(sample):
    return read_with_pyarrow(sample() / "train")


def test_elements_are_batches_of_images_and_labels(train, expected):
    images, labels, _ = expected
    dataset = train.to_tf(5)
    assert dataset.element_spec == (tf.TensorSpec((None, 64, 64, 3), tf.uint8), tf.TensorSpec((None,), tf.int64))
    batches = list(dataset)
    assert dataset.cardinality() == len(dataset) == len(batches) == -(-len(train) // 5)
    assert np.array_equal(np.concatenate([batch[0] for batch in batches]), images)
    assert np.array_equal(np.concatenate([batch[1] for batch in batches]), labels)


def test_full_batches_have_a_static_size(train):
    dataset = train.to_tf(5, drop_last=True)
    assert dataset.element_spec[0] == tf.TensorSpec((5, 64, 64, 3), tf.uint8)
    assert dataset.cardinality() == len(list(dataset)) == len(train) // 5


def test_columns_are_chosen_and_texts_are_strings(train, expected):
    images, _, paths = expected
    dataset = train.to_tf(8, columns=["path", "source_width"])
    assert [spec.dtype for spec in dataset.element_spec] == [tf.uint8, tf.string, tf.int32]
    assert [path.decode() for _, batch, _ in dataset.as_numpy_iterator() for path in batch] == paths
    alone = train.to_tf(8, columns=[])
    assert alone.element_spec == tf.TensorSpec((None, 64, 64, 3), tf.uint8)
    assert np.array_equal(np.concatenate(list(alone)), images)


def test_every_pass_is_another_epoch(train, expected):
    dataset = train.to_tf(8, shuffle=True, seed=5, columns=["path"])
    first, second = ([path for _, paths in dataset.as_numpy_iterator() for path in paths] for _ in range(2))
    assert first != second
    assert sorted(path.decode() for path in first) == sorted(path.decode() for path in second) == sorted(expected[2])
    repeated = train.to_tf(8, shuffle=True, seed=5, columns=["path"]).repeat(2)
    assert [path for _, paths in repeated.as_numpy_iterator() for path in paths] == first + second
    assert repeated.cardinality() == 2 * len(dataset)


def test_ranks_share_the_rows(train, expected):
    ranks = [train.to_tf(4, shuffle=True, columns=["path"], rank=rank, world_size=2, uneven="keep") for rank in range(2)]
    paths = [path.decode() for rank in ranks for _, batch in rank.as_numpy_iterator() for path in batch]
    assert sorted(paths) == sorted(expected[2])


def test_keras_trains_on_it(train):
    model = tf.keras.Sequential(
        [tf.keras.layers.Rescaling(1 / 255), tf.keras.layers.GlobalAveragePooling2D(), tf.keras.layers.Dense(3)]
    )
    model.compile("sgd", tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(train.to_tf(8, shuffle=True), epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all() and len(history.history["loss"]) == 2


def test_files_without_labels_give_tensors_alone(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    values = np.arange(60, dtype=np.float32).reshape(10, 6)
    pq.write_table(
        pa.table({"x": pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), 6)}), tmp_path / "x.parquet"
    )
    dataset = inlaid.open(tmp_path / "x.parquet").to_tf(4)
    assert dataset.element_spec == tf.TensorSpec((None, 6), tf.float32)
    assert np.array_equal(np.concatenate(list(dataset)), values)


def test_wrong_settings_are_told_at_once(train):
    with pytest.raises(inlaid.ColumnError, match="no column `nothing`"):
        train.to_tf(4, columns=["nothing"])
    with pytest.raises(TypeError, match="unexpected keyword argument 'batch'"):
        train.to_tf(4, batch=3)
