"""Two ranks on gloo that take steps of workloads, for tests: `python two_ranks.py CASES RESULTS`, both JSON files.

A case has a `name`, the `entry` (a module, or the path of a file), `settings`, `sizes` that differ from tiny, and a
`way`: `joint`, or `alone` for each rank by itself on the data of rank 0. Results are, by name and rank, the losses, and
a number that is the same for the same weights. Modules are loaded once, and ranks forked, since that is most of what
such a test costs.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds

NUM_STEPS = 3
WORLD = 2
LATE = ("torch._dynamo", "torch.distributed.fsdp", "torch.distributed.tensor.experimental")
"""What strategies load when they are first used: here once, and not on each rank."""


def load(entry: str) -> ModuleType:
    """The workload's module."""
    if not entry.endswith(".py"):
        return importlib.import_module(f"cupel.workloads.{entry}")
    spec = importlib.util.spec_from_file_location("a_workload", entry)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def take_steps(case: dict[str, Any], module: ModuleType) -> dict[str, Any]:
    """The losses of some steps at tiny."""
    card = module.CARD
    assert all(value in card.settings[name] for name, value in case["settings"].items())
    settings = {name: values[0] for name, values in card.settings.items()} | case["settings"]
    slot = TorchSlot(device="cpu", settings=settings, threads=1)
    if case["way"] == "joint":
        slot.rank = dist.get_rank()
        slot.join(WORLD)
    torch.manual_seed(1)
    step = module.setup(SimpleNamespace(**{**card.sizes("tiny"), **case["sizes"]}), slot, Seeds(0))
    losses = [float(step().loss) for _ in range(NUM_STEPS)]
    return {"losses": losses, "fingerprint": slot.fingerprint()}


def do_rank(rank: int, cases: list[dict[str, Any]], *, out: Path) -> None:
    """One rank: every case in turn."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{out}.meeting", rank=rank, world_size=WORLD)
    results = {case["name"]: take_steps(case, load(case["entry"])) for case in cases}
    Path(f"{out}.{rank}").write_text(json.dumps(results), encoding="utf-8")
    dist.destroy_process_group()


def main(cases: list[dict[str, Any]], out: Path) -> int:
    """Fork the ranks, wait for them, and put their results together."""
    for name in LATE:
        importlib.import_module(name)
    for case in cases:
        load(case["entry"])
    pids = []
    for rank in range(WORLD):
        pid = os.fork()
        if not pid:
            code = 1
            try:
                do_rank(rank, cases, out=out)
                code = 0
            except BaseException:  # noqa: BLE001  the traceback says what it was
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        pids.append(pid)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    if any(codes):
        return 1
    ranks = [json.loads(Path(f"{out}.{rank}").read_text(encoding="utf-8")) for rank in range(WORLD)]
    out.write_text(json.dumps({name: [rank[name] for rank in ranks] for name in ranks[0]}), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2])))
