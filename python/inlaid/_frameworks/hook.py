"""A module that is imported together with a package, whether that is imported before inlaid or after it.

The package is not imported for that, and never fails to import for it: what fails in the module changes nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def import_with(package: str, module: str) -> None:
    """Imports `module` once `package` has been imported: now, if it has been already."""
    if package in sys.modules:
        _try_to_import(module)
    else:
        sys.meta_path.insert(0, _Finder(package, module))


class _Finder:
    """Finds a package as all others do, and leaves word with its loader."""

    def __init__(self, package: str, module: str) -> None:
        self._package, self._module = package, module

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != self._package:
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        found = (finder.find_spec(name, path, target) for finder in others if hasattr(finder, "find_spec"))
        spec = next((spec for spec in found if spec is not None), None)
        # A loader that takes no attributes is left as it is.
        with suppress(AttributeError):
            self._follow(spec and spec.loader)
        return spec

    def _follow(self, loader: Any) -> None:
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            with suppress(ValueError):
                sys.meta_path.remove(self)
            _try_to_import(self._module)

        loader.exec_module = exec_module


def _try_to_import(module: str) -> None:
    # Whatever it is: the package may be another version, or another package of that name.
    with suppress(Exception):
        import_module(module)
