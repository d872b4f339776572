"""Batches of PyTorch on their way to a device, one ahead of the training loop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import torch

from .._errors import SettingError

Position: TypeAlias = int
"""How many batches a pass is past."""


def known_device(device: Any, pin_memory: bool) -> torch.device | None:
    """The device, if there is one of this name. Memory can be pinned only for those of CUDA."""
    try:
        known = None if device is None else torch.device(device)
        if known is not None and known.type == "cuda" and not torch.cuda.is_available():
            raise SettingError(f"device is {str(device)!r}, but PyTorch finds no CUDA")
    except (RuntimeError, TypeError) as error:
        raise SettingError(f"device is one of PyTorch, not {device!r}: {error}") from None
    if pin_memory and not torch.cuda.is_available():
        raise SettingError("pin_memory=True is for copies to a device of CUDA, and PyTorch finds none")
    return known


def on_device(
    batches: Iterator[tuple[Position, list[Any]]], device: torch.device | None, pin_memory: bool
) -> Iterator[tuple[Position, list[Any]]]:
    """The batches with their tensors on the device. On CUDA, the copy of a batch begins, on a stream of its own, before
    the batch before it is yielded: so it overlaps with what the loop does."""
    if device is None and not pin_memory:
        yield from batches
        return
    if device is None or device.type != "cuda":
        for position, values in batches:
            yield position, [_copied(value, device, pin_memory) for value in values]
        return
    stream = torch.cuda.Stream(device)
    begun: tuple[Position, list[Any], Any] | None = None
    for position, values in batches:
        with torch.cuda.stream(stream):
            copies = [_copied(value, device, pin_memory) for value in values]
            done = stream.record_event()
        if begun is not None:
            yield _arrived(*begun, device)
        begun = position, copies, done
    if begun is not None:
        yield _arrived(*begun, device)


def _copied(value: Any, device: torch.device | None, pin_memory: bool) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    value = value.pin_memory() if pin_memory else value
    return value if device is None else value.to(device, non_blocking=True)


def _arrived(position: Position, copies: list[Any], done: Any, device: torch.device) -> tuple[Position, list[Any]]:
    """A batch for the stream of the loop, which waits for its copy, and for no later one."""
    current = torch.cuda.current_stream(device)
    current.wait_event(done)
    for copy in copies:
        if isinstance(copy, torch.Tensor):
            # Its memory is reused only when the loop's stream is past it.
            copy.record_stream(current)
    return position, copies
