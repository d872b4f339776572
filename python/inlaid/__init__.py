"""Datasets of image tensors: made from folders of images, read at the speed of memory.

For example:

    import inlaid

    inlaid.convert("photos", out="dataset", size=224)
    train = inlaid.open("dataset")["train"]
    for batch in train.batches(64, shuffle=True):
        batch["image"]  # (64, 224, 224, 3) uint8
        batch["label"]  # (64,) int64, an index into train.classes
"""

from ._batches import Batches
from ._dataset import Dataset
from ._errors import (
    CacheWarning,
    ColumnError,
    DamagedError,
    DatasetWarning,
    DecodingWarning,
    DiskFullError,
    ExistsError,
    InlaidError,
    LockedError,
    NotFoundError,
    PartialPassWarning,
    RejectedError,
    RepeatedOrderWarning,
    RowError,
    SettingError,
    SkippedRowsWarning,
    SplitError,
    StoreError,
)
from ._frameworks.hook import import_with
from ._inlaid import Schema, __version__
from ._look import Sheet
from ._maintain import card, compact, info, rollback, verify
from ._open import Opened, open_dataset, open_table, report

# Not in `__all__`: `from inlaid import *` would put it in the place of the built-in function.
from ._open import open as open
from ._plan import Plan, work
from ._rejects import Reject, Rejects
from ._statistics import Histogram, SplitStatistics, Statistics
from ._table import Table
from ._views import Mixture, concat, mix
from ._write import append, convert, plan, repack

# Adds a feature of tensors to Hugging Face `datasets`.
import_with("datasets", "inlaid._frameworks.datasets")

__all__ = [
    "Batches",
    "CacheWarning",
    "ColumnError",
    "DamagedError",
    "Dataset",
    "DatasetWarning",
    "DecodingWarning",
    "DiskFullError",
    "ExistsError",
    "Histogram",
    "InlaidError",
    "LockedError",
    "Mixture",
    "NotFoundError",
    "Opened",
    "PartialPassWarning",
    "Plan",
    "Reject",
    "RejectedError",
    "Rejects",
    "RepeatedOrderWarning",
    "RowError",
    "Schema",
    "SettingError",
    "Sheet",
    "SkippedRowsWarning",
    "SplitError",
    "SplitStatistics",
    "Statistics",
    "StoreError",
    "Table",
    "__version__",
    "append",
    "card",
    "compact",
    "concat",
    "convert",
    "info",
    "mix",
    "open_dataset",
    "open_table",
    "plan",
    "repack",
    "report",
    "rollback",
    "verify",
    "work",
]
