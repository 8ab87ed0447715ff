"""collective exchanges between ranks, counts the bus, and its check can fail."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cupel.ledger.job_folder import JobFolder
from cupel.ledger.run_folder import RunFolder
from cupel.run.backends.local import LocalBackend
from cupel.run.make_plan import make_plan
from cupel.run.plan import Request
from cupel.run.slot import TorchSlot
from cupel.run.stop import Stop
from cupel.spec import Seeds, UnsupportedError
from cupel.spec.catalog import Catalog, load_catalog
from cupel.spec.events import JobEnded
from cupel.study.launches import LaunchStudy
from cupel.workloads import collective

FACTOR = {"all_reduce": 1.0, "all_gather": 0.5, "reduce_scatter": 0.5, "all_to_all": 0.5}
"""Bus bytes for each byte of the buffer, of two ranks."""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ranks are forked on Linux")


def run(out: Path, catalog: Catalog, name: str, operation: str) -> tuple[RunFolder, list[JobEnded]]:
    request = Request(names=(name,), size="tiny", launches=1, settings=(f"operation={operation}",))
    plan = make_plan(request, catalog)
    content = {"kind": "run", "name": plan.name, "plan": plan.as_dict(), "machine": {"label": "a test"}, "cupel": "0"}
    folder, stop = RunFolder.create(out, plan.name, content), Stop()
    study = LaunchStudy(plan, folder, stop)
    needs = {cell.job.entry: cell.card.needs for cell in plan.cells}
    with folder.locked(), LocalBackend(folder, stop, needs=needs, launch_of=study.launch_of) as backend:
        events = [event for event in study.run(backend) if isinstance(event, JobEnded)]
    return folder, events


@pytest.mark.parametrize("operation", FACTOR)
def test_two_ranks_exchange_and_count_the_bus(operation: str, tmp_path: Path) -> None:
    folder, events = run(tmp_path, load_catalog(), "collective", operation)
    assert [(event.status, event.message) for event in events] == [("ok", "")] * 2  # the check, and a launch
    jobs = [JobFolder(path) for path in (folder.path / "jobs").iterdir()]
    steps = next(job for job in jobs if job.job.kind == "launch").steps()
    assert steps.items == pytest.approx([FACTOR[operation] * 2**20 / 1e9] * len(steps.items), rel=1e-6)


def test_the_check_sees_an_exchange_that_was_left_out(tmp_path: Path) -> None:
    text = Path(collective.__file__).read_text(encoding="utf-8")
    call = "return lambda: dist.all_gather_into_tensor(out, part), out"
    assert call in text
    path = tmp_path / "idle.py"
    path.write_text(text.replace(call, "return lambda: None, out.zero_()"), encoding="utf-8")
    _, events = run(tmp_path, Catalog([]), str(path), "all_gather")
    assert (events[0].status, events[0].reason) == ("failed", "wrong work")
    assert "the result of all_gather is not what the ranks' buffers give" in events[0].message


def test_one_device_is_refused_in_words() -> None:
    slot = TorchSlot(device="cpu", settings={"operation": "all_reduce"}, threads=1)
    sizes = type("Sizes", (), collective.CARD.sizes("tiny"))
    with pytest.raises(UnsupportedError, match="it needs at least 2"):
        collective.setup(sizes, slot, Seeds(0))
