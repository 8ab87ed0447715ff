"""What tests of several rooms share: reference data, which are no part of the project; invented runs of claims."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cupel.ledger.claim_log import ClaimLog
from cupel.ledger.run_folder import RunFolder
from cupel.spec.claim import Claim
from cupel.spec.job import Job

ENVIRONMENT = "CUPEL_REFERENCE_DATA"
REFERENCE_DATA = Path(os.environ.get(ENVIRONMENT, Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(autouse=True, scope="session")
def cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Files that workloads make once are made into a folder of the tests, and not into the user's cache."""
    before = os.environ.get("CUPEL_CACHE")
    os.environ["CUPEL_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["CUPEL_CACHE"]
    else:
        os.environ["CUPEL_CACHE"] = before


@pytest.fixture(scope="session")
def reference_data() -> Callable[[str], Path]:
    """The path of a file of reference data; the test is skipped where it is absent."""

    def find(name: str) -> Path:
        path = REFERENCE_DATA / name
        if not path.exists():
            pytest.skip(f"needs the reference data {name}; set {ENVIRONMENT}")
        return path

    return find


class ClaimsBook:
    """Writes the folder of a run of claims: what was asked, and what is said to have come out."""

    def __init__(
        self, out: Path, cards: dict[str, Claim], *, machine: str = "2 cores", started: str = "", **changes: Any
    ) -> None:
        """`changes`: of every job, or `pairs` of the request."""
        request = {"names": list(cards), "size": "tiny", "settings": [], "pairs": changes.pop("pairs", None), "seed": 0}
        about = {"source": "/data/x.py", "digest": "d0", "module": "cupel.claims.x", "size": "tiny", **changes}
        self.jobs = {name: Job(entry=f"claim/{name}", kind="trial", **about) for name in cards}
        request |= {"size": about["size"], "seed": about.get("seed", 0), "device": about.get("device", "cpu")}
        cells = [
            {"key": job.cell, "label": name, "job": job.as_dict(), "card": cards[name].as_dict()}
            for name, job in self.jobs.items()
        ]
        plan = {"request": request, "cells": cells, "skipped": {}, "notes": []}
        content = {"kind": "claims", "name": "made up", "cupel": "0.1.0", "code": "c0", "plan": plan}
        content |= {"machine": {"label": machine, "host": "node"}}
        self.folder = RunFolder.create(out, "test", content | ({"started": started} if started else {}))
        self.path = self.folder.path
        self.log = ClaimLog(self.path)

    def trial(self, name: str, arm: str, index: int, values: dict[str, float] | None, **more: Any) -> None:
        """A trial that ended, failed where it has no values; `more`: fields of its record, or `costs`."""
        costs = more.pop("costs", {})
        outcome = {"values": values, "costs": costs} if values is not None else None
        status = {"status": "ok"} if outcome else {"status": "failed", "reason": "crashed", "message": "it broke"}
        record = {"stream": "", "hp": {}, "job": "trial", "elapsed_s": 0.5, "outcome": outcome, **status, **more}
        self.log.write("trial", cell=self.jobs[name].cell, arm=arm, index=index, **record)

    def pairs(
        self, name: str, metric: str, effects: list[float | None], arms: tuple[str, str] = ("method", "baseline")
    ) -> None:
        """Pairs whose second arm has 1, 2, ... and whose first differs by the effects; None where it failed."""
        for index, effect in enumerate(effects):
            self.trial(name, arms[0], index, None if effect is None else {metric: index + 1 + effect})
            self.trial(name, arms[1], index, {metric: index + 1.0})

    def instances(self, name: str, metric: str, values: list[float]) -> None:
        """Instances of an exact statement."""
        for index, value in enumerate(values):
            self.trial(name, "", index, {metric: value}, job="instance")

    def launch(self, name: str, arm: str, index: int, rate: float | None, **more: Any) -> None:
        """A launch of a speed statement."""
        self.log.write("launch", cell=self.jobs[name].cell, arm=arm, index=index, rate=rate, elapsed_s=1.0, **more)

    def tuned(self, name: str, arm: str, **more: Any) -> None:
        """What tuning chose."""
        self.log.write("tuned", cell=self.jobs[name].cell, arm=arm, **{"trial": None, "hp": {}, **more})

    def finish(self, reason: str = "done") -> RunFolder:
        """The folder, its run over."""
        self.log.write("finished", reason=reason, elapsed_s=60.0)
        self.log.close()
        return RunFolder(self.path)


@pytest.fixture(scope="session")
def claims_book() -> type[ClaimsBook]:
    """What writes the folder of a run of claims."""
    return ClaimsBook
