"""Searchers by name: a file of `cupel.methods.searchers`, imported when it is asked for.

A name may carry options: `asha`, `asha_stopping:rule=rank`, `successive_halving:size=27,when_idle=wait`.
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

from cupel.spec.card import Scalar
from cupel.spec.errors import MissingExtraError, UnknownNameError, UsageError
from cupel.spec.read_space import scalar
from cupel.spec.search import Search, Searcher

FOLDER = Path(__file__).with_name("searchers")
EXTRA = "cupel[hpo]"
_WITHOUT_OPTION = ("self", "search", "sampler")


def searcher_names() -> list[str]:
    """Every searcher there is.

    Example:
        >>> "asha" in searcher_names()
        True
    """
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def find_searcher(text: str, search: Search) -> Searcher:
    """A searcher, ready to be asked.

    Args:
        text: its name, with options after a colon where there are any.
        search: what is searched.

    Raises:
        UnknownNameError: no such searcher, or an option that it does not have.
        UsageError: an option's value that it does not take.
        MissingExtraError: it needs a package that is not installed.
    """
    name, options = split_options(text)
    kind = _kind(name)
    known = [p for p in inspect.signature(kind).parameters if p not in _WITHOUT_OPTION]
    for option in options:
        if option not in known:
            raise UnknownNameError(f"option of {name}", option, known)
    try:
        found: Searcher = kind(search, **options)
    except ImportError as error:
        raise MissingExtraError(
            f"The searcher {name} needs {error.name or 'a package'}, which is not installed: pip install '{EXTRA}'."
        ) from error
    except TypeError as error:
        raise UsageError(f"The searcher {text!r} does not take its options: {error}.") from error
    return found


def split_options(text: str) -> tuple[str, dict[str, Scalar]]:
    """Name and options of a searcher as written.

    Raises:
        UsageError: an option without a value.

    Example:
        >>> split_options("grid:values=3")
        ('grid', {'values': 3})
    """
    name, _, rest = text.strip().partition(":")
    options = {}
    for part in filter(None, rest.split(",")):
        key, sign, value = part.partition("=")
        if not sign or not key.strip() or not value.strip():
            raise UsageError(f"The searcher {text!r} has the option {part!r}; expected NAME=VALUE.")
        options[key.strip()] = scalar(value)
    return name, options


def _kind(name: str) -> Any:
    """The class of a searcher: named after its file."""
    if name not in searcher_names():
        raise UnknownNameError("searcher", name, searcher_names())
    module = importlib.import_module(f"cupel.methods.searchers.{name}")
    return getattr(module, "".join(word.capitalize() for word in name.split("_")))
