"""What can go wrong. Every exception is an `InlaidError`, and also the built-in exception that fits."""


class InlaidError(Exception):
    """inlaid can't do what it was asked to; the text names the file, row, column or option, and a way out."""


class SettingError(InlaidError, ValueError):
    """An option has a value that it can't have."""


class NotFoundError(InlaidError, FileNotFoundError):
    """There is no such file, folder or dataset, or no image in a source."""


class DamagedError(InlaidError):
    """A file is damaged, or holds no tensors."""


class ColumnError(InlaidError, KeyError):
    """A table has no such column, or a dataset no such split."""

    def __str__(self) -> str:
        # KeyError would show the text as a quoted string.
        return Exception.__str__(self)


class RowError(InlaidError, IndexError):
    """A table has no such row."""


class ExistsError(InlaidError, FileExistsError):
    """The output folder holds something already."""


class LockedError(InlaidError):
    """Another process is writing to the dataset."""


class RejectedError(InlaidError):
    """More images than allowed can't be used."""


class DiskFullError(InlaidError, OSError):
    """The disk is full; what was committed before is whole."""
