"""Which epoch a pass over a dataset of PyTorch reads, whatever process reads it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.context import get_spawning_popen
from typing import Any

import torch

from .._errors import InlaidError, SettingError

# The words of the shared memory: the position, how often it was set, the position that would have been next before
# that, then the latest passes of workers, the last one first.
_EPOCH, _READ, _IS_BEGUN, _WORKERS_READ, _SETS, _OLD_EPOCH, _OLD_READ, _PASSES = range(8)
# Of each of these passes: the seed of its loader, its number for the workers of that loader, and how often the position
# had been set, which tell it from others; its epoch, the batches to skip, and the workers that have begun it, 62 to a
# word.
_SEED, _NUMBER, _PASS_SETS, _PASS_EPOCH, _SKIP, _BEGUN = range(6)
_BITS, _WORDS = 62, 17
_PASS = _BEGUN + _WORDS
_KEPT = 16
# Seconds that a process waits for the others, which hold the lock for less than a thousandth of one.
_PATIENCE = 60.0


class Passes:
    """The position of reading, in memory that a process shares with the workers of its loaders.

    A `DataLoader` makes an iterator of the dataset in each of its workers, at any time, and tells the dataset nothing.
    But all workers of a pass have the same base seed, which is another one for the next pass, or live on and count
    their passes. So the first worker of a pass begins the next epoch, and the others find it. A worker that was started
    before the position was set, and begins after that, reads what was next before.
    """

    def __init__(self) -> None:
        self._shared = torch.zeros(_PASSES + _KEPT * _PASS, dtype=torch.int64).share_memory_()
        # A lock of this context fits processes that are forked, too.
        self._lock = get_context("spawn").Lock()
        # How many passes this worker has begun for a loader, by its seed.
        self._counts: dict[int, int] = {}
        # How often the position was set, as far as this process knew when it was started.
        self._sets = 0

    @property
    def epoch(self) -> int:
        """The epoch of the pass that began last, or of the next one if none has."""
        return int(self._shared[_EPOCH])

    @property
    def read(self) -> int:
        """How many batches of the epoch were read in this process, or are skipped by the next pass."""
        return int(self._shared[_READ])

    @property
    def have_workers_read(self) -> bool:
        """Whether the last pass was that of workers."""
        return bool(self._shared[_WORKERS_READ])

    def set(self, epoch: int, read: int) -> None:
        """Makes the next pass begin there."""
        with self._locked():
            self._advance()
            self._shared[_OLD_EPOCH], self._shared[_OLD_READ] = self.epoch, self.read
            self._shared[_EPOCH], self._shared[_READ], self._shared[_WORKERS_READ] = epoch, read, 0
            self._shared[_SETS] += 1
            self._sets = int(self._shared[_SETS])

    def begin(self) -> tuple[int, int]:
        """The epoch of a new pass in this process, and the batches to skip. A pass that reads nothing is none."""
        with self._locked():
            self._advance()
            self._shared[_WORKERS_READ] = 0
            return self.epoch, self.read

    def move(self, epoch: int, read: int) -> None:
        """Says how far a pass in this process has come."""
        # NumPy sets numbers ten times as fast, and this is done for every batch.
        words = self._shared.numpy()
        with self._locked():
            words[_EPOCH], words[_READ], words[_IS_BEGUN] = epoch, read, 1

    def was_set(self) -> bool:
        """Whether the position was ever set."""
        return bool(self._shared[_SETS])

    def begin_in_worker(self, seed: int, worker: int) -> tuple[int, int]:
        """The epoch of a new pass, and the batches to skip, in a worker of the loader with this base seed."""
        number = self._counts.get(seed, 0)
        self._counts[seed] = number + 1
        word, bit = divmod(worker, _BITS)
        if word >= _WORDS:
            raise SettingError(f"a loader has at most {_BITS * _WORDS} workers")
        with self._locked():
            sets = int(self._shared[_SETS]) if number > 0 else self._sets
            key = torch.tensor([seed, number, sets])
            passes = self._shared[_PASSES:].view(_KEPT, _PASS)
            for one in passes:
                has_begun = int(one[_BEGUN + word]) >> bit & 1
                if one[: len(key)].equal(key) and not has_begun and one[_BEGUN:].any():
                    break
            else:
                position = self._next_position(sets)
                passes[1:] = passes[:-1].clone()
                one = passes[0]
                one.zero_()
                one[: len(key)] = key
                one[_PASS_EPOCH], one[_SKIP] = position
            one[_BEGUN + word] |= 1 << bit
            return int(one[_PASS_EPOCH]), int(one[_SKIP])

    def resume_in_worker(self, epoch: int) -> None:
        """Says that the pass that workers have begun last is of another epoch."""
        with self._locked():
            self._shared[_EPOCH] = self._shared[_PASSES + _PASS_EPOCH] = epoch

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Nobody else changes the memory meanwhile."""
        if not self._lock.acquire(timeout=_PATIENCE):
            raise InlaidError("a worker ended while it began a pass: make the dataset anew")
        try:
            yield
        finally:
            self._lock.release()

    def _next_position(self, sets: int) -> tuple[int, int]:
        """The position of a new pass of workers, which were started when the position had been set so often."""
        if sets != self._shared[_SETS]:
            return int(self._shared[_OLD_EPOCH]), int(self._shared[_OLD_READ])
        self._advance()
        self._shared[_IS_BEGUN] = self._shared[_WORKERS_READ] = 1
        return self.epoch, self.read

    def _advance(self) -> None:
        if self._shared[_IS_BEGUN]:
            self._shared[_EPOCH] += 1
            self._shared[_READ] = self._shared[_IS_BEGUN] = 0

    def __getstate__(self) -> dict[str, Any]:
        # A worker that is being spawned shares it; any other copy is another dataset.
        if get_spawning_popen() is not None:
            return self.__dict__
        return {"_shared": self._shared.clone(), "_lock": None, "_counts": {}, "_sets": int(self._shared[_SETS])}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._lock is None:
            self._lock = get_context("spawn").Lock()
            self._shared = self._shared.clone().share_memory_()


_read_before: dict[tuple[Any, ...], torch.Tensor] = {}


def read_before(order: tuple[Any, ...]) -> torch.Tensor:
    """A truth value that all datasets of this order share, with their workers: whether its first epoch was read."""
    if order not in _read_before:
        _read_before[order] = torch.zeros(1, dtype=torch.bool).share_memory_()
    return _read_before[order]
