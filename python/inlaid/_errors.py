"""What can go wrong. Every exception is an `InlaidError`, and also the built-in exception that fits."""

import os
import sys
import warnings


class InlaidError(Exception):
    """A call could not be carried out. The text names the file, row, column or keyword, and suggests a fix.

    `kind` is a word for the kind of failure, stable across releases (`schemas/error.schema.json`), and `hint` is the
    fix; either is None where there is none."""

    kind: str | None = None
    hint: str | None = None


class SettingError(InlaidError, ValueError):
    """A keyword has a value that it can't have."""


class NotFoundError(InlaidError, FileNotFoundError):
    """There is no such file, folder or dataset, or there are no images in a source."""


class DamagedError(InlaidError):
    """A file is damaged, or holds neither tensors nor images, or an image in it can't be decoded."""


class _NamedError(InlaidError, KeyError):
    def __str__(self) -> str:
        # KeyError would show the text as a quoted string.
        return Exception.__str__(self)


class ColumnError(_NamedError):
    """A table has no such column."""


class SplitError(_NamedError):
    """A dataset has no such split."""


class RowError(InlaidError, IndexError):
    """A table has no such row."""


class ExistsError(InlaidError, FileExistsError):
    """The output folder already holds something."""


class LockedError(InlaidError):
    """Another process is writing to the dataset."""


class RejectedError(InlaidError):
    """More images than allowed can't be used."""


class DecodingWarning(UserWarning):
    """The tensors of a table are not stored verbatim: every row is decoded."""


class DatasetWarning(UserWarning):
    """A remark on a dataset: its last commit was interrupted and can't be completed, or its card was left as it is."""


class RepeatedOrderWarning(UserWarning):
    """Shuffled batches are made anew and have the order of others that were read before, as in a loop that makes them
    for every epoch."""


class PartialPassWarning(UserWarning):
    """Passes over batches in stored order are left early, so that each reads the same rows."""


class SkippedRowsWarning(UserWarning):
    """Rows whose images can't be decoded are left out of batches, as `on_error="skip"` demands."""


class CacheWarning(UserWarning):
    """The cache of files in object stores is of little use: it can't be written, or is too small for a random order."""


class StoreError(InlaidError, OSError):
    """An object store denies access, does not answer, or answers with an error."""


class DiskFullError(InlaidError, OSError):
    """The disk is full; everything that was committed before is intact."""


def warn(text: str, category: type[Warning]) -> None:
    """Warns, and names the first line outside of the package."""
    frame, level, package = sys._getframe(0), 1, os.path.join(os.path.dirname(__file__), "")
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level)
