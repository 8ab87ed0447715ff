"""A document as strict JSON: unknown numbers are null, keys in a stable order, lists of plain values on one line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

FIRST = ("schema", "kind", "headline")
INDENT = "  "


def render(document: Mapping[str, Any]) -> str:
    r"""The document as JSON that any parser takes, in ASCII, ending with a line end.

    Infinite values and NaN become null. `schema`, `kind` and `headline` stand first, other keys in alphabetical order.

    Example:
        >>> render({"b": float("nan"), "schema": 1, "a": [1, 2]})
        '{\n  "schema": 1,\n  "a": [1, 2],\n  "b": null\n}\n'
    """
    return _written(plain_data(document), "") + "\n"


def plain_data(value: object) -> Any:
    """The value made of dictionaries, lists, texts, finite numbers, booleans and null."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain_data(item) for key, item in value.items()}
    if isinstance(value, Real):
        number = int(value) if isinstance(value, Integral) else float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, Sequence):
        return [plain_data(item) for item in value]
    if hasattr(value, "tolist"):  # numpy's arrays and booleans
        return plain_data(value.tolist())
    return str(value)


def _written(value: Any, indent: str) -> str:
    """JSON text of plain data."""
    inner = indent + INDENT
    if isinstance(value, dict) and value:
        keys = sorted(value, key=lambda key: (FIRST.index(key) if key in FIRST else len(FIRST), key))
        rows = [f"{inner}{json.dumps(key)}: {_written(value[key], inner)}" for key in keys]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        return "[\n" + ",\n".join(inner + _written(item, inner) for item in value) + f"\n{indent}]"
    return json.dumps(value, allow_nan=False)
