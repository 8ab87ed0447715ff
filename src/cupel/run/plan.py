"""Requests and plans as data: what was asked, and which cells are measured for it.

Everything in a plan is data: it is stored in `run.json`, so that a run can be resumed and reported anywhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cupel.spec.card import TIMEOUT_S, Workload
from cupel.spec.job import SHARING, Job
from cupel.spec.seeds import Seeds

START_S = 2.5
"""Seconds that a launch is expected to need beside its stepping, until one has been seen."""


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
        """The check of the work: its own settings, at tiny, by one process unless the work is between several."""
        is_between = "devices" in self.card.settings
        shared = () if is_between else SHARING
        is_compiled = bool(self.job.settings.get("compile", False))
        return dataclasses.replace(
            self.job,
            kind="sane",
            size="tiny",
            settings={key: value for key, value in self.job.settings.items() if key not in shared},
            ranks=self.job.ranks if is_between else 1,
            sizes=self.card.sizes("tiny"),
            overrides={},
            seed=Seeds(seed).seed("sane"),
            # compiling takes as long for a tiny model as for a large one
            timeout_s=self.job.timeout_s if is_compiled else min(self.job.timeout_s, TIMEOUT_S["tiny"]),
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
            Cell(job=Job.from_dict(c["job"]), card=_card(c["card"]), label=c["label"], weight=c["weight"])
            for c in data["cells"]
        )
        known = {f.name for f in dataclasses.fields(Request)}
        asked: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data["request"].items()}
        request = Request(**{k: v for k, v in asked.items() if k in known})
        return cls(
            name=data["name"],
            request=request,
            cells=cells,
            skipped=data.get("skipped", {}),
            notes=tuple(data.get("notes", ())),
            reference=data.get("reference", ""),
            scores=tuple(data.get("scores", ("cupel",))),
        )


def _card(data: Mapping[str, Any]) -> Workload:
    """A card from plain data; keys that a newer version wrote are ignored."""
    known = {f.name for f in dataclasses.fields(Workload)}
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items() if k in known}
    values["settings"] = {k: tuple(v) for k, v in values.get("settings", {}).items()}
    return Workload(**values)
