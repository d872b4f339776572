"""Tables for JAX."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax

from .._batches import Batches


class JaxBatches(Batches):
    """Batches as JAX arrays on the default device; otherwise as `Batches`."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in super().__iter__():
            yield {name: values if values.dtype == object else jax.device_put(values) for name, values in batch.items()}
