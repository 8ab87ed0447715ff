"""From a request to a plan: which cells are measured, at which size and settings, and what is skipped and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cupel.measure.memory import device_memory_bytes, fits
from cupel.run.device import num_ranks
from cupel.run.plan import Cell, Plan, Request
from cupel.run.settings import check_keys, parse_value, split_settings, takes
from cupel.spec.card import SIZES, STEPPING_S, TIMEOUT_S, Scalar, Workload
from cupel.spec.catalog import Catalog
from cupel.spec.entry import ClaimEntry, Entry
from cupel.spec.errors import NothingToRunError, UnknownNameError, UsageError
from cupel.spec.extras import install_line, missing_extras
from cupel.spec.job import Job
from cupel.spec.suite import Suite, check_settings
from cupel.spec.units import format_bytes

APART = "Workloads measure machines and claims compare methods; run them apart."


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
    _check_filters(request, [item.entry for item in asked])
    settings = split_settings(request.settings)
    check_keys(settings, [item.entry.card for item in asked])
    size = _suite_size(request, suites)
    cells: dict[str, Cell] = {}
    skipped: dict[str, str] = {}
    notes: list[str] = []
    for item in asked:
        if not _is_wanted(item.entry, request):
            continue
        try:
            cell = _cell(item, settings, request, size)
        except _Skip as skip:
            skipped[item.label] = str(skip)
            continue
        _refuse_other_source(cells.get(cell.key), cell)
        if cell.key in cells and item.label != cells[cell.key].label:
            notes.append(f"{item.label} is the same work as {cells[cell.key].label}; it is measured once.")
        cells.setdefault(cell.key, cell)
        notes += _too_large(cell, is_chosen=size != "auto")
        unused = [key for key in settings if not takes(item.entry.card, key)]
        if unused:
            notes.append(f"{item.label} has no setting {', '.join(unused)}; it runs without.")
    if not cells:
        reasons = (
            "; ".join(f"{name}: {why}" for name, why in skipped.items()) or "no entry has the tags that were asked"
        )
        raise NothingToRunError(f"Nothing to run. {reasons}.")
    suite = suites[0] if len(suites) == 1 else None
    return Plan(
        name=run_name(request.names),
        request=request,
        cells=tuple(cells.values()),
        skipped=skipped,
        notes=tuple(notes),
        reference=request.reference or (suite.reference if suite else ""),
        scores=suite.scores if suite else ("cupel",),
    )


def _refuse_other_source(known: Cell | None, cell: Cell) -> None:
    """Two files of one name would be taken for the same work."""
    if known is not None and known.job.source != cell.job.source:
        raise UsageError(
            f"{known.job.source} and {cell.job.source} have the same name, so their rates would be taken for each "
            "other's. Rename one, or run them one after the other and compare."
        )


@dataclass(frozen=True)
class _Asked:
    """An entry as it was asked for: with its own settings, label and weight."""

    entry: Entry
    settings: Mapping[str, Scalar]
    label: str
    weight: float
    nodes: int = 1


class _Skip(Exception):  # noqa: N818  it is no error: it leaves `_cell` with the reason why there is none
    """Why an entry is not measured."""


def _asked(request: Request, catalog: Catalog) -> tuple[list[_Asked], list[Suite]]:
    """Entries with their own settings, labels and weights, suites opened."""
    found: list[_Asked] = []
    suites: list[Suite] = []
    for name in request.names:
        thing = catalog.find(name)
        if isinstance(thing, Entry):
            found.append(_Asked(thing, {}, thing.stem, 1.0))
            continue
        if isinstance(thing, ClaimEntry):
            raise UsageError(f"{name} is a claim, asked among workloads. {APART}")
        suites.append(thing)
        for item in thing.entries:
            entry = catalog.find(item.run)
            if not isinstance(entry, Entry):
                raise UsageError(f"{name} has {item.run}, which is no workload. {APART}")
            found.append(_Asked(entry, item.settings, item.label, item.weight, item.nodes))
    if not found:
        raise UsageError("Nothing was named; expected entries, suites or files, such as: cupel run smoke.")
    return found, suites


def _cell(item: _Asked, settings: Mapping[str, str], request: Request, size: str) -> Cell:
    """One cell, or `_Skip` with the reason why not."""
    entry, card = item.entry, item.entry.card
    if item.nodes > 1:
        raise _Skip(f"not testable here: it is a job over {item.nodes} nodes, and this is a run on one")
    missing = missing_extras(card)
    if missing:
        raise _Skip(f"needs {', '.join(missing)}: {install_line(missing)}")
    device = request.device if {"torch", "models"} & set(card.needs) else "cpu"
    size = _size(card, size, device)
    asked = dict(item.settings) | {
        key: parse_value(entry, key, text) for key, text in settings.items() if takes(card, key)
    }
    known = card.all_settings
    check_settings(entry.stem, known, card.sizes("tiny"), asked)
    sizes = card.sizes(size)
    overrides = {k: v for k, v in asked.items() if k in sizes and k not in known and v != sizes[k]}
    chosen = {k: v for k, v in asked.items() if k in known and v != known[k][0]}
    devices = str({"devices": known.get("devices", ("one",))[0], **asked}["devices"])
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
        device=device,
        threads=request.threads,
        ranks=num_ranks(devices, device),
        stepping_s=card.stepping_s.get(size, STEPPING_S[size]),
        timeout_s=request.timeout_s or TIMEOUT_S[size],
    )
    return Cell(job=job, card=card, label=f"{item.label} {words}".strip(), weight=item.weight)


def _too_large(cell: Cell, *, is_chosen: bool) -> list[str]:
    """A note where the size that was asked for is larger than what the device has free; it is tried nevertheless."""
    job = cell.job
    needed = cell.card.memory_gib.get(job.size)
    if not is_chosen or job.overrides or needed is None:
        return []
    memory = device_memory_bytes(job.device)
    if memory is None or fits(needed, job.device, memory=memory) is not False:
        return []
    return [f"{cell.label} needs {needed:g} GiB at {job.size}; {job.device} has {format_bytes(memory.free)} free."]


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


def run_name(names: Iterable[str]) -> str:
    """A short name for the run folder."""
    stems = [Path(name).stem if name.endswith((".py", ".toml")) else name.rpartition("/")[2] for name in names]
    return "+".join(stems) if len(stems) <= 3 else f"{stems[0]}+{len(stems) - 1}"
