"""Cupel measures AI machines and compares ML methods, and says how sure it is."""

from importlib import import_module
from types import ModuleType

__version__ = "0.1.0"

__all__ = ["__version__"]


def __getattr__(name: str) -> ModuleType:
    """A room, imported when it is first asked for (`cupel.stats`)."""
    if name in ("ledger", "measure", "report", "run", "spec", "stats", "study"):
        return import_module(f"cupel.{name}")
    raise AttributeError(f"module 'cupel' has no attribute {name!r}")
