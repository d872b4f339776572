"""Which of several processes this one is."""

from __future__ import annotations

import os
import sys

from ._errors import SettingError
from ._settings import integer


def ranks(rank: int | None, world_size: int | None) -> tuple[int, int, bool]:
    """The rank, the number of processes, and whether they were found, since the caller gives neither."""
    if rank is None and world_size is None:
        return *found_ranks(), True
    if rank is None or world_size is None:
        raise SettingError("rank and world_size are given together, or neither of them")
    rank, world_size = integer("rank", rank, 0), integer("world_size", world_size, 1)
    if rank >= world_size:
        raise SettingError(f"rank {rank} is not below world_size {world_size}")
    return rank, world_size, False


def found_ranks() -> tuple[int, int]:
    """The rank and the number of processes as torch.distributed or JAX know them, once they are initialized, else as
    `RANK` and `WORLD_SIZE` in the environment say, which torchrun sets. Imports neither of the two."""
    torch = sys.modules.get("torch.distributed")
    if torch is not None and torch.is_available() and torch.is_initialized():
        return torch.get_rank(), torch.get_world_size()
    jax = sys.modules.get("jax")
    if jax is not None and jax.distributed.is_initialized():
        return jax.process_index(), jax.process_count()
    rank, world_size = os.environ.get("RANK"), os.environ.get("WORLD_SIZE")
    if rank is None or world_size is None:
        return 0, 1
    try:
        rank_number, size = int(rank), int(world_size)
    except ValueError:
        rank_number, size = -1, 0
    if not 0 <= rank_number < size:
        raise SettingError(
            f"RANK={rank} and WORLD_SIZE={world_size} in the environment are not a rank below a number of processes;"
            f" give rank and world_size"
        )
    return rank_number, size


def check_found(rank: int, world_size: int) -> None:
    """Raises `SettingError` if the ranks that were found have changed, since every process would read every row."""
    now = found_ranks()
    if now[1] > 1 and now != (rank, world_size):
        raise SettingError(
            f"this process is rank {now[0]} of {now[1]}, but was {rank} of {world_size} when the batches were made;"
            f" make them after the process group, or give rank and world_size"
        )
