"""A module that is imported together with a package, whether that is imported before inlaid or after it.

The package is not imported for that, and never fails to import for it: what fails in the module changes nothing.
"""

from __future__ import annotations

import sys
import threading
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
    elif not any(getattr(finder, "inlaid", None) == (package, module) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder(package, module))


class _Finder:
    """Finds a package as all others do, and leaves word with its loader."""

    def __init__(self, package: str, module: str) -> None:
        self._package, self._module = package, module
        # What another finder of this kind is known by, also if this file is imported once more.
        self.inlaid = (package, module)
        self._finding = threading.local()

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        # Others may ask all finders, too.
        if name != self._package or getattr(self._finding, "is_on", False):
            return None
        self._finding.is_on = True
        try:
            return self._found(name, path, target)
        finally:
            self._finding.is_on = False

    def _found(self, name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
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
