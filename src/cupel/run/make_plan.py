"""From a request to a plan: which cells are measured, at which size and settings, and what is skipped and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from cupel.measure.memory import fits
from cupel.run.plan import Cell, Plan, Request
from cupel.run.settings import check_keys, parse_value, split_settings, takes
from cupel.spec.card import SIZES, STEPPING_S, TIMEOUT_S, Scalar, Workload
from cupel.spec.catalog import Catalog, Entry, install_line, missing_extras
from cupel.spec.errors import NothingToRunError, UnknownNameError, UsageError
from cupel.spec.job import Job
from cupel.spec.suite import Suite, check_settings


def make_plan(request: Request, catalog: Catalog) -> Plan:
    """The plan for a request.

    Raises:
        UnknownNameError: an entry, suite, tag or setting that nothing has.
        SettingError: a value that a setting does not take.
        NothingToRunError: everything is skipped; the message says why.
    """
    if request.size not in ("auto", *SIZES):
        raise UnknownNameError("size", request.size, ("auto", *SIZES))
    asked, suites = _asked(request, catalog)
    _check_filters(request, [entry for entry, _, _, _ in asked])
    settings = split_settings(request.settings)
    check_keys(settings, [entry.card for entry, _, _, _ in asked])
    cells: dict[str, Cell] = {}
    skipped: dict[str, str] = {}
    notes: list[str] = []
    for entry, own, label, weight in asked:
        if not _is_wanted(entry, request):
            continue
        try:
            cell = _cell(entry, own, settings, request, label=label, weight=weight, size=_suite_size(request, suites))
        except _Skip as skip:
            skipped[label] = str(skip)
            continue
        if cell.key in cells and label != cells[cell.key].label:
            notes.append(f"{label} is the same work as {cells[cell.key].label}; it is measured once.")
        cells.setdefault(cell.key, cell)
        unused = [key for key in settings if key not in entry.card.settings and key not in entry.card.sizes("tiny")]
        if unused:
            notes.append(f"{label} has no setting {', '.join(unused)}; it runs without.")
    if not cells:
        reasons = (
            "; ".join(f"{name}: {why}" for name, why in skipped.items()) or "no entry has the tags that were asked"
        )
        raise NothingToRunError(f"Nothing to run. {reasons}.")
    suite = suites[0] if len(suites) == 1 else None
    return Plan(
        name=_run_name(request),
        request=request,
        cells=tuple(cells.values()),
        skipped=skipped,
        notes=tuple(notes),
        reference=request.reference or (suite.reference if suite else ""),
        scores=suite.scores if suite else ("cupel",),
    )


class _Skip(Exception):  # noqa: N818  it is no error: it leaves `_cell` with the reason why there is none
    """Why an entry is not measured."""


def _asked(
    request: Request, catalog: Catalog
) -> tuple[list[tuple[Entry, Mapping[str, Scalar], str, float]], list[Suite]]:
    """Entries with their own settings, labels and weights, suites opened."""
    found: list[tuple[Entry, Mapping[str, Scalar], str, float]] = []
    suites: list[Suite] = []
    for name in request.names:
        thing = catalog.find(name)
        if isinstance(thing, Entry):
            found.append((thing, {}, thing.stem, 1.0))
            continue
        suites.append(thing)
        for item in thing.entries:
            entry = catalog.find(item.run)
            assert isinstance(entry, Entry)
            found.append((entry, item.settings, item.label, item.weight))
    if not found:
        raise UsageError("Nothing was named; expected entries, suites or files, such as: cupel run smoke.")
    return found, suites


def _cell(
    entry: Entry,
    own: Mapping[str, Scalar],
    settings: Mapping[str, str],
    request: Request,
    *,
    label: str,
    weight: float,
    size: str,
) -> Cell:
    """One cell, or `_Skip` with the reason why not."""
    card = entry.card
    missing = missing_extras(card)
    if missing:
        raise _Skip(f"needs {', '.join(missing)}: {install_line(missing)}")
    size = _size(card, size, request.device)
    asked = dict(own) | {key: parse_value(entry, key, text) for key, text in settings.items() if takes(card, key)}
    check_settings(entry.stem, card.settings, card.sizes("tiny"), asked)
    sizes = card.sizes(size)
    overrides = {k: v for k, v in asked.items() if k in sizes and k not in card.settings and v != sizes[k]}
    chosen = {k: v for k, v in asked.items() if k in card.settings and v != card.settings[k][0]}
    words = " ".join(f"{key}={asked[key]}" for key in settings if key in asked)
    job = Job(
        entry=entry.key,
        source=str(entry.path),
        digest=entry.digest,
        module=entry.module or "",
        size=size,
        sizes={**sizes, **overrides},
        overrides=overrides,
        settings=chosen,
        device=request.device,
        threads=request.threads,
        stepping_s=card.stepping_s.get(size, STEPPING_S[size]),
        timeout_s=request.timeout_s or TIMEOUT_S[size],
    )
    return Cell(job=job, card=card, label=f"{label} {words}".strip(), weight=weight)


def _size(card: Workload, asked: str, device: str) -> str:
    """The size to run at."""
    if asked != "auto":
        return asked
    for size in ("small",) if device == "cpu" else ("full", "small"):
        if fits(card.memory_gib.get(size), device) is not False:
            return size
    needed = card.memory_gib.get("small")
    raise _Skip(f"its small size needs {needed:g} GiB, more than {device} has free; take --size tiny")


def _suite_size(request: Request, suites: Iterable[Suite]) -> str:
    """The size asked, else the one that a suite asks for."""
    sizes = {suite.size for suite in suites if suite.size}
    return sizes.pop() if request.size == "auto" and len(sizes) == 1 else request.size


def _check_filters(request: Request, entries: Iterable[Entry]) -> None:
    """Refuse a tag or an exclusion that nothing in the run has."""
    names = {entry.stem for entry in entries}
    tags = {tag for entry in entries for tag in entry.card.tags}
    for tag in request.tags:
        if tag not in tags:
            raise UnknownNameError("tag", tag, tags)
    for word in request.exclude:
        if word not in tags | names:
            raise UnknownNameError("entry or tag to exclude", word, tags | names)


def _is_wanted(entry: Entry, request: Request) -> bool:
    words = {entry.stem, *entry.card.tags}
    return (not request.tags or bool(words & set(request.tags))) and not words & set(request.exclude)


def _run_name(request: Request) -> str:
    """A short name for the run folder."""
    stems = [Path(name).stem if name.endswith((".py", ".toml")) else name.rpartition("/")[2] for name in request.names]
    return "+".join(stems) if len(stems) <= 3 else f"{stems[0]}+{len(stems) - 1}"
