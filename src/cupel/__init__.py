"""Cupel measures AI machines and compares ML methods, and says how sure it is."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_ROOMS = ("ledger", "measure", "methods", "report", "run", "spec", "stats", "study", "tasks")
_NAMES = {
    "Space": "cupel.spec.space",
    "Tuner": "cupel.study.minimize",
    "compare_methods": "cupel.study.compare_methods",
    "minimize": "cupel.study.minimize",
    "tell": "cupel.spec.tell",
}

__all__ = ["Space", "Tuner", "__version__", "compare_methods", "minimize", "tell"]


def __getattr__(name: str) -> Any:
    """A room (`cupel.stats`) or a name of one (`cupel.minimize`), imported when it is first asked for."""
    if name in _ROOMS:
        return import_module(f"cupel.{name}")
    if name in _NAMES:
        return getattr(import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'cupel' has no attribute {name!r}")
