"""Workloads outside the package, each with one way to behave, and a driver that runs them for real."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cupel.ledger.run_folder import RunFolder
from cupel.run.backends.local import LocalBackend
from cupel.run.make_plan import make_plan
from cupel.run.plan import Plan, Request
from cupel.run.stop import Stop
from cupel.spec.catalog import Catalog
from cupel.spec.events import Event
from cupel.study.launches import LaunchStudy

HEAD = """
from cupel.spec import Done, Workload, WrongWorkError, UnsupportedError

CARD = Workload(
    measures="test work", unit="calls", better="higher", source="a test",
    settings={"speed": ("slow", "fast")},
    tiny={"spin_us": 500}, small={"spin_us": 2000}, full={"spin_us": 4000},
    stepping_s={"tiny": 0.15, "small": 0.15},
)


def spin(microseconds):
    import time
    end = time.perf_counter() + microseconds * 1e-6
    while time.perf_counter() < end:
        pass


def setup(sizes, slot, rng):
    def step():
        spin(sizes.spin_us)
        return Done(items=1)
    return step


def sane(sizes, slot, rng):
    pass

"""


@pytest.fixture
def workload(tmp_path: Path) -> Callable[..., str]:
    """Writes a workload file and returns its path; `body` redefines what should behave otherwise."""

    def write(name: str, body: str = "") -> str:
        path = tmp_path / f"{name}.py"
        path.write_text(HEAD + textwrap.dedent(body), encoding="utf-8")
        return str(path)

    return write


class Driver:
    """Runs requests in a folder and keeps the events."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.stop = Stop()

    def plan(self, *names: str, **options: object) -> Plan:
        options.setdefault("size", "tiny")
        options.setdefault("launches", 2)
        return make_plan(Request(names=names, **options), Catalog([]))  # type: ignore[arg-type]

    def start(self, plan: Plan) -> RunFolder:
        content = {
            "kind": "run",
            "name": plan.name,
            "plan": plan.as_dict(),
            "machine": {"label": "a test"},
            "cupel": "0",
        }
        return RunFolder.create(self.out, plan.name, content)

    def events(self, plan: Plan, folder: RunFolder) -> Iterator[Event]:
        study = LaunchStudy(plan, folder, self.stop)
        needs = {cell.job.entry: cell.card.needs for cell in plan.cells}
        with folder.locked(), LocalBackend(folder, self.stop, needs=needs, launch_of=study.launch_of) as backend:
            yield from study.run(backend)

    def run(self, *names: str, **options: object) -> tuple[RunFolder, list[Event]]:
        plan = self.plan(*names, **options)
        folder = self.start(plan)
        return folder, list(self.events(plan, folder))


@pytest.fixture
def driver(tmp_path: Path) -> Driver:
    return Driver(tmp_path / "runs")
