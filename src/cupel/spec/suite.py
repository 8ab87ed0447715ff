"""Suites: which entries are run together, with which weights, read from one TOML file per suite.

title = "Smoke"
about = "One workload of each kind."
reference = "laptop-cpu"        # name of a shipped reference run; scores are relative to it
size = "small"                  # optional; otherwise the largest that fits
scores = ["cupel"]              # may add "milabench"

[[entries]]
run = "matmul"                  # a workload's or claim's name, or the path of a file, relative to the suite
weight = 1.0
set = { precision = "bf16" }    # settings or numbers of the size
label = "matmul bf16"           # optional
nodes = 2                       # optional: a job over several machines
differs = "..."                 # optional: from what the label names elsewhere

[without]                       # optional: what is left out of another's list, and why
some_benchmark = "..."

A suite holds workloads or claims, not both: the ones give rates and a score, the others verdicts.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cupel.spec.card import SIZES, Scalar
from cupel.spec.errors import CardError, SettingError, UnknownNameError, UsageError

if TYPE_CHECKING:
    from cupel.spec.catalog import Catalog

SCORES = ("cupel", "milabench")
"""The scores that a suite may ask for."""

_SUITE_KEYS = {
    "title": str,
    "about": str,
    "reference": str,
    "size": str,
    "scores": list,
    "entries": list,
    "without": dict,
}
_ENTRY_KEYS = {"run": str, "weight": (int, float), "set": dict, "label": str, "nodes": int, "differs": str}
_HEADING = re.compile(r"\s*\[\[\s*entries\s*\]\]\s*(#.*)?")
_WORDS: dict[Any, str] = {
    str: "a string",
    list: "a list",
    dict: "a table",
    int: "a whole number",
    (int, float): "a number",
}


@dataclass(frozen=True)
class SuiteEntry:
    """One cell of a suite.

    Args:
        run: name of the entry, or the absolute path of its file.
        weight: its weight in the score, at least 0.
        settings: what its `set` says: settings, or numbers of the size.
        label: its name for people.
        nodes: machines that the work is meant for; more than one is skipped on a single machine.
        differs: how it differs from what the label names elsewhere, and why.
        line: line of the suite's file where it starts.
    """

    run: str
    weight: float
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    label: str = ""
    nodes: int = 1
    differs: str = ""
    line: int = 0


@dataclass(frozen=True)
class Suite:
    """A suite as its file says it.

    Args:
        stem: the name of its file.
        title: its name for people.
        about: what it is for, in a sentence or two.
        path: its file.
        entries: its cells, in the file's order.
        reference: name of the recorded run that its score is relative to; empty where there is none.
        size: the size to run at; None takes the largest that fits.
        scores: the scores it asks for, of `SCORES`.
        without: what a suite after another's model leaves out, by name, and why.
    """

    stem: str
    title: str
    about: str
    path: Path
    entries: tuple[SuiteEntry, ...]
    reference: str = ""
    size: str | None = None
    scores: tuple[str, ...] = ("cupel",)
    without: Mapping[str, str] = field(default_factory=dict)


def load_suite(path: Path | str) -> Suite:
    """A suite, from its file.

    Raises:
        CardError: the file is not TOML, or has an unknown key, a wrong type, a negative weight or the same cell twice;
            the message names file and line.
    """
    path = Path(path).resolve()
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise CardError(f"{path}: cannot be read: {error}.") from None
    except tomllib.TOMLDecodeError as error:
        raise CardError(f"{path}: not TOML: {error}.") from None
    source = _Source(path, text)
    source.check_keys(data, _SUITE_KEYS, ())
    for name in ("title", "entries"):
        if not data.get(name):
            raise CardError(f"{path}: the suite lacks {name!r}; expected a title and at least one [[entries]].")
    if data.get("size") not in (None, *SIZES):
        raise source.error(("size",), f"size is {data['size']!r}; expected one of {', '.join(SIZES)}.")
    scores = tuple(data.get("scores", ["cupel"]))
    for score in scores:
        if score not in SCORES:
            raise source.error(("scores",), f"there is no score {score!r}; expected some of {', '.join(SCORES)}.")
    entries = tuple(_read_cell(source, index, item) for index, item in enumerate(data["entries"]))
    _check_cells(source, entries)
    return Suite(
        stem=path.stem,
        title=data["title"],
        about=data.get("about", ""),
        path=path,
        entries=entries,
        reference=data.get("reference", ""),
        size=data.get("size"),
        scores=scores,
        without={str(name): str(why) for name, why in data.get("without", {}).items()},
    )


def check_suite(suite: Suite, catalog: Catalog) -> None:
    """Refuse a suite that names an entry, a setting or a value that is not there, or that mixes workloads and claims.

    Raises:
        CardError: with the suite's file and line.
    """
    first = ""
    for index, cell in enumerate(suite.entries):
        key = "run"
        try:
            found = catalog.find(cell.run)
            if isinstance(found, Suite):
                raise CardError(
                    f"run names the suite {cell.run!r}; expected a workload or claim, a suite holds no suites."
                )
            first = first or found.kind
            if found.kind != first:
                raise CardError(
                    f"{cell.run!r} is a {found.kind}, and those before it are {first}s; expected one of the two, since "
                    "workloads give rates and claims verdicts. Make a suite of each."
                )
            for key, value in cell.settings.items():
                check_settings(found.stem, found.card.all_settings, found.card.sizes("tiny"), {key: value})
        except UsageError as error:
            source = _Source(suite.path, suite.path.read_text(encoding="utf-8"))
            place = ("entries", index, "run") if key == "run" else ("entries", index, "set", key)
            raise source.error(place, str(error)) from None
    if first == "claim" and suite.reference:
        source = _Source(suite.path, suite.path.read_text(encoding="utf-8"))
        text = f"reference is {suite.reference!r}; expected none, since claims have verdicts and no score."
        raise source.error(("reference",), text)


def check_settings(
    stem: str,
    settings: Mapping[str, tuple[Scalar, ...]],
    sizes: Mapping[str, Scalar],
    asked: Mapping[str, Scalar],
) -> None:
    """Refuse what an entry does not take.

    Args:
        stem: the entry's name, for the message.
        settings: the entry's settings and their values.
        sizes: the numbers of any of its sizes.
        asked: what was set.

    Raises:
        SettingError: an unknown key, a value that the setting does not have, or a number of another type.
    """
    for key, value in asked.items():
        if key in settings:
            if value not in settings[key]:
                raise SettingError(f"{stem} takes {key} = {', '.join(map(str, settings[key]))}; asked was {value!r}.")
        elif key not in sizes:
            raise SettingError(str(UnknownNameError(f"setting of {stem}", key, [*settings, *sizes])))
        elif not _same_type(value, sizes[key]):
            raise SettingError(f"{stem}'s {key} is like {sizes[key]!r}; asked was {value!r}.")


def _same_type(value: Scalar, like: Scalar) -> bool:
    if isinstance(like, float) and not isinstance(value, bool):
        return isinstance(value, (int, float))
    return type(value) is type(like)


def _read_cell(source: _Source, index: int, item: object) -> SuiteEntry:
    where = ("entries", index)
    if not isinstance(item, dict):
        raise source.error(where, f"entry {index + 1} is {item!r}; expected a table with run = ... .")
    source.check_keys(item, _ENTRY_KEYS, where)
    if not item.get("run"):
        raise source.error(where, f"entry {index + 1} lacks 'run'; expected the name of a workload or claim.")
    weight = float(item.get("weight", 1.0))
    if not 0 <= weight < math.inf:
        raise source.error((*where, "weight"), f"weight is {weight:g}; expected 0 or more, and finite.")
    settings = item.get("set", {})
    for key, value in settings.items():
        if not isinstance(value, (str, int, float, bool)):
            raise source.error((*where, "set", key), f"{key} is {value!r}; expected a string, a number or a boolean.")
    run = item["run"]
    words = " ".join(f"{k}={v}" for k, v in settings.items())
    label = item.get("label") or f"{Path(run).stem} {words}".strip()
    if run.endswith(".py"):
        run = str((source.path.parent / run).resolve())
    nodes = item.get("nodes", 1)
    if nodes < 1:
        raise source.error((*where, "nodes"), f"nodes is {nodes}; expected 1 or more.")
    return SuiteEntry(
        run=run,
        weight=weight,
        settings=settings,
        label=label,
        nodes=nodes,
        differs=" ".join(item.get("differs", "").split()),
        line=source.line_of_entry(index) or 0,
    )


def _check_cells(source: _Source, entries: tuple[SuiteEntry, ...]) -> None:
    """Each label once, each cell once unless it has no weight, and some weight above 0."""
    for what in ("cell", "label"):
        first: dict[object, int] = {}
        for index, entry in enumerate(entries):
            cell = (entry.run, entry.nodes, tuple(sorted((k, repr(v)) for k, v in entry.settings.items())))
            key = cell if what == "cell" else entry.label
            if what == "cell" and not entry.weight:
                continue
            if key in first:
                place = entries[first[key]].line
                text = f"{entry.label!r} has the same {what} as the entry on line {place}; expected each once."
                raise source.error(("entries", index), text)
            first[key] = index
    if not any(entry.weight > 0 for entry in entries):
        raise CardError(f"{source.path}: every weight is 0; expected one above 0, or there is nothing to score.")


@dataclass(frozen=True)
class _Source:
    """A TOML text that knows the lines of its keys."""

    path: Path
    text: str

    def line(self, where: tuple[str | int, ...]) -> int | None:
        """Line where the statement that introduces a key starts.

        A text cut after a whole statement is TOML, one cut within a statement is not. So the statement is the one that
        ends where the key is first there, and it starts after the last cut before that.
        """
        lines = self.text.splitlines(keepends=True)
        start = 1
        for end in range(1, len(lines) + 1):
            try:
                data = tomllib.loads("".join(lines[:end]))
            except tomllib.TOMLDecodeError:
                continue
            if _has(data, where):
                return start
            start = end + 1
        return None

    def line_of_entry(self, index: int) -> int | None:
        """Line where an entry starts: by its heading where every entry has one, which costs less than parsing."""
        lines = [number for number, line in enumerate(self.text.splitlines(), 1) if _HEADING.fullmatch(line)]
        if len(lines) == len(tomllib.loads(self.text).get("entries", ())):
            return lines[index]
        return self.line(("entries", index))

    def error(self, where: tuple[str | int, ...], text: str) -> CardError:
        """An error that names file and line."""
        return CardError(f"{self.path}:{self.line(where)}: {text}")

    def check_keys(self, table: Mapping[str, Any], expected: Mapping[str, Any], where: tuple[str | int, ...]) -> None:
        """Refuse unknown keys and wrong types."""
        for key, value in table.items():
            if key not in expected:
                raise self.error((*where, key), str(UnknownNameError("key", key, expected)))
            is_bool = isinstance(value, bool)
            if is_bool or not isinstance(value, expected[key]):
                raise self.error((*where, key), f"{key} is {value!r}; expected {_WORDS[expected[key]]}.")


def _has(data: Any, where: tuple[str | int, ...]) -> bool:
    for part in where:
        if isinstance(part, int):
            if not isinstance(data, list) or len(data) <= part:
                return False
        elif not isinstance(data, dict) or part not in data:
            return False
        data = data[part]
    return True
