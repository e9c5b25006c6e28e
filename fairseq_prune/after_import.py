"""Doing something as soon as a package is imported, whoever imports it."""

import sys
from importlib.abc import Loader, MetaPathFinder
from typing import Callable


def after_import(name: str, then: Callable[[], object]) -> None:
    """Call ``then`` once ``name``, which has not been imported yet, is; before its importer goes
    on. What ``then`` raises ends the import."""
    sys.meta_path.insert(0, _Waiting(name, then))


class _Waiting(MetaPathFinder):
    """Finds the package as the other finders do, and then sees to its loading."""

    def __init__(self, name: str, then: Callable[[], object]):
        self._name, self._then = name, then

    def find_spec(self, fullname, path=None, target=None):
        if fullname != self._name:
            return None
        others = [f for f in sys.meta_path if f is not self and hasattr(f, "find_spec")]
        specs = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next((spec for spec in specs if spec is not None), None)
        # without a loader it is a folder that only happens to have the name
        if spec is not None and spec.loader is not None:
            spec.loader = _Loading(spec.loader, self._loaded)
        return spec

    def _loaded(self) -> None:
        self._then()
        # only now: what fails is to be tried again with the import
        if self in sys.meta_path:
            sys.meta_path.remove(self)


class _Loading(Loader):
    """Loads as ``loader`` does, which it puts back in its own place."""

    def __init__(self, loader, then: Callable[[], object]):
        self._loader, self._then = loader, then

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._then()
