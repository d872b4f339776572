"""Hugging Face `datasets` beside inlaid: columns of tensors have their shape and type in every format, and nothing is
copied that need not be. What it writes is read without inlaid too."""

import os
import subprocess
import sys
import textwrap

import datasets
import inlaid
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import CLASSES, SAMPLE, many_files

SMALL = ["--size", 16, *many_files(16 * 16 * 3)]
KINDS = {
    "u8": [],
    "u16": ["--dtype", "u16"],
    "f16": ["--dtype", "f16", "--layout", "chw"],
    "f32": ["--dtype", "f32", "--layout", "chw", "--mean", "imagenet", "--std", "imagenet"],
    "compressed": ["--compression", "zstd"],
    "binary": ["--storage", "binary"],
    "binary-f32": ["--storage", "binary", "--dtype", "f32", "--channels", "gray"],
    "arrow": ["--format", "arrow"],
    "arrow-binary": ["--format", "arrow", "--storage", "binary", "--dtype", "u16"],
}
TENSORS_IN_PARQUET = ["u8", "u16", "f16", "f32", "compressed"]


@pytest.fixture(scope="module")
def made(inlaid, tmp_path_factory):
    """A function that converts the sample, once for the same kind."""
    folder = tmp_path_factory.mktemp("huggingface")

    def convert(kind):
        if not (folder / kind).exists():
            inlaid("convert", SAMPLE, "--out", folder / kind, *SMALL, *KINDS[kind])
            assert len(list((folder / kind / "train").iterdir())) >= 2
        return folder / kind

    return convert


@pytest.fixture(scope="module")
def train(made):
    return inlaid.open(made("u8"))["train"]


@pytest.fixture
def alone(tmp_path):
    """A function that runs code in a process of its own, in an empty folder, and returns what it prints."""

    def run(code, **environment):
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            cwd=tmp_path,
            env={**os.environ, "HF_DATASETS_CACHE": str(tmp_path / "cache"), **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


def is_same(dataset, table):
    """Whether the rows are those of a table, tensors of the same type and shape included."""
    rows = zip(dataset, table, table.column("path"), table.column("label"), strict=True)
    return all(
        is_tensor(row["image"], tensor) and (row["path"], row["label"]) == (path, label)
        for row, tensor, path, label in rows
    )


def is_tensor(value, tensor):
    return isinstance(value, np.ndarray) and value.dtype == tensor.dtype and np.array_equal(value, tensor)


# Loading files


@pytest.mark.parametrize("kind", TENSORS_IN_PARQUET)
@pytest.mark.parametrize("streaming", [False, True])
def test_files_are_loaded(made, kind, streaming):
    files = f"{made(kind)}/train/*.parquet"
    loaded = datasets.load_dataset("parquet", data_files=files, split="train", streaming=streaming)
    assert loaded.features["label"] == datasets.ClassLabel(names=CLASSES)
    assert is_same(loaded, inlaid.open(made(kind))["train"])


def test_folder_of_a_split_is_loaded(made, train):
    assert is_same(datasets.load_dataset(str(made("u8") / "train"), split="train"), train)


def test_files_are_loaded_by_name(made, train):
    files = sorted(str(path) for path in (made("u8") / "train").iterdir())
    assert is_same(datasets.Dataset.from_parquet(files), train)


@pytest.mark.parametrize("kind", ["u8", "f32", "arrow"])
@pytest.mark.parametrize("streaming", [False, True])
def test_dataset_is_loaded_by_its_card(made, kind, streaming):
    loaded = datasets.load_dataset(str(made(kind)), streaming=streaming)
    assert list(loaded) == ["train", "validation", "test"]
    for name, table in inlaid.open(made(kind)).items():
        assert is_same(loaded[name], table)


@pytest.mark.parametrize("imports", ["import inlaid, datasets", "import datasets, inlaid"])
def test_order_of_imports_does_not_matter(made, alone, imports):
    printed = alone(f"""
        {imports}
        loaded = datasets.load_dataset("parquet", data_files="{made("u8")}/train/*.parquet", split="train")
        print(loaded[0]["image"].shape, loaded.with_format("numpy")[:3]["image"].dtype)
    """)
    assert printed == ["(16, 16, 3) uint8"]


def test_table_is_a_dataset_before_datasets_is_imported(made, alone):
    printed = alone(f"""
        import inlaid
        dataset = inlaid.open("{made("u8")}")["train"].to_hf()
        print(dataset[0]["image"].shape, dataset.with_format("numpy")[:3]["image"].dtype)
    """)
    assert printed == ["(16, 16, 3) uint8"]


def test_without_inlaid_features_of_the_card_load_files(made, alone):
    printed = alone(f"""
        import sys
        from datasets import load_dataset, load_dataset_builder
        features = load_dataset_builder("{made("u8")}").info.features
        files = "{made("u8")}/train/*.parquet"
        for streaming in (False, True):
            loaded = load_dataset("parquet", data_files=files, features=features, split="train", streaming=streaming)
            print(loaded.features["image"], len([row for row in loaded if len(row["image"]) == 768]))
        print("inlaid" in sys.modules)
    """)
    assert printed == [*["List(Value('uint8'), length=768) 33"] * 2, "False"]


def test_permuted_tensors_stay_lists(tmp_path):
    lists = pa.array([list(range(6))], pa.list_(pa.uint8(), 6))
    tensors = pa.fixed_shape_tensor(pa.uint8(), [2, 3], permutation=[1, 0])
    pq.write_table(pa.table({"image": tensors.wrap_array(lists)}), tmp_path / "a.parquet")
    loaded = datasets.Dataset.from_parquet(str(tmp_path / "a.parquet"))
    assert loaded.features["image"] == datasets.List(datasets.Value("uint8"), length=6)
    assert loaded[0]["image"] == list(range(6))


# Formats


@pytest.mark.parametrize("kind", ["u8", "u16", "f16", "f32"])
def test_numpy_format_has_shape_and_type(made, kind):
    table = inlaid.open(made(kind))["train"]
    dataset = table.to_hf().with_format("numpy")
    assert is_tensor(dataset[3]["image"], table[3])
    assert is_tensor(dataset[2:30]["image"], table[2:30])
    assert is_tensor(dataset["image"][:], table[:])
    assert dataset[2:30]["label"].dtype == np.int64


@pytest.mark.parametrize("format", ["torch", "jax", "tf"])
@pytest.mark.parametrize("kind", ["u8", "f16", "f32"])
def test_format_of_a_framework_has_shape_and_type(made, format, kind):
    pytest.importorskip({"tf": "tensorflow"}.get(format, format))
    table = inlaid.open(made(kind))["train"]
    dataset = table.to_hf().with_format(format)
    assert is_tensor(np.asarray(dataset[3]["image"]), table[3])
    assert is_tensor(np.asarray(dataset[2:30]["image"]), table[2:30])


def test_type_that_is_asked_for_is_given(train):
    dataset = train.to_hf().with_format("numpy", dtype="float32")
    assert is_tensor(dataset[:4]["image"], train[:4].astype("float32"))


def test_other_columns_have_the_types_that_datasets_gives_them(train):
    dataset = train.to_hf().add_column("box", [[1, 2, 3]] * len(train)).with_format("numpy")
    assert dataset[:2]["box"].dtype == np.int64


def test_values_may_be_written_to(train):
    dataset = train.to_hf()
    for row in (dataset[0], dataset.with_format("numpy")[0]):
        row["image"][:] = 0
    assert is_same(dataset, train)


@pytest.mark.parametrize("streaming", [False, True])
def test_data_loader_takes_datasets(made, train, streaming):
    torch = pytest.importorskip("torch")
    files = f"{made('u8')}/train/*.parquet"
    loaded = datasets.load_dataset("parquet", data_files=files, split="train", streaming=streaming)
    loader = torch.utils.data.DataLoader(loaded.with_format("torch"), batch_size=8, num_workers=2)
    rows = {}
    for batch in loader:
        assert batch["image"].dtype == torch.uint8
        rows |= dict(zip(batch["path"], batch["image"].numpy(), strict=True))
    assert len(rows) == len(train)
    assert all(np.array_equal(rows[path], tensor) for path, tensor in zip(train.column("path"), train, strict=True))


# Tables


@pytest.mark.parametrize("kind", KINDS)
def test_table_is_a_dataset(made, kind):
    for table in inlaid.open(made(kind)).values():
        dataset = table.to_hf()
        assert dataset.column_names == table.schema.names
        assert dataset.features["label"] == datasets.ClassLabel(names=CLASSES)
        assert is_same(dataset, table)


@pytest.mark.parametrize("kind", ["u8", "f32", "arrow", "binary"])
def test_table_is_a_dataset_without_a_copy(made, kind):
    table = inlaid.open(made(kind))["train"]
    before = pa.total_allocated_bytes()
    dataset = table.to_hf()
    assert pa.total_allocated_bytes() - before < 64 * len(table)
    row = 0
    for chunk in dataset.data["image"].chunks:
        assert np.shares_memory(chunk.to_numpy(), table[row : row + len(chunk)])
        row += len(chunk)
    assert row == len(table)


def test_file_of_another_tool_is_a_dataset(tmp_path):
    pixels = np.arange(5 * 12, dtype=np.uint8).reshape(5, 12)
    column = pa.FixedSizeListArray.from_arrays(pixels.reshape(-1), 12)
    pq.write_table(pa.table({"pixels": column, "n": range(5)}), tmp_path / "a.parquet", row_group_size=2)
    with pytest.warns(inlaid.DecodingWarning):
        dataset = inlaid.open(tmp_path / "a.parquet").to_hf()
    assert is_tensor(dataset.with_format("numpy")[:]["pixels"], pixels)
    assert dataset["n"][:] == list(range(5))


def test_dataset_without_classes_has_plain_labels(inlaid, tmp_path):
    source, out = SAMPLE / "circle", tmp_path / "dataset"
    inlaid("convert", source, "--out", out, "--folders", "none", "--split", "train=1", *SMALL)
    assert open_train(out).to_hf().features["label"] == datasets.Value("int64")


def test_class_names_are_those_of_the_last_append(inlaid, tmp_path):
    for name, image in (("a", "02-rgb.png"), ("b", "11-rgb.bmp"), ("c", "26-rgb.ppm")):
        (tmp_path / "source" / name).mkdir(parents=True)
        (tmp_path / "source" / name / image).symlink_to(next(SAMPLE.glob(f"*/{image}")))
    sources = [tmp_path / "source" / name for name in "abc"]
    out = tmp_path / "dataset"
    sources[2].rename(tmp_path / "later")
    inlaid("convert", tmp_path / "source", "--out", out, "--split", "train=1", *SMALL)
    (tmp_path / "later").rename(sources[2])
    inlaid("append", tmp_path / "source", "--out", out)
    dataset = open_train(out).to_hf()
    assert dataset.features["label"].names == ["a", "b", "c"]
    assert sorted(dataset["label"][:]) == [0, 1, 2]


def open_train(folder):
    return inlaid.open(folder)["train"]


# Working with them


@pytest.fixture(scope="module")
def dataset(train):
    return train.to_hf()


def test_splitting_and_filtering_keep_tensors(dataset, train):
    rows = {path: tensor for path, tensor in zip(train.column("path"), train, strict=True)}
    parts = dataset.train_test_split(0.25, seed=1)
    parts["squares"] = dataset.filter(lambda row: row["label"] == 1)
    assert [len(part) for part in parts.values()] == [24, 9, int((train.column("label") == 1).sum())]
    for part in parts.values():
        assert all(is_tensor(row["image"], rows[row["path"]]) for row in part)


@pytest.mark.parametrize("format", [None, "numpy", "torch"])
@pytest.mark.parametrize("batched", [False, True])
def test_mapping_makes_tensors_of_the_same_shape(dataset, train, format, batched):
    pytest.importorskip(format or "numpy")

    def inverted(row):
        return {"image": [255 - image for image in row["image"]] if batched else 255 - row["image"]}

    mapped = dataset.with_format(format).map(inverted, batched=batched)
    assert mapped.features == dataset.features
    assert is_tensor(mapped.with_format("numpy")[:]["image"], 255 - train[:])


def test_mapping_in_processes_keeps_tensors(dataset, train):
    mapped = dataset.map(mean_of, num_proc=2)
    assert is_same(mapped, train)
    assert mapped["mean"][:] == [float(tensor.mean()) for tensor in train]


def mean_of(row):
    return {"mean": float(row["image"].mean())}


def test_mapping_to_another_shape_makes_lists(dataset, train):
    """As many elements in another order are not taken for the same shape."""
    mapped = dataset.map(lambda row: {"image": row["image"].transpose(2, 0, 1)})
    assert np.array_equal(mapped[5]["image"], train[5].transpose(2, 0, 1))


def test_tensors_are_made_of_arrays_and_lists(dataset, train):
    columns = datasets.Features({"image": dataset.features["image"]})
    for images in ([train[0], None, train[1]], [train[0].tolist(), None, train[1].tolist()]):
        made = datasets.Dataset.from_dict({"image": images}, features=columns)
        assert made[1]["image"] is None
        assert is_tensor(made[0]["image"], train[0]) and is_tensor(made[2]["image"], train[1])
    made = datasets.Dataset.from_generator(lambda: ({"image": tensor} for tensor in train), features=columns)
    assert is_tensor(made.with_format("numpy")[:]["image"], train[:])
    flat = datasets.Dataset.from_dict({"image": train[:4].reshape(4, -1)})
    assert is_tensor(flat.cast_column("image", columns["image"])[3]["image"], train[3])
    with pytest.raises(ValueError, match=r"a tensor of shape \(3, 16, 16\) is not one of \(16, 16, 3\)"):
        columns.encode_example({"image": train[0].transpose(2, 0, 1)})


# Writing


@pytest.fixture
def written(dataset, tmp_path):
    dataset.to_parquet(tmp_path / "written.parquet", batch_size=10)
    dataset.save_to_disk(tmp_path / "written", num_shards=3)
    return tmp_path


def test_what_was_written_has_tensors_again(written, dataset, train):
    parquet = datasets.Dataset.from_parquet(str(written / "written.parquet"))
    for again in (parquet, datasets.load_from_disk(written / "written")):
        assert again.features == dataset.features
        assert is_same(again, train)


def test_what_was_written_is_lists_without_inlaid(written, alone):
    printed = alone("""
        import sys
        import datasets, pyarrow.parquet as pq
        for loaded in (datasets.Dataset.from_parquet("written.parquet"), datasets.load_from_disk("written")):
            print(loaded.features["image"], len([row for row in loaded if len(row["image"]) == 768]))
        print(pq.read_schema("written.parquet").field("image").type, "inlaid" in sys.modules)
    """)
    assert printed[:2] == ["List(Value('uint8'), length=768) 33"] * 2
    assert printed[2] == "fixed_size_list<element: uint8>[768] False"


def test_features_are_written_down_and_read(dataset):
    assert datasets.Features.from_dict(dataset.features.to_dict()) == dataset.features
    assert datasets.Features._from_yaml_list(dataset.features._to_yaml_list()) == dataset.features
    assert repr(dataset.features["image"]) == "Tensor(shape=(16, 16, 3), dtype='uint8')"


# Imports


def test_importing_inlaid_imports_neither_datasets_nor_pyarrow(alone):
    printed = alone("""
        import sys, inlaid, importlib.util
        print({"datasets", "pyarrow"} & set(sys.modules), importlib.util.find_spec("datasets").name)
    """)
    assert printed == ["set() datasets"]


@pytest.mark.parametrize(
    "files",
    [
        {"datasets.py": "x = 1"},
        {"datasets/__init__.py": "x = 1"},
        # Nothing is where it is looked for.
        {"datasets/__init__.py": "x = 1; List = None", "datasets/features.py": "", "datasets/table.py": ""},
        # Another way than by an ImportError.
        {"datasets/__init__.py": "x = 1\ndef __getattr__(name): raise SystemError(name)"},
    ],
)
def test_any_other_package_named_datasets_is_imported(alone, tmp_path, files):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    for imports in ("import inlaid, datasets", "import datasets, inlaid"):
        assert alone(f"{imports}; print(datasets.x)") == ["1"]


def test_package_that_fails_to_import_fails_as_it_does_alone(alone, tmp_path):
    (tmp_path / "datasets.py").write_text("raise RuntimeError('no')")
    printed = alone("""
        import inlaid
        for attempt in range(2):
            try:
                import datasets
            except RuntimeError as error:
                print(error)
    """)
    assert printed == ["no", "no"]
