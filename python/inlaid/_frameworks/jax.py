"""Batches for JAX."""

from __future__ import annotations

from typing import Any

import jax

from .._batches import Batches


class JaxBatches(Batches):
    """Batches as JAX arrays, on the default device or as a sharding says; otherwise as `Batches`."""

    def __init__(self, batches: Batches, sharding: jax.sharding.Sharding | None) -> None:
        super().__init__(batches.table, batches._settings, batches._transform)
        self.sharding: jax.sharding.Sharding | None = sharding
        """How the arrays lie on devices."""

    def _placed(self, batch: dict[str, Any]) -> Any:
        return jax.tree.map(self._on_devices, super()._placed(batch))

    def _on_devices(self, values: Any) -> Any:
        if getattr(values, "dtype", None) is None or values.dtype.kind not in "biufcV":
            return values
        if self.sharding is None:
            return jax.device_put(values)
        return jax.make_array_from_process_local_data(self.sharding, values)
