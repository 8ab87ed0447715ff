"""Extras of the package: what each provides, which are missing, and how to install them."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterable

from cupel.spec.card import Workload
from cupel.spec.claim import Claim

EXTRAS = {
    "torch": ("torch",),
    "models": ("torch", "transformers", "diffusers"),
    "media": ("torch", "PIL", "soundfile", "av"),
    "games": ("torch", "ale_py"),
    "tabular": ("lightgbm",),
    "digits": ("torch", "sklearn"),
    "lightning": ("torch", "lightning"),
}
"""What each extra of the package provides."""


def missing_extras(card: Workload | Claim) -> tuple[str, ...]:
    """The extras that a card needs and this installation lacks."""
    return tuple(extra for extra in card.needs if not has_extra(extra))


def install_line(extras: Iterable[str]) -> str:
    """The command that installs extras of the package.

    Example:
        >>> install_line(("models",))
        "pip install 'cupel[models]'"
    """
    return f"pip install 'cupel[{','.join(extras)}]'"


@functools.cache
def has_extra(extra: str) -> bool:
    """Whether all that an extra provides is installed; found, not imported."""
    return all(importlib.util.find_spec(package) is not None for package in EXTRAS[extra])
