"""What a run of claims is to do, as data: which claims at which size, and how long to go on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cupel.run.make_plan import run_name
from cupel.run.settings import check_keys, parse_value, split_settings, takes
from cupel.spec.card import SIZES, Scalar
from cupel.spec.catalog import Catalog
from cupel.spec.claim import Claim
from cupel.spec.entry import ClaimEntry
from cupel.spec.errors import NothingToRunError, UnknownNameError, UsageError
from cupel.spec.extras import install_line, missing_extras
from cupel.spec.job import Job
from cupel.spec.suite import Suite, check_settings

TIMEOUT_S = {"tiny": 120.0, "small": 900.0, "full": 7 * 86400.0}
"""Seconds after which a trial is ended, by size."""
STEPPING_S = {"tiny": 0.3, "small": 2.0, "full": 20.0}
"""Seconds of stepping in a launch of a speed statement, by size."""


@dataclass(frozen=True, kw_only=True)
class ClaimRequest:
    """What a user asked for.

    Args:
        names: claims, suites of claims, or paths.
        size: a size, or `auto`: small.
        settings: `key=value` texts as given.
        pairs: pairs of trials, fixed beforehand; None adds pairs until the verdict is in.
        budget_s: seconds for the whole run; None goes on to the pairs that each card allows.
        device: `cpu`, `cuda:0`, ...
        threads: intra-op threads of each trial.
        workers: trials at once; launches of speed statements run alone.
        seed: root of all seeds.
        tags: keep only claims with one of these tags.
        exclude: names and tags to leave out.
        timeout_s: seconds after which a trial is ended; None takes the size's own.
        variance: whether the share of each source of variation is asked for, too.
    """

    names: tuple[str, ...]
    size: str = "auto"
    settings: tuple[str, ...] = ()
    pairs: int | None = None
    budget_s: float | None = None
    device: str = "cpu"
    threads: int = 1
    workers: int = 1
    seed: int = 0
    tags: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    timeout_s: float | None = None
    variance: bool = False


@dataclass(frozen=True, kw_only=True)
class ClaimCell:
    """A claim at a size and settings.

    Args:
        job: what its jobs have in common.
        card: its card.
        label: its name for people, unique in the run.
    """

    job: Job
    card: Claim
    label: str

    @property
    def key(self) -> str:
        """What its records are kept under."""
        return self.job.cell

    def trial(self, arm: str, index: int, *, hp: Mapping[str, Scalar], stream: str = "") -> Job:
        """A trial of an arm; arms with the same index and stream share their seeds."""
        return dataclasses.replace(self.job, kind="trial", arm=arm, launch=index, hp=dict(hp), stream=stream)

    def varied(self, arm: str, index: int, *, hp: Mapping[str, Scalar], source: str) -> Job:
        """A trial in which one source of variation varies alone."""
        return dataclasses.replace(self.trial(arm, index, hp=hp, stream=f"only {source}"), varies=(source,))

    def launch(self, arm: str, block: int, seed: int) -> Job:
        """A launch of an arm's step; arms of a block share their seed."""
        return dataclasses.replace(
            self.job, kind="launch", arm=arm, launch=block, seed=seed, stepping_s=STEPPING_S[self.job.size]
        )

    def instance(self, index: int) -> Job:
        """A random instance of the exact statements."""
        return dataclasses.replace(self.job, kind="instance", launch=index)

    def recompute(self) -> Job:
        """The recomputation of the published statements."""
        return dataclasses.replace(self.job, kind="recompute")


@dataclass(frozen=True, kw_only=True)
class ClaimPlan:
    """What a run of claims is to do.

    Args:
        name: name of the run.
        request: what was asked.
        cells: the claims, in the order asked.
        skipped: what is not run, by name, with the reason.
        notes: what was understood in a way that the user may want to know.
    """

    name: str
    request: ClaimRequest
    cells: tuple[ClaimCell, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The plan as plain data; each cell with its key."""
        data = dataclasses.asdict(self)
        for cell, plain in zip(self.cells, data["cells"], strict=True):
            plain["key"] = cell.key
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ClaimPlan:
        """A plan from plain data, as an older version may have written it."""
        cells = tuple(
            ClaimCell(job=Job.from_dict(c["job"]), card=Claim.from_dict(c["card"]), label=c["label"])
            for c in data["cells"]
        )
        known = {f.name for f in dataclasses.fields(ClaimRequest)}
        asked: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in data["request"].items() if k in known
        }
        return cls(
            name=data["name"],
            request=ClaimRequest(**asked),
            cells=cells,
            skipped=data.get("skipped", {}),
            notes=tuple(data.get("notes", ())),
        )


def asked_claims(names: Sequence[str], catalog: Catalog) -> bool:
    """Whether what was named is claims; False where it is workloads, or both.

    Raises:
        UnknownNameError: nothing has such a name.
    """
    kinds = {_kind_of(name, catalog) for name in names}
    return kinds == {"claim"}


def _kind_of(name: str, catalog: Catalog) -> str:
    found = catalog.find(name)
    if not isinstance(found, Suite):
        return found.kind
    kinds = {_kind_of(item.run, catalog) for item in found.entries}
    return kinds.pop() if len(kinds) == 1 else "workload"


def make_claim_plan(request: ClaimRequest, catalog: Catalog) -> ClaimPlan:
    """The plan for a request.

    Raises:
        UnknownNameError: a claim, suite, tag, size or setting that nothing has.
        SettingError: a value that a setting does not take.
        NothingToRunError: everything is skipped; the message says why.
    """
    size = _size(request, catalog)
    asked = list(_entries(request.names, catalog))
    _check_filters(request, [entry for entry, _ in asked])
    texts = split_settings(request.settings)
    check_keys(texts, [entry.card for entry, _ in asked])
    cells: dict[str, ClaimCell] = {}
    skipped: dict[str, str] = {}
    notes: list[str] = []
    for entry, own in asked:
        words = {entry.stem, *entry.card.tags}
        if (request.tags and not words & set(request.tags)) or words & set(request.exclude):
            continue
        missing = missing_extras(entry.card)
        if missing:
            skipped[entry.stem] = f"needs {', '.join(missing)}: {install_line(missing)}"
            continue
        mine = {key: text for key, text in texts.items() if takes(entry.card, key)}
        notes += [f"{entry.stem} has no setting {key}; it runs without." for key in texts if key not in mine]
        cell = _cell(entry, {**own, **{k: parse_value(entry, k, t) for k, t in mine.items()}}, request, size)
        known = cells.setdefault(cell.key, cell)
        if known.job.source != cell.job.source:
            raise UsageError(f"{known.job.source} and {cell.job.source} have the same name; rename one of them.")
    if not cells:
        reasons = (
            "; ".join(f"{name}: {why}" for name, why in skipped.items()) or "no claim has the tags that were asked"
        )
        raise NothingToRunError(f"Nothing to run. {reasons}.")
    return ClaimPlan(
        name=run_name(request.names), request=request, cells=tuple(cells.values()), skipped=skipped, notes=tuple(notes)
    )


def _size(request: ClaimRequest, catalog: Catalog) -> str:
    """The size that was asked, else the one that a suite asks for, else small."""
    asked = request.size
    if asked not in ("auto", *SIZES):
        raise UnknownNameError("size", asked, ("auto", *SIZES))
    found = [catalog.find(name) for name in request.names]
    sizes = {suite.size for suite in found if isinstance(suite, Suite) and suite.size}
    if asked != "auto":
        return asked
    return sizes.pop() if len(sizes) == 1 else "small"


def _entries(names: Iterable[str], catalog: Catalog) -> Iterable[tuple[ClaimEntry, Mapping[str, Scalar]]]:
    for name in names:
        found = catalog.find(name)
        if isinstance(found, Suite):
            for item in found.entries:
                inner = catalog.find(item.run)
                assert isinstance(inner, ClaimEntry)
                yield inner, item.settings
        else:
            assert isinstance(found, ClaimEntry)
            yield found, {}


def _check_filters(request: ClaimRequest, entries: Sequence[ClaimEntry]) -> None:
    tags = {tag for entry in entries for tag in entry.card.tags}
    names = {entry.stem for entry in entries}
    for tag in request.tags:
        if tag not in tags:
            raise UnknownNameError("tag", tag, tags)
    for word in request.exclude:
        if word not in tags | names:
            raise UnknownNameError("claim or tag to exclude", word, tags | names)


def _cell(entry: ClaimEntry, asked: Mapping[str, Scalar], request: ClaimRequest, size: str) -> ClaimCell:
    card = entry.card
    known, sizes = card.all_settings, card.sizes(size)
    check_settings(entry.stem, known, card.sizes("tiny"), asked)
    overrides = {k: v for k, v in asked.items() if k in sizes and k not in known and v != sizes[k]}
    chosen = {k: v for k, v in asked.items() if k in known and v != known[k][0]}
    job = Job(
        entry=entry.key, source=str(entry.path), digest=entry.digest, module=entry.module or "", kind="trial",
        size=size, sizes={**sizes, **overrides}, overrides=overrides, settings=chosen,
        device=request.device if "torch" in card.needs else "cpu", threads=request.threads, seed=request.seed,
        timeout_s=request.timeout_s or TIMEOUT_S[size],
    )  # fmt: skip
    words = " ".join(f"{key}={value}" for key, value in {**overrides, **chosen}.items())
    return ClaimCell(job=job, card=card, label=f"{entry.stem} {words}".strip())
