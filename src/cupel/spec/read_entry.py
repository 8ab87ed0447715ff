"""An entry from its file's text: the card is parsed, never imported."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from cupel.spec.card import Workload
from cupel.spec.claim import Claim
from cupel.spec.entry import ClaimEntry, Entry
from cupel.spec.errors import CardError, UnknownNameError
from cupel.spec.extras import EXTRAS
from cupel.spec.job import digest_text
from cupel.spec.statement import PAIRED

CARDS: dict[str, type[Workload | Claim]] = {"Workload": Workload, "Claim": Claim}
"""Kinds of card, by the name that a file calls."""
SIGNATURES = {"task": "sizes, slot, rng", "instance": "sizes, rng", "check": "instance", "recompute": ""}
"""Arguments of a claim's functions that are no arm."""


def _is_mapping(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)


_TYPES: dict[str, tuple[str, Any]] = {
    "str": ("a string", lambda v: isinstance(v, str)),
    "float": ("a number", lambda v: isinstance(v, (int, float)) and not isinstance(v, bool)),
    "bool": ("True or False", lambda v: isinstance(v, bool)),
    "tuple[str, ...]": (
        "a tuple of strings, such as ('torch',)",
        lambda v: isinstance(v, tuple) and all(isinstance(x, str) for x in v),
    ),
    "Mapping[str, Scalar]": (
        "a dict of numbers, strings and booleans",
        lambda v: _is_mapping(v) and all(isinstance(x, (str, int, float, bool)) for x in v.values()),
    ),
    "Mapping[str, float]": (
        "a dict of numbers",
        lambda v: _is_mapping(v) and all(isinstance(x, (int, float)) for x in v.values()),
    ),
    "Mapping[str, tuple[Scalar, ...]]": ("a dict of tuples, the default first", _is_mapping),
    "Mapping[str, int]": (
        "a dict of whole numbers from 1",
        lambda v: _is_mapping(v) and all(type(x) is int and x > 0 for x in v.values()),
    ),
    "Mapping[str, str]": (
        "a dict of words",
        lambda v: _is_mapping(v) and all(isinstance(x, str) and x for x in v.values()),
    ),
    "tuple[Mapping[str, Any], ...]": (
        "a tuple of dicts, one per statement",
        lambda v: isinstance(v, tuple) and all(map(_is_mapping, v)),
    ),
}


def read_entry(path: Path, module: str | None = None) -> Entry | ClaimEntry:
    """An entry, from its file's text.

    Raises:
        CardError: no card, several cards, a card that is not literal or not complete, or a missing function; the
            message names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text, filename=str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise CardError(f"{path}: cannot be read: {error}.") from None
    except SyntaxError as error:
        raise CardError(f"{path}:{error.lineno}: not Python: {error.msg}.") from None
    call = _card_call(path, tree)
    assert isinstance(call.func, ast.Name)
    card = _build(path, call, call.func.id)
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    digest = digest_text(text)
    if isinstance(card, Workload):
        _refuse_missing(path, dict.fromkeys(("setup", "sane"), "sizes, slot, rng"), defined)
        return Entry("workload", path.stem, path, digest, module, card)
    _refuse_missing(path, {name: SIGNATURES.get(name, "task, slot, rng, hp") for name in card.functions}, defined)
    arms = {arm for said in card.said if said.kind == "speed" for arm in said.arms}
    has_trials = any(said.kind in PAIRED for said in card.said)  # an arm's plain function is then a trial, and no step
    lacking = [arm for arm in sorted(arms) if not {f"{arm}_step", *(() if has_trials else (arm,))} & defined]
    _refuse_missing(path, {f"{arm}_step": "task, slot, rng, hp" for arm in lacking}, defined)
    return ClaimEntry("claim", path.stem, path, digest, module, card)


def _refuse_missing(path: Path, expected: Mapping[str, str], defined: Collection[str]) -> None:
    """Refuse a module that lacks a function of its door; `expected` has the arguments by the function's name."""
    for function, arguments in expected.items():
        if function not in defined:
            raise CardError(f"{path}: no function {function!r}; expected def {function}({arguments}) in the module.")


def _card_call(path: Path, tree: ast.Module) -> ast.Call:
    """The one `CARD = Name(...)` of a module."""
    found = [node for node in tree.body if isinstance(node, ast.Assign) and "CARD" in map(_target, node.targets)]
    if len(found) != 1:
        lines = " and ".join(str(node.lineno) for node in found)
        what = f"CARD is set on lines {lines}" if found else "no module-level CARD"
        raise CardError(f"{path}: {what}; expected one CARD = {' or '.join(CARDS)}(...) at the top level.")
    value = found[0].value
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Name) or value.func.id not in CARDS:
        shown = ast.unparse(value)[:60]
        raise CardError(f"{path}:{found[0].lineno}: CARD is {shown}; expected a call of {' or '.join(CARDS)}.")
    return value


def _target(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _build(path: Path, call: ast.Call, kind: str) -> Workload | Claim:
    """The card of a call with literal keyword arguments."""
    fields = {f.name: f for f in dataclasses.fields(CARDS[kind])}
    if call.args:
        raise CardError(f"{path}:{call.args[0].lineno}: the card has an argument without a name; expected name=value.")
    values: dict[str, Any] = {}
    for keyword in call.keywords:
        where = f"{path}:{keyword.value.lineno}"
        if keyword.arg not in fields:
            asked = keyword.arg or "**"
            raise CardError(f"{where}: {UnknownNameError(f'field of a {kind} card', asked, fields)}")
        try:
            value = ast.literal_eval(keyword.value)
        except (ValueError, TypeError):
            shown = ast.unparse(keyword.value)[:60]
            raise CardError(
                f"{where}: {keyword.arg} is {shown!r}; expected a literal, since cards are read by parsing."
            ) from None
        expected, is_valid = _TYPES.get(str(fields[keyword.arg].type), ("", lambda _: True))
        if not is_valid(value):
            raise CardError(f"{where}: {keyword.arg} is {value!r}; expected {expected}.")
        values[keyword.arg] = value
    missing = [name for name, f in fields.items() if _is_required(f) and name not in values]
    if missing:
        raise CardError(f"{path}:{call.lineno}: the card lacks {', '.join(missing)}.")
    try:
        card = CARDS[kind](**values)
    except CardError as error:
        raise CardError(f"{path}:{call.lineno}: {error}") from None
    strange = [extra for extra in card.needs if extra not in EXTRAS]
    if strange:
        raise CardError(
            f"{path}:{call.lineno}: needs names {strange[0]!r}; expected extras of cupel: {', '.join(EXTRAS)}."
        )
    return card


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
