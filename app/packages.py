"""Packages whose own file is run when something is asked for that is in none of their modules."""

import importlib.util
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Modules that their package hides behind something else of the same name.
_HIDDEN = {"__version__", "main", "problem"}


@contextmanager
def hidden(name: str) -> Iterator[None]:
    """Have what is imported meanwhile find that a package is not there; but not if it is imported already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # the import system's own way to say so
    try:
        yield
    finally:
        del sys.modules[name]


def run_when_needed(name: str, **homes: str) -> None:
    """Postpone a package's own file, which Python would run before any module of the package.

    Args:
        name: the package.
        homes: names that it offers, and its modules that have them: who asks for these needs no more.
    """
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None or name in sys.modules:
        return
    package, loader = importlib.util.module_from_spec(spec), spec.loader
    lock, begun = threading.RLock(), threading.Event()

    def find(attribute: str) -> object:
        if attribute not in _HIDDEN and importlib.util.find_spec(f"{name}.{attribute}"):
            return importlib.import_module(f"{name}.{attribute}")
        if attribute in homes:
            return getattr(importlib.import_module(f"{name}.{homes[attribute]}"), attribute)
        with lock:  # Another thread waits until all of the file has run.
            if not begun.is_set():
                begun.set()
                loader.exec_module(package)
        try:
            return vars(package)[attribute]
        except KeyError:
            raise AttributeError(f"module {name!r} has no attribute {attribute!r}") from None

    package.__getattr__ = find  # type: ignore[method-assign]  # PEP 562
    sys.modules[name] = package
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, package)  # as the import system does
