"""Jobs of several ranks: they start, step and end together, and one that fails ends the rest."""

from __future__ import annotations

import json
import os
import signal
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from cupel.ledger.job_folder import JobFolder
from cupel.ledger.records import RecordWriter
from cupel.run.make_plan import make_plan
from cupel.run.plan import Request
from cupel.run.ranks import run_ranks
from cupel.spec.catalog import Catalog
from cupel.spec.errors import SettingError
from cupel.spec.events import JobEnded, Progress
from cupel.spec.job import Job

torch = pytest.importorskip("torch", reason="ranks need torch")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ranks are forked on Linux")

HEAD = """
import torch
from cupel.spec import Done, Workload

CARD = Workload(
    measures="test work", unit="samples", better="higher", source="a test", needs=("torch",),
    settings={"strategy": ("ddp", "fsdp", "tp")},
    tiny={"width": 8}, small={"width": 8}, full={"width": 8}, stepping_s={"tiny": 0.2}, memory_gib={"tiny": 0.01},
)


class Blocks(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.blocks = torch.nn.ModuleList(torch.nn.Linear(width, width) for _ in range(3))
        self.out = torch.nn.Linear(width, 1)

    def parallel_plan(self, num_ranks):
        return {"blocks.0": "colwise", "blocks.1": "rowwise"}

    def forward(self, x):
        for block in self.blocks:
            x = torch.tanh(block(x))
        return self.out(x)


def setup(sizes, slot, rng):
    x = torch.randn(16, sizes.width, generator=torch.Generator().manual_seed(1))
    mine = x.chunk(slot.world)[slot.rank if slot.world > 1 else 0]
    torch.manual_seed(2)  # the weights of launches with other settings are others
    model = slot.prepare(Blocks(sizes.width), lambda p: torch.optim.AdamW(p, lr=1e-2, fused=True))

    def step():
        loss = (model(mine) - mine[:, :1]).square().mean()
        slot.step(loss)
        return Done(items=len(mine), loss=loss.detach())

    return step


def sane(sizes, slot, rng):
    pass
"""


@pytest.fixture
def training(tmp_path: Path):
    def write(body: str = "") -> str:
        path = tmp_path / "training.py"
        path.write_text(HEAD + textwrap.dedent(body), encoding="utf-8")
        return str(path)

    return write


def launch(folder) -> JobFolder:
    return next(job for job in map(JobFolder, sorted((folder.path / "jobs").iterdir())) if job.job.kind == "launch")


def rank_losses(job: JobFolder, rank: int) -> list[float]:
    records = job.rank_records if rank == 0 else job.other_records[rank - 1]
    return [record["loss"] for record in records if record["kind"] == "step"]


@pytest.mark.parametrize("strategy", ["ddp", "fsdp", "tp"])
def test_two_ranks_train_as_one_process_does(driver, training, strategy):
    path = training()
    alone, _ = driver.run(path, launches=1)
    together, events = driver.run(path, launches=1, settings=("devices=all", f"strategy={strategy}"))
    assert [e.status for e in events if isinstance(e, JobEnded)] == ["ok", "ok"]
    one, two = launch(alone), launch(together)
    assert (one.job.ranks, two.job.ranks) == (1, 2)
    mean = [(a + b) / 2 for a, b in zip(rank_losses(two, 0), rank_losses(two, 1), strict=True)]
    num = min(len(mean), len(rank_losses(one, 0)), 12)
    assert num >= 3
    assert mean[:num] == pytest.approx(rank_losses(one, 0)[:num], rel=1e-5)
    assert two.steps().items == pytest.approx([16.0] * len(mean))
    assert not (two.path / "rendezvous").exists()
    done_twice = 2 * 3 * (8 * 8 + 8) if strategy == "tp" else 0  # the plan leaves two layers whole, on both ranks
    assert two.last("count")["flop_per_item"] == one.last("count")["flop_per_item"] + done_twice


def test_ranks_that_should_share_one_batch_and_have_two_are_wrong_work(driver, training):
    path = Path(training())
    path.write_text(path.read_text().replace("manual_seed(1)", "manual_seed(torch.distributed.get_rank())"))
    _, events = driver.run(str(path), launches=1, settings=("devices=all", "strategy=tp"))
    ended = [e for e in events if isinstance(e, JobEnded)]
    assert [(e.status, e.reason) for e in ended] == [("ok", ""), ("failed", "wrong work")]
    assert "last losses are" in ended[-1].message


def test_each_rank_by_itself_adds_its_rate(driver, training, monkeypatch):
    monkeypatch.setattr("cupel.run.make_plan.num_ranks", lambda *_: 2)  # as on a machine of two accelerators
    folder, events = driver.run(training(), launches=1, settings=("devices=each",))
    assert [e.status for e in events if isinstance(e, JobEnded)] == ["ok", "ok"]
    job = launch(folder)
    assert len(job.rank_paths) == 2
    steps = job.steps()
    counted = [sum(r["n"] for r in ranks if r["kind"] == "step") for ranks in (job.rank_records, *job.other_records)]
    assert max(counted) < sum(steps.items) <= sum(counted) + 1e-6


FAULTS = {
    "raises": ("raise ValueError('rank 1 had enough')", "crashed", "rank 1 had enough"),
    "exits": ("import os; os._exit(9)", "crashed", "exited with 9"),
    "is killed": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "crashed", "SIGKILL|exited with 137"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_rank_that_fails_ends_the_others(driver, training, fault):
    code, reason, message = FAULTS[fault]
    path = training(f"""
        whole = setup

        def setup(sizes, slot, rng):
            step, count = whole(sizes, slot, rng), 0

            def faulty():
                nonlocal count
                count += 1
                if slot.rank == 1 and count == 3:
                    {code}
                return step()

            return faulty
    """)
    started = time.monotonic()
    _, events = driver.run(path, launches=1, settings=("devices=all",))
    ended = [e for e in events if isinstance(e, JobEnded)][-1]
    assert (ended.status, ended.reason) == ("failed", reason)
    assert any(part in ended.message for part in message.split("|"))
    assert time.monotonic() - started < 60
    assert not [p.pid for p in psutil.Process().children(recursive=True) if _is_rank(p.pid)]


@pytest.mark.parametrize(("other", "strategy"), [("goes on", "ddp"), ("waits for ever", "ddp"), ("goes on", "tp")])
def test_a_rank_that_cannot_count_keeps_no_one_and_fails_nothing(driver, training, other, strategy):
    wait = "time.sleep(600)" if other == "waits for ever" else "pass"
    path = training(f"""
        import time

        from torch.utils._python_dispatch import _get_current_dispatch_mode

        whole = setup

        def setup(sizes, slot, rng):
            step = whole(sizes, slot, rng)

            def uncountable():
                if _get_current_dispatch_mode() is not None:
                    if torch.distributed.get_rank() == 1:
                        raise RuntimeError("a kernel without a formula")
                    {wait}
                return step()

            return uncountable
    """)
    started = time.monotonic()
    folder, events = driver.run(path, launches=1, settings=("devices=all", f"strategy={strategy}"))
    assert [e.status for e in events if isinstance(e, JobEnded)] == ["ok", "ok"]
    assert time.monotonic() - started < 60
    job = launch(folder)
    (said,) = [record for record in job.other_records[0] if record["kind"] == "count"]
    assert (said["flop_per_item"], said["note"]) == (None, "RuntimeError: a kernel without a formula")
    assert (job.last("count") or {}).get("flop_per_item") is None
    assert job.steps().items
    assert not [p.pid for p in psutil.Process().children(recursive=True) if _is_rank(p.pid)]


@pytest.mark.parametrize("fault", ["", "raise ValueError('rank 1 had enough')"])
def test_nothing_of_a_rank_is_taken_apart_at_its_end(driver, training, fault):
    """The threads behind an exchange may wait for Python, and Python for them."""
    path = training(f"""
        import time

        whole = setup

        class Waits:
            def __del__(self):
                time.sleep(600)

        def setup(sizes, slot, rng):
            step, slot.waits, count = whole(sizes, slot, rng), Waits(), 0

            def held():
                nonlocal count
                count += 1
                if slot.rank == 1 and count == 3:
                    {fault or "pass"}
                return step()

            held.waits = Waits()
            return held
    """)
    started = time.monotonic()
    _, events = driver.run(path, launches=1, settings=("devices=all",))
    ended = [e for e in events if isinstance(e, JobEnded) and e.job.kind == "launch"]
    assert [(e.status, e.reason) for e in ended] == [("failed", "crashed") if fault else ("ok", "")]
    assert time.monotonic() - started < 60


def test_each_rank_counts_its_own_share(driver, training):
    folder, _ = driver.run(training(), launches=1, settings=("devices=all",))
    job = launch(folder)
    counts = [
        r["flop_per_item"] for rank in (job.rank_records, *job.other_records) for r in rank if r["kind"] == "count"
    ]
    weights = 3 * 8 * 8 + 8
    assert counts == [6 * weights - 2 * 8 * 8] * 2  # the data have no gradient


def test_ranks_that_drift_apart_are_wrong_work(driver, training):
    """A step that goes round the model that `prepare` returned trains each rank by itself."""
    path = training()
    text = Path(path).read_text()
    assert "(model(mine)" in text
    Path(path).write_text(text.replace("(model(mine)", "(model.module(mine)"))
    _, events = driver.run(path, launches=1, settings=("devices=all",))
    ended = [e for e in events if isinstance(e, JobEnded)]
    assert [(e.status, e.reason) for e in ended] == [("ok", ""), ("failed", "wrong work")]
    assert "different weights" in ended[-1].message


def test_a_launch_that_is_stopped_leaves_no_rank_behind(driver, training):
    path = training()
    Path(path).write_text(Path(path).read_text().replace('stepping_s={"tiny": 0.2}', 'stepping_s={"tiny": 30.0}'))
    plan = driver.plan(path, launches=1, settings=("devices=all",))
    folder = driver.start(plan)
    pids = []
    for event in driver.events(plan, folder):
        if isinstance(event, Progress) and event.phase == "stepping" and not pids:
            pids = [p.pid for p in psutil.Process().children(recursive=True)]
            driver.stop.requests = 2
    assert pids
    time.sleep(0.5)
    assert launch(folder).status != "ok"
    assert not [pid for pid in pids if _is_rank(pid)]


def _is_rank(pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and "worker" in " ".join(process.cmdline())
    except psutil.Error:
        return False


def test_devices_is_a_setting_of_every_entry_with_torch(training):
    path = training()
    plan = make_plan(Request(names=(path,), size="tiny", settings=("devices=all",)), Catalog([]))
    assert (plan.cells[0].job.ranks, plan.cells[0].job.settings) == (2, {"devices": "all"})
    each = make_plan(Request(names=(path,), size="tiny", settings=("devices=each",)), Catalog([]))
    assert (each.cells[0].job.ranks, each.cells[0].job.settings) == (1, {"devices": "each"}), "a CPU is one device"
    with pytest.raises(SettingError, match="training takes devices = one, each, all; asked was 'two'"):
        make_plan(Request(names=(path,), size="tiny", settings=("devices=two",)), Catalog([]))
    without = Path(path).with_name("plain.py")
    without.write_text(Path(path).read_text().replace('settings={"strategy": ("ddp", "fsdp", "tp")},', ""))
    with pytest.raises(SettingError, match="plain takes devices = one, each; asked was 'all'"):
        make_plan(Request(names=(str(without),), size="tiny", settings=("devices=all",)), Catalog([]))


def test_a_job_over_several_nodes_is_skipped_in_words(training, tmp_path):
    training()
    suite = tmp_path / "nodes.toml"
    head = 'title = "N"\n[[entries]]\nrun = "training.py"\n'
    suite.write_text(f'{head}\n[[entries]]\nrun = "training.py"\nlabel = "over nodes"\nnodes = 2\n')
    plan = make_plan(Request(names=(str(suite),), size="tiny"), Catalog([]))
    assert plan.skipped == {"over nodes": "not testable here: it is a job over 2 nodes, and this is a run on one"}
    assert len(plan.cells) == 1


def test_the_first_to_fail_is_the_one_without_a_word_whichever_end_is_noticed_first(tmp_path):
    """A killed rank may be noticed after those that lost it: they fail within milliseconds."""

    def do_rank(path: Path, rank: int) -> int:
        if rank == 1:
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGKILL)
        writer = RecordWriter(path / "rank0" / "events.jsonl")
        writer.write("failure", t=time.time(), reason="crashed", message="a peer does not answer")
        writer.close()
        return 1

    job = Job(entry="workload/none", source="none.py", digest="0", ranks=2)
    assert run_ranks(tmp_path, job, do_rank) == 128 + signal.SIGKILL
    (tmp_path / "job.json").write_text(json.dumps(job.as_dict()))
    failure = JobFolder(tmp_path).last("failure")
    assert failure["message"] == "rank 1 was ended by SIGKILL and left no result"
