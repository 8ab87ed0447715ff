"""What each strategy does to a model: training stays what it was, and what cannot be shared out is refused in words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="strategies share out models of torch")
pytest.importorskip("transformers", reason="some of the entries need transformers")

from cupel.run.strategies import fingerprint, shared_out, stacks
from cupel.spec.catalog import load_catalog
from cupel.spec.errors import UnsupportedError

TOY = """
import torch
import torch.distributed as dist
from cupel.spec import Done, Workload

CARD = Workload(
    measures="test work", unit="samples", better="higher", source="a test", needs=("torch",),
    settings={"precision": ("fp32", "fp16"), "strategy": ("ddp", "fsdp", "tp")}, tiny={}, small={}, full={},
)


class Toy(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.whole = torch.nn.Linear(4, 4)
        self.blocks = torch.nn.ModuleList(torch.nn.Linear(4, 4) for _ in range(2))

    def parallel_plan(self, num_ranks):
        return {"blocks.0": "colwise", "blocks.1": "rowwise"}

    def forward(self, x):
        return self.blocks[1](self.blocks[0](self.whole(x)).tanh())


def setup(sizes, slot, rng):
    model = Toy()
    prepared = slot.prepare(model, lambda p: torch.optim.SGD(p, lr=0.5, momentum=0.9))
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(1)).chunk(slot.world)[slot.rank]
    if slot.precision == "fp16":
        slot._scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
        unscale, infinite = slot._scaler.unscale_, iter([True, False, False])

        def overflow(optimizer):
            if next(infinite) and dist.get_rank() == 1:
                model.blocks[0].weight.grad.to_local().fill_(float("inf"))
            unscale(optimizer)

        slot._scaler.unscale_ = overflow

    def step():
        with slot.autocast():
            loss = (prepared(x) - 1.0).float().square().mean()
        slot.step(loss, clip_norm=0.1)
        return Done(items=len(x), loss=loss.detach())

    return step
"""

FSDP = ("resnet50", "regnet_y_128gf", "dinov2_giant", "vjepa", "rlhf", "reformer", "dqn")
"""Entries that fsdp asks something of: batch norm, momentum, a follower, a part that is called by itself."""
TP = ("llama", "llm_full", "llm_lora")
SIZES = {"dqn": {"target_every": 1}}
"""Numbers other than those of tiny, for what else would come after the last step."""


@pytest.fixture
def two_ranks(tmp_path: Path):
    def run(cases: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
        asked, found = tmp_path / "cases.json", tmp_path / "results.json"
        asked.write_text(json.dumps(cases), encoding="utf-8")
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        script = str(Path(__file__).with_name("two_ranks.py"))
        command = [sys.executable, "-W", "ignore", script, str(asked), str(found)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(found.read_text(encoding="utf-8"))

    return run


def case(name: str, entry: str, *, way: str = "joint", **settings: str) -> dict[str, Any]:
    return {"name": name, "entry": entry, "way": way, "settings": settings, "sizes": SIZES.get(entry, {})}


def losses(results: list[dict[str, Any]]) -> list[list[float]]:
    return [result["losses"] for result in results]


def test_an_update_is_that_of_one_process(two_ranks, tmp_path):
    """Gradients are cut to their norm over all ranks, and an overflow that one rank finds is told to the others."""
    path = tmp_path / "toy.py"
    path.write_text(textwrap.dedent(TOY), encoding="utf-8")
    found = two_ranks(
        [
            case("alone", str(path), way="alone"),
            *(case(strategy, str(path), strategy=strategy) for strategy in ("ddp", "fsdp", "tp")),
            *(case(f"{way} fp16", str(path), precision="fp16", strategy=way) for way in ("fsdp", "tp")),
        ]
    )
    expected = found["alone"][0]["losses"]
    assert expected[-1] < 0.99 * expected[0]
    for strategy in ("ddp", "fsdp"):
        mean = [sum(pair) / 2 for pair in zip(*losses(found[strategy]), strict=True)]
        assert mean == pytest.approx(expected, rel=1e-5)
    assert losses(found["tp"]) == [pytest.approx(expected, rel=1e-5)] * 2
    assert found["tp"][0]["fingerprint"] == found["tp"][1]["fingerprint"]
    for way in ("fsdp", "tp"):
        first, second = losses(found[f"{way} fp16"])
        assert first[0] == first[1], "no rank made the update in which one found an infinity"
        assert second[0] == second[1]
        assert first[2] < first[1]
    assert losses(found["tp fp16"])[0] == losses(found["tp fp16"])[1]


@pytest.mark.slow
def test_entries_train_as_they_do_by_ddp_or_as_one_process_does(two_ranks):
    assert apart(two_ranks, fsdp=FSDP, tp=TP) == {}


@pytest.mark.manual
@pytest.mark.timeout(1800)
def test_the_other_entries_do_so_too(two_ranks):
    workloads = [entry for entry in load_catalog().entries.values() if entry.kind == "workload"]
    offers = {
        way: {entry.stem for entry in workloads if way in entry.card.settings.get("strategy", ())}
        for way in ("fsdp", "tp")
    }
    assert offers["tp"] == set(TP)
    assert apart(two_ranks, fsdp=sorted(offers["fsdp"] - set(FSDP)), tp=()) == {}


def apart(two_ranks: Any, *, fsdp: Sequence[str], tp: Sequence[str]) -> dict[str, Any]:
    """Entries of which a rank's losses by fsdp are not those by ddp, or those by tp not those of one process."""
    cases = []
    for entry in (*fsdp, *tp):
        ways = ({"way": "alone"}, {"strategy": "tp"}) if entry in tp else ({"strategy": "ddp"}, {"strategy": "fsdp"})
        cases += [case(f"{entry} {place}", entry, **way) for place, way in zip("ab", ways, strict=True)]
    found = two_ranks(cases)
    return {
        entry: (losses(found[f"{entry} a"]), losses(found[f"{entry} b"]))
        for entry in (*fsdp, *tp)
        if losses(found[f"{entry} b"]) != [pytest.approx(one, rel=2e-5) for one in losses(found[f"{entry} a"])]
    }


def test_blocks_are_found_in_lists_and_in_chains_of_equals():
    linear = torch.nn.Linear
    chain = torch.nn.Sequential(*(torch.nn.Sequential(linear(2, 2), torch.nn.ReLU()) for _ in range(3)))
    layers = torch.nn.ModuleList([linear(2, 2), torch.nn.ModuleList([linear(2, 2)])])
    leaves = torch.nn.Sequential(linear(2, 2), linear(2, 2))
    model = torch.nn.ModuleDict({"layers": layers, "chain": chain, "leaves": leaves})
    assert list(stacks(model)) == [layers, chain]


@pytest.fixture
def one_rank() -> Iterator[torch.device]:
    import torch.distributed as dist

    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield torch.device("cpu")
    dist.destroy_process_group()


def test_a_fingerprint_is_of_the_weights_that_each_rank_has_whole(one_rank):
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4))
    model.parallel_plan = lambda _num_ranks: {"0": "colwise"}
    shared_out(model, "tp", one_rank)
    before = fingerprint(model)
    with torch.no_grad():
        model[0].weight.to_local().add_(1.0)
        assert fingerprint(model) == before
        model[1].bias.add_(1e-6)
    assert fingerprint(model) != before


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (None, "Linear, which has no parallel_plan. Take ddp or fsdp."),
        ({"head": "colwise"}, "'head', and it has no such module"),
        ({"0": "sideways"}, "asks for the cut 'sideways'; there are: colwise, colwise_gathered, rowwise"),
        ({"1": "colwise"}, "tp cuts linear layers and embeddings; 1 is a Tanh"),
    ],
)
def test_what_cannot_be_cut_is_refused_in_words(one_rank, plan, message):
    model = torch.nn.Linear(2, 2)
    if plan is not None:
        model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh())
        model.parallel_plan = lambda _num_ranks: plan
    with pytest.raises(UnsupportedError) as refused:
        shared_out(model, "tp", one_rank)
    assert message in str(refused.value)
