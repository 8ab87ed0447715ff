"""What contract tests share: a digest of all that an object holds."""

from __future__ import annotations

import enum
import functools
import hashlib
import random
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

try:
    import torch
except ImportError:  # then there are no tensors either
    torch = None  # type: ignore[assignment]

PLAIN = (
    bool, int, float, complex, str, bytes, type(None), type(...), enum.Enum, Path, range, slice, type, np.generic,
    np.dtype, types.ModuleType, types.BuiltinFunctionType,
    *((torch.dtype, torch.device, torch.layout) if torch else ()),
)  # fmt: skip
"""What is told apart by its words."""


def fingerprint(thing: Any) -> str:
    """A digest of all that an object holds: numbers, tensors, arrays, models, generators, functions and their closures.

    Raises:
        TypeError: something in it cannot be told from another of its kind.
    """
    digest = hashlib.blake2b(digest_size=16)
    known: dict[int, tuple[int, Any]] = {}  # objects are held, so that no id is used twice

    def walk(x: Any) -> None:
        if isinstance(x, PLAIN):
            digest.update(f"{type(x).__name__} {x!r};".encode())
        elif id(x) in known:
            digest.update(f"again {known[id(x)][0]};".encode())
        else:
            known[id(x)] = (len(known), x)
            digest.update(f"{type(x).__qualname__}(".encode())
            for part in parts_of(x):
                walk(part)
            digest.update(b")")

    walk(thing)
    return digest.hexdigest()


def of_tensor(x: Any) -> list[Any]:
    """Type, shape and bytes."""
    dense = x.detach().cpu()
    dense = dense if dense.layout is torch.strided else dense.to_dense()
    return [x.dtype, tuple(x.shape), dense.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()]


PARTS: tuple[tuple[Any, Callable[[Any], list[Any]]], ...] = (
    *(((torch.Tensor, of_tensor), (torch.Generator, lambda x: [x.get_state()])) if torch else ()),
    (np.ndarray, lambda x: [x.dtype, x.shape, x.tolist() if x.dtype == object else x.tobytes()]),
    (np.random.Generator, lambda x: [x.bit_generator.state]),
    (random.Random, lambda x: [x.getstate()]),
    (Mapping, lambda x: [part for item in x.items() for part in item]),
    ((set, frozenset), lambda x: sorted(x, key=repr)),
    ((list, tuple), list),
    (functools.partial, lambda x: [x.func, x.args, x.keywords]),
    (types.MethodType, lambda x: [x.__func__, x.__self__]),
    (
        types.FunctionType,
        lambda x: [x.__qualname__, x.__defaults__, x.__kwdefaults__, *(c.cell_contents for c in x.__closure__ or ())],
    ),
)
"""What objects of these kinds are made of."""


def parts_of(x: Any) -> list[Any]:
    """What an object is made of: by its kind, else by its attributes."""
    for kinds, parts in PARTS:
        if isinstance(x, kinds):
            return parts(x)
    if hasattr(x, "__wrapped__"):
        return [x.__wrapped__]
    slots = [name for kind in type(x).__mro__ for name in getattr(kind, "__slots__", ()) if hasattr(x, name)]
    if not hasattr(x, "__dict__") and not slots:
        raise TypeError(f"Two {type(x)} cannot be told apart; teach PARTS what they hold.")
    return [getattr(x, "__dict__", None), [(name, getattr(x, name)) for name in slots]]


@pytest.fixture(scope="session", name="fingerprint")
def fingerprint_of() -> Callable[[Any], str]:
    """A digest of all that an object holds."""
    return fingerprint
