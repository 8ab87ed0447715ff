"""From a request to a plan: which cells are measured, at which size and settings, and what is skipped and why.

Everything in a plan is data: it is stored in `run.json`, so that a run can be resumed and reported anywhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cupel.measure.memory import fits
from cupel.spec.card import SIZES, STEPPING_S, TIMEOUT_S, Scalar, Workload
from cupel.spec.catalog import Catalog, Entry, install_line, missing_extras
from cupel.spec.errors import NothingToRunError, SettingError, UnknownNameError, UsageError
from cupel.spec.job import Job
from cupel.spec.seeds import Seeds
from cupel.spec.suite import Suite, check_settings

START_S = 2.5
"""Seconds that a launch is expected to need beside its stepping, until one has been seen."""
TRUE_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asked for.

    Args:
        names: entries, suites or paths.
        size: a size, or `auto` for the largest of small and full whose memory fits (small on a CPU).
        settings: `key=value` texts as given.
        launches: number of launches of each cell; None goes on until the interval is narrow enough.
        width: full relative width of interval to reach with `launches=None`.
        pilot: launches from which the number is then fixed.
        budget_s: seconds after which no launch is started.
        device: `cpu`, `cuda:0`, ...
        threads: intra-op threads of each worker.
        seed: root of all seeds.
        tags: keep only entries with one of these tags.
        exclude: names and tags to leave out.
        timeout_s: seconds after which a job is ended; None takes the size's own.
        reference: name or run folder that the score is relative to; empty takes the suite's.
    """

    names: tuple[str, ...]
    size: str = "auto"
    settings: tuple[str, ...] = ()
    launches: int | None = 3
    width: float = 0.02
    pilot: int = 5
    budget_s: float | None = None
    device: str = "cpu"
    threads: int = 1
    seed: int = 0
    tags: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    timeout_s: float | None = None
    reference: str = ""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What is launched several times: an entry at a size and settings.

    Args:
        job: the launch with index 0; the others differ in launch index and seed.
        card: the entry's card.
        label: its name for people, unique in the run.
        weight: its weight in the score.
    """

    job: Job
    card: Workload
    label: str
    weight: float = 1.0

    @property
    def key(self) -> str:
        """Key of the cell in records."""
        return self.job.cell

    def launch(self, index: int, seed: int) -> Job:
        """The launch with this index in a run with this seed."""
        return dataclasses.replace(self.job, launch=index, seed=Seeds(seed).seed(self.key, index))

    def sane(self, seed: int) -> Job:
        """The check of the cell's work: its own settings, at tiny."""
        return dataclasses.replace(
            self.job,
            kind="sane",
            size="tiny",
            sizes=self.card.sizes("tiny"),
            overrides={},
            seed=Seeds(seed).seed("sane"),
            timeout_s=min(self.job.timeout_s, TIMEOUT_S["tiny"]),
        )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run is to do.

    Args:
        name: name of the run.
        request: what was asked.
        cells: what is measured, in the order asked.
        skipped: what is not, by name, with the reason.
        notes: what was understood in a way that the user may want to know.
        reference: what the score is relative to; empty where nothing is.
        scores: the scores asked for.
    """

    name: str
    request: Request
    cells: tuple[Cell, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    reference: str = ""
    scores: tuple[str, ...] = ("cupel",)

    def expected_s(self, launches: int) -> float:
        """Expected wall seconds, checks included."""
        return sum(START_S + launches * (START_S + cell.job.stepping_s) for cell in self.cells)

    def as_dict(self) -> dict[str, Any]:
        """The plan as plain data; each cell with its key."""
        data = dataclasses.asdict(self)
        for cell, plain in zip(self.cells, data["cells"], strict=True):
            plain["key"] = cell.key
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Plan:
        """A plan from plain data, as an older version may have written it."""
        cells = tuple(
            Cell(job=Job.from_dict(c["job"]), card=_card(c["card"]), label=c["label"], weight=c["weight"]) for c in data["cells"]
        )
        known = {f.name for f in dataclasses.fields(Request)}
        request = Request(**{k: tuple(v) if isinstance(v, list) else v for k, v in data["request"].items() if k in known})
        return cls(
            name=data["name"],
            request=request,
            cells=cells,
            skipped=data.get("skipped", {}),
            notes=tuple(data.get("notes", ())),
            reference=data.get("reference", ""),
            scores=tuple(data.get("scores", ("cupel",))),
        )


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
    settings = _split_settings(request.settings)
    _check_keys(settings, [entry.card for entry, _, _, _ in asked])
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
        reasons = "; ".join(f"{name}: {why}" for name, why in skipped.items()) or "no entry has the tags that were asked"
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


def _asked(request: Request, catalog: Catalog) -> tuple[list[tuple[Entry, Mapping[str, Scalar], str, float]], list[Suite]]:
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
    asked = dict(own) | {key: _value(entry, key, text) for key, text in settings.items() if _takes(card, key)}
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


def _split_settings(texts: Iterable[str]) -> dict[str, str]:
    """`key=value` texts as a dict."""
    settings = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key.strip() or not value.strip():
            raise SettingError(f"--set {text!r} is no setting; expected key=value, such as --set precision=bf16.")
        settings[key.strip()] = value.strip()
    return settings


def _takes(card: Workload, key: str) -> bool:
    return key in card.settings or key in card.sizes("tiny")


def _check_keys(settings: Mapping[str, str], cards: Iterable[Workload]) -> None:
    """Refuse a key that no entry of the run has."""
    known = {key for card in cards for key in (*card.settings, *card.sizes("tiny"))}
    for key in settings:
        if key not in known:
            raise UnknownNameError("setting", key, known, see="See an entry's own: cupel show ENTRY.")


def _value(entry: Entry, key: str, text: str) -> Scalar:
    """A setting's text as the value that the card means."""
    values = entry.card.settings.get(key)
    if values is not None:
        for value in values:
            if str(value).lower() == text.lower() or (isinstance(value, bool) and TRUE_WORDS.get(text.lower()) is value):
                return value
        raise SettingError(f"{entry.stem} takes {key} = {', '.join(str(v).lower() for v in values)}; asked was {text!r}.")
    like = entry.card.sizes("tiny")[key]
    kind: Callable[[str], Scalar] = type(like)
    try:
        value = TRUE_WORDS[text.lower()] if isinstance(like, bool) else kind(text)
    except (ValueError, KeyError):
        raise SettingError(f"{entry.stem}'s {key} is like {like!r}; asked was {text!r}.") from None
    if isinstance(value, int | float) and not isinstance(value, bool) and value <= 0 < float(like):
        raise SettingError(f"{entry.stem}'s {key} must be positive; asked was {text!r}.")
    return value


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


def _card(data: Mapping[str, Any]) -> Workload:
    """A card from plain data; keys that a newer version wrote are ignored."""
    known = {f.name for f in dataclasses.fields(Workload)}
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items() if k in known}
    values["settings"] = {k: tuple(v) for k, v in values.get("settings", {}).items()}
    return Workload(**values)
