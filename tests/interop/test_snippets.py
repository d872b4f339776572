"""What the examples of cards and of `docs/readers.md` give: all rows, with the right pixels, of splits of several files
and row groups. That all other examples run is tested in `test_readme.py`.

Each runs by itself, without inlaid unless it imports it, and then what is asserted here.
"""

import re
import subprocess
import sys
import textwrap

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import IS_LIGHT, REPOSITORY, SAMPLE, SIZE, many_files

PAGE = (REPOSITORY / "docs/readers.md").read_text()
PIXELS = SIZE * SIZE * 3


def run(code, folder):
    (folder / "example.py").write_text(code)
    program = [sys.executable, "-W", "error::UserWarning", "example.py"]
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{code}\n{done.stderr}"


# Cards

CARDS = {
    "tensor": ["--dtype", "u8"],
    "tensor-u16": ["--dtype", "u16"],
    "tensor-f16": ["--dtype", "f16"],
    "tensor-f32-chw": ["--dtype", "f32", "--layout", "chw"],
    "tensor-zstd": ["--compression", "zstd"],
    "binary": ["--storage", "binary"],
    "binary-f32": ["--storage", "binary", "--dtype", "f32"],
    "arrow": ["--format", "arrow"],
    "arrow-binary": ["--format", "arrow", "--storage", "binary"],
    "arrow-binary-u16": ["--format", "arrow", "--storage", "binary", "--dtype", "u16"],
}


@pytest.fixture
def converted(inlaid, tmp_path):
    """A function that converts the sample as the options say, with several files and row groups in a split."""

    def convert(*options, bytes_of_a_row=PIXELS):
        sizes = ("--size", SIZE, *many_files(bytes_of_a_row))
        inlaid("convert", SAMPLE, "--out", tmp_path / "dataset", *sizes, *options)
        files = sorted((tmp_path / "dataset/train").iterdir())
        assert len(files) >= 2 and row_groups(files[0]) >= 2
        return tmp_path / "dataset", files

    return convert


def example(dataset):
    return re.search(r"```python\n(.*?)```\n", (dataset / "README.md").read_text(), re.DOTALL)[1]


@pytest.mark.parametrize("kind", CARDS)
def test_example_of_a_card_reads_all_rows(converted, kind):
    size = next((size for dtype, size in {"16": 2, "f32": 4}.items() if dtype in kind), 1)
    dataset, files = converted(*CARDS[kind], bytes_of_a_row=size * PIXELS)
    code = example(dataset)
    # The last line of the example is in the loop over the batches.
    code_after = "        seen.append(images)\nimport numpy\nnumpy.save('seen.npy', numpy.concatenate(seen))\n"
    run(f"seen = []\n{code}{code_after}", dataset)
    seen = np.load(dataset / "seen.npy")
    shape, dtype = re.search(r"# \(rows, (.*?)\) (\w+)", code).groups()
    assert seen.shape[1:] == tuple(map(int, shape.split(", "))) and seen.dtype == dtype
    assert np.array_equal(seen, np.concatenate([pixels(file, seen) for file in files]))


def test_example_of_a_card_reads_all_image_files(converted):
    dataset, _ = converted("--storage", "encoded", bytes_of_a_row=1000)
    code = example(dataset)
    run(f"seen = []\n{code}    seen.append(image.size)\nassert seen == [({SIZE}, {SIZE})] * 33, seen", dataset)


def row_groups(file):
    if file.suffix == ".arrow":
        return pa.ipc.open_file(file).num_record_batches
    return pq.read_metadata(file).num_row_groups


def pixels(file, like):
    """The tensors of a file, from their bytes."""
    table = pa.ipc.open_file(file).read_all() if file.suffix == ".arrow" else pq.read_table(file)
    values = table["image"].combine_chunks()
    values = values if pa.types.is_fixed_size_binary(values.type) else values.storage.flatten()
    start = values.offset * (values.type.bit_width // 8)
    data = values.buffers()[1][start : start + len(table) * like[0].nbytes]
    return np.frombuffer(data.to_pybytes(), like.dtype).reshape(len(table), *like.shape[1:])


def test_card_says_which_paths_others_take(converted):
    dataset, _ = converted("--format", "arrow")
    line = "Readers other than `datasets` take the folder of a split, or the files `*/*.arrow`: not this folder"
    assert line in (dataset / "README.md").read_text()


# Other readers

EXAMPLES = re.compile(r"^## ([^\n]+)$|^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# What holds after each example, by its heading. `expected` are the pixels of the training rows, `labels` their labels.
CHECKS = {
    "pyarrow": [
        """
        assert len(images) >= 4
        assert np.array_equal(np.concatenate(images), expected)
        assert everything.num_rows == 40
        assert everything["split"].value_counts().to_pylist() == [
            {"values": "test", "counts": 3}, {"values": "train", "counts": 33}, {"values": "validation", "counts": 4}
        ]
        """,
        "assert np.array_equal(np.concatenate(seen), expected)",
    ],
    "pandas": ["assert np.array_equal(images, expected)"],
    "polars": ["assert np.array_equal(images, expected)"],
    "DuckDB": ["assert counts == [(label, int((expected_labels == label).sum())) for label in range(3)]"],
    "Hugging Face datasets": [
        """
        import torch
        assert np.array_equal(image, expected[0]) and image.dtype == np.uint8
        assert np.array_equal(batch.numpy(), expected[:8]) and batch.dtype == torch.uint8
        assert np.array_equal(np.stack([row["image"] for row in files]), expected)
        assert np.array_equal(np.stack(mapped["image"]), expected)
        """,
        """
        assert np.array_equal(images, expected[:8]) and images.dtype == np.uint8
        assert len(arrays) == 33 and names == ["circle", "square", "triangle"]
        assert arrays[0]["image"].shape == (12288,)
        """,
        "assert np.array_equal(train.with_format('numpy')[:]['image'].reshape(expected.shape), expected)",
    ],
    "TensorFlow": [
        """
        images, labels = zip(*train.unbatch().as_numpy_iterator())
        assert np.array_equal(np.stack(images), expected)
        assert np.array_equal(labels, expected_labels)
        """
    ],
    "PyTorch": [
        """
        import warnings
        warnings.simplefilter("ignore")  # There are more workers than cores, and than row groups.
        for workers in (0, 1, 3, 20):
            loader = torch.utils.data.DataLoader(Rows(), batch_size=None, num_workers=workers)
            seen = sorted((image.numpy().tobytes(), label) for image, label in loader)
            assert seen == sorted((image.tobytes(), label) for image, label in zip(expected, expected_labels))
        """
    ],
}
FRAMEWORKS = re.compile(r"\btorch\b|\btensorflow\b")


def examples():
    heading, found = None, []
    for title, code in EXAMPLES.findall(PAGE):
        heading = title or heading
        if code:
            number = found.count(heading)
            found.append(heading)
            yield pytest.param(code, CHECKS[heading][number], id=f"{heading} {number + 1}")


def test_all_examples_are_checked():
    assert len(list(examples())) == sum(map(len, CHECKS.values()))


@pytest.mark.parametrize(("code", "check"), list(examples()))
def test_example_of_a_reader_reads_all_rows(converted, code, check):
    check = textwrap.dedent(check)
    if FRAMEWORKS.search(code + check) and IS_LIGHT:
        pytest.skip("needs a framework")
    dataset, files = converted()
    table = pa.concat_tables(pq.read_table(file) for file in files)
    expected = np.concatenate([pixels(file, np.zeros((1, SIZE, SIZE, 3), np.uint8)) for file in files])
    np.savez(dataset.parent / "expected.npz", images=expected, labels=table["label"].to_numpy())
    if code.endswith("# (rows, 64, 64, 3) uint8\n"):
        code = f"seen = []\n{code}        seen.append(images)\n"
    run(
        f"{code}\nimport numpy as np\nloaded = np.load('expected.npz')\n"
        f"expected, expected_labels = loaded['images'], loaded['labels']\n{check}",
        dataset.parent,
    )


# Paths


def test_folder_of_a_dataset_is_read_as_the_table_says(converted):
    dataset, _ = converted()
    run(
        """
import glob, pandas, polars, duckdb, pyarrow.parquet as pq
every, train = sorted(glob.glob("dataset/*/*.parquet")), "dataset/train"
assert pq.read_table(every).num_rows == len(pandas.read_parquet(every)) == 40
assert pq.read_table(train).num_rows == len(pandas.read_parquet(train)) == len(polars.read_parquet(train)) == 33
assert len(polars.read_parquet("dataset/*/*.parquet")) == 40
assert duckdb.sql("select count(*) from 'dataset/*/*.parquet'").fetchall() == [(40,)]
assert duckdb.sql("select count(*) from 'dataset/train/*.parquet'").fetchall() == [(33,)]
for read in (pq.read_table, pandas.read_parquet, polars.read_parquet):
    try:
        read("dataset")
    except Exception as error:
        assert "README.md" in str(error), error
    else:
        raise AssertionError(read)
""",
        dataset.parent,
    )


def test_arrow_files_are_read_as_the_page_says(converted):
    dataset, _ = converted("--format", "arrow")
    run(
        """
import pyarrow.dataset as ds
assert ds.dataset("dataset/train", format="arrow").count_rows() == 33
assert ds.dataset("dataset", format="arrow", exclude_invalid_files=True).count_rows() == 40
""",
        dataset.parent,
    )
