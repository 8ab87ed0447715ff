"""A run at fp8: refused where there are no units for it, and where there are the blocks of a model multiply in it.

The tests lift the refusal: a processor does the products by converting to fp32, rounded as the units round.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="fp8 is a precision of torch")

from cupel.ledger.job_folder import JobFolder
from cupel.run.slot import TorchSlot
from cupel.spec import UnsupportedError
from cupel.spec.events import JobEnded
from cupel.tasks.fp8_linear import Fp8Linear

BODY = """
import torch
from cupel.spec import Done, Workload
from cupel.tasks import products

CARD = Workload(
    measures="test work", unit="samples", better="higher", source="a test", needs=("torch",),
    settings={"precision": ("fp32", "bf16", "fp8"), "strategy": ("ddp", "fsdp")},
    tiny={"width": 32}, small={"width": 32}, full={"width": 32}, stepping_s={"tiny": 0.2}, memory_gib={"tiny": 0.01},
)


class Blocks(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.blocks = torch.nn.ModuleList(torch.nn.Linear(width, width) for _ in range(3))
        self.out = torch.nn.Linear(width, 32)

    def forward(self, x):
        for block in self.blocks:
            x = torch.tanh(block(x))
        return self.out(x)


def setup(sizes, slot, rng):
    x = torch.randn(32, sizes.width, generator=torch.Generator().manual_seed(1))
    mine = x.chunk(slot.world)[slot.rank if slot.world > 1 else 0]
    torch.manual_seed(2)
    model = slot.prepare(Blocks(sizes.width), lambda p: torch.optim.AdamW(p, lr=1e-2, fused=True))

    def step():
        with slot.autocast():
            loss = model(mine).float().square().mean()
        slot.step(loss)
        return Done(items=len(mine), loss=loss.detach())

    return step


def sane(sizes, slot, rng):
    pass
"""
LIFTED = BODY + "\n\nproducts.require_units = lambda slot: None\n"


@pytest.fixture
def entry(tmp_path: Path):
    def write(body: str) -> str:
        path = tmp_path / "training.py"
        path.write_text(body, encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def slot(monkeypatch: pytest.MonkeyPatch) -> TorchSlot:
    monkeypatch.setattr("cupel.tasks.products.require_units", lambda _: None)
    return TorchSlot(device="cpu", settings={"precision": "fp8"}, threads=1)


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.1)


def launch(folder) -> JobFolder:
    return next(job for job in map(JobFolder, sorted((folder.path / "jobs").iterdir())) if job.job.kind == "launch")


def losses(job: JobFolder) -> list[float]:
    """Means over ranks, by step."""
    each = [[r["loss"] for r in records if r["kind"] == "step"] for records in (job.rank_records, *job.other_records)]
    return [sum(step) / len(step) for step in zip(*each, strict=True)]


def test_a_processor_is_refused_in_words():
    with pytest.raises(UnsupportedError, match=r"precision=fp8 was asked on cpu; it needs an NVIDIA GPU .* 8\.9"):
        TorchSlot(device="cpu", settings={"precision": "fp8"}, threads=1)


def test_a_run_on_a_processor_skips_it_with_the_reason(driver, entry):
    _, events = driver.run(entry(BODY), launches=1, settings=("precision=fp8",))
    ended = [event for event in events if isinstance(event, JobEnded)]
    assert [(event.status, event.reason) for event in ended] == [("skipped", "not supported here")]
    assert "precision=fp8 was asked on cpu" in ended[0].message


def test_blocks_compute_in_eight_bits_and_the_rest_in_bf16(slot):
    model = torch.nn.Sequential(torch.nn.Linear(32, 32), torch.nn.ModuleDict())
    model[1]["layers"] = torch.nn.ModuleList([torch.nn.Sequential(torch.nn.Linear(32, 64)), torch.nn.Linear(64, 7)])
    before = dict(model.named_parameters())
    prepared = slot.prepare(model, sgd)
    assert [name for name, m in prepared.named_modules() if isinstance(m, Fp8Linear)] == ["1.layers.0.0"]
    assert all(parameter is before[name] for name, parameter in prepared.named_parameters())
    assert slot.dtype == torch.bfloat16
    with slot.autocast():
        assert prepared[0](torch.ones(2, 32)).dtype == torch.bfloat16


@pytest.mark.parametrize("model", [torch.nn.Linear(32, 32), torch.nn.ModuleList([torch.nn.Linear(8, 32)])])
def test_a_model_of_which_nothing_would_be_in_fp8_is_refused(slot, model):
    with pytest.raises(UnsupportedError, match=r"precision=fp8 was asked of .* multiples of 16 and at least 32"):
        slot.prepare(torch.nn.Sequential(model), sgd)


def test_other_precisions_replace_nothing():
    model = torch.nn.Sequential(torch.nn.ModuleList([torch.nn.Linear(32, 32)]))
    TorchSlot(device="cpu", settings={"precision": "bf16"}, threads=1).prepare(model, sgd)
    assert type(model[0][0]) is torch.nn.Linear


@pytest.mark.skipif(sys.platform != "linux", reason="ranks are forked on Linux")
def test_two_ranks_train_in_it_as_one_process_does(driver, entry):
    """Scales are powers of two, so that half of a batch is rounded as the whole is, but for the smallest numbers."""
    path = entry(LIFTED)
    alone, _ = driver.run(path, launches=1, settings=("precision=fp8",))
    one = losses(launch(alone))
    for strategy in ("ddp", "fsdp"):
        settings = ("precision=fp8", "devices=all", f"strategy={strategy}")
        together, events = driver.run(path, launches=1, settings=settings)
        assert [event.status for event in events if isinstance(event, JobEnded)] == ["ok", "ok"]
        two = losses(launch(together))
        num = min(len(one), len(two), 12)
        assert num >= 3
        assert two[:num] == pytest.approx(one[:num], abs=0.005 * one[0])
