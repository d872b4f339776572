"""Batches for JAX."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from .._batches import Batches
from .._errors import SettingError


class JaxBatches(Batches):
    """Batches as JAX arrays, on the default device or as a sharding says; otherwise as `Batches`."""

    def __init__(self, batches: Batches, sharding: jax.sharding.Sharding | None) -> None:
        super().__init__(batches.table, batches._settings, batches._transform)
        self.sharding: jax.sharding.Sharding | None = sharding
        """How the arrays lie on devices."""

    def _placed(self, batch: dict[str, Any]) -> Any:
        return jax.tree_util.tree_map_with_path(self._on_devices, super()._placed(batch))

    def _on_devices(self, path: tuple[Any, ...], values: Any) -> Any:
        if getattr(values, "dtype", None) is None or values.dtype.kind not in "biufcV":
            return values
        _check_fits(path, values)
        if self.sharding is None:
            return jax.device_put(values)
        return jax.make_array_from_process_local_data(self.sharding, values)


def _check_fits(path: tuple[Any, ...], values: Any) -> None:
    """Refuses numbers that the type that JAX makes of 64-bit ones can't hold: integers would wrap around, and floats
    become infinite."""
    # Few are of 64 bits: only those cost a look at their values.
    if values.dtype.kind not in "iuf" or values.dtype.itemsize < 8:
        return
    dtype = jax.dtypes.canonicalize_dtype(values.dtype)
    if dtype == values.dtype:
        return
    limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    wrong = (values < limits.min) | (values > limits.max)
    if dtype.kind == "f":
        wrong &= np.isfinite(values)
    if not wrong.any():
        return
    name = getattr(path[-1], "key", None) if path else None
    what = f"column `{name}`" if name is not None else f"batch{jax.tree_util.keystr(path)}"
    raise SettingError(
        f"{what} has {values[wrong].flat[0]}, which is too large for {dtype}, the type that JAX makes of {values.dtype}"
        ': `jax.config.update("jax_enable_x64", True)` keeps 64 bits, or leave it out'
    )
