"""The rows of a dataset as tools other than the binary see them. Each is a function of a folder that returns a list of
(key, label) pairs; with pyarrow, of (key, hash of label and tensor). A tool that is not installed is left out.

A dataset is read in two ways. *By the list*: the shards that the manifest names, each at the length given there, as the
format advises. *By the folder*: whatever is in the folders of the splits, as tools do that know nothing of inlaid.
"""

import functools
import importlib.util
import io
import json
import logging
import os
import tempfile
import warnings
from pathlib import Path

CACHE = tempfile.TemporaryDirectory(prefix="inlaid-torture-cache-")
os.environ.update(
    HF_HOME=CACHE.name,
    HF_DATASETS_CACHE=f"{CACHE.name}/datasets",
    HF_HUB_OFFLINE="1",
    # `datasets` imports these if they are there, which takes seconds.
    USE_TORCH="0",
    USE_TF="0",
    USE_JAX="0",
    POLARS_MAX_THREADS="1",
)
warnings.filterwarnings("ignore")

import pyarrow as pa  # noqa: E402
import pyarrow.ipc  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from tree import MANIFEST  # noqa: E402

pa.set_cpu_count(1)
SPLITS = ["train", "validation", "test"]


def has(name):
    return importlib.util.find_spec(name) is not None


@functools.cache
def polars():
    return importlib.import_module("polars")


@functools.cache
def duckdb_connection():
    # Not the module's connection: its threads would outnumber the cores of all workers together.
    return importlib.import_module("duckdb").connect(config={"threads": 1})


@functools.cache
def datasets():
    module = importlib.import_module("datasets")
    module.disable_progress_bars()
    module.utils.logging.set_verbosity(logging.CRITICAL)
    return module


@functools.cache
def inlaid():
    return importlib.import_module("inlaid")


def table_of(data, name):
    """A whole shard, given its bytes."""
    if name.endswith(".arrow"):
        return pa.ipc.open_file(pa.py_buffer(data)).read_all()
    return pq.read_table(io.BytesIO(data), use_threads=False)


def rows_of(table):
    """(key, what the row holds) of every row. The content is a hash of label and image, the same within a process."""
    image = table["image"].combine_chunks()
    if isinstance(image, pa.ChunkedArray):
        image = image.chunk(0) if image.num_chunks else pa.array([], image.type)
    if isinstance(image.type, pa.FixedShapeTensorType):
        flat = image.storage.flatten().to_numpy(zero_copy_only=False)
        images = [row.tobytes() for row in flat.reshape(len(image), -1)] if len(image) else []
    else:
        images = [str(value) for value in image.to_pylist()]
    columns = (table["path"].to_pylist(), table["label"].to_pylist(), images)
    return [(key, hash((label, pixels))) for key, label, pixels in zip(*columns, strict=True)]


def rows_of_tree(tree):
    """Key and content of all rows of a tree's manifest, for the reference."""
    rows = []
    for name, length in listed(tree[MANIFEST]) if MANIFEST in tree else []:
        rows += rows_of(table_of(tree[name][:length], name))
    return rows


def listed(manifest):
    """Files that a manifest names, and their lengths. The only place that knows its keys: `splits` of
    schemas/manifest.schema.json."""
    splits = json.loads(manifest)["splits"]
    return [(shard["file"], shard["bytes"]) for split in splits.values() for shard in split["shards"]]


def read_list(out):
    """By the list, with pyarrow. None if there is no manifest."""
    try:
        manifest = Path(out, MANIFEST).read_bytes()
    except FileNotFoundError:
        return None
    rows = []
    for name, length in listed(manifest):
        with open(os.path.join(out, name), "rb") as file:
            data = file.read(length)
        if len(data) != length:
            raise EOFError(f"`{name}` has {len(data)} bytes, and {length} in the manifest")
        rows += rows_of(table_of(data, name))
    return rows


def files(out):
    """By the folder: paths of all files of all splits."""
    folders = [os.path.join(out, split) for split in SPLITS if os.path.isdir(os.path.join(out, split))]
    return [os.path.join(folder, name) for folder in folders for name in sorted(os.listdir(folder))]


def with_pyarrow(out):
    return [row for path in files(out) for row in rows_of(table_of(Path(path).read_bytes(), path))]


def with_polars(out):
    rows = []
    for path in files(out):
        read = polars().read_ipc if path.endswith(".arrow") else polars().read_parquet
        rows += read(path, columns=["path", "label"]).rows()
    return rows


def with_duckdb(out):
    paths = files(out)
    return duckdb_connection().execute("SELECT path, label FROM read_parquet(?)", [paths]).fetchall() if paths else []


def with_datasets(out):
    """None before the card is there, without which it knows no tensors. It opens no Arrow files with tensors."""
    if not os.path.exists(os.path.join(out, "README.md")):
        return None
    rows = []
    for split in datasets().load_dataset(str(out), streaming=True).values():
        rows += [(row["path"], row["label"]) for row in split.select_columns(["path", "label"])]
    return rows


def with_inlaid(out):
    """The package reads by the list itself. None if it sees no dataset."""
    if not os.path.exists(os.path.join(out, MANIFEST)):
        return None
    rows = []
    for table in inlaid().open_dataset(out).values():
        table[:]
        rows += zip(table.column("path"), (int(label) for label in table.column("label")), strict=True)
    return rows


# What reads by the folder, which formats it knows, and how often it is taken.
ALL = {
    "pyarrow": (with_pyarrow, {"parquet", "arrow"}, 4),
    "polars": (with_polars, {"parquet", "arrow"}, 4),
    "duckdb": (with_duckdb, {"parquet"}, 4),
    "datasets": (with_datasets, {"parquet"}, 1),
}
TOOLS = {name: tool for name, tool in ALL.items() if has(name)}
HAS_INLAID = has("inlaid")
LEFT_OUT = [name for name in [*ALL, "inlaid"] if not has(name)]
