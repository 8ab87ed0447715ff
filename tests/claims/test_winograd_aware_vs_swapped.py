"""The claim's arms at tiny: what they share, what each computes with, and its exact statements."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="these methods need torch")
pytest.importorskip("sklearn", reason="digits come with scikit-learn")

from cupel.claims import winograd_aware_vs_swapped as claim
from cupel.methods.winograd import Direct, QuantizedConv2d, Winograd, WinogradConv2d
from cupel.run.slot import TorchSlot
from cupel.spec.seeds import TrialSeeds
from cupel.tasks.data.cifar10 import TEST, TRAIN

SLOT = TorchSlot(device="cpu", settings={}, threads=1)
HP = {"lr": 0.004}


def make(trial=0, **changed):
    sizes = SimpleNamespace(**{**claim.CARD.sizes("tiny"), **changed})
    rng = TrialSeeds(0, trial, claim.CARD.varies)
    return rng, claim.task(sizes, SLOT, rng)


@pytest.mark.parametrize("arm", claim.CARD.arms)
def test_an_arm_gives_every_metric_and_the_same_ones_for_the_same_seeds(arm):
    rng, task = make()
    state = torch.get_rng_state()
    found = getattr(claim, arm)(task, SLOT, rng, HP)
    assert torch.equal(state, torch.get_rng_state())
    assert 0.0 <= found.metric("accuracy") <= 1.0
    assert 0.0 <= found.selection <= 1.0
    assert found == getattr(claim, arm)(task, SLOT, rng, HP)
    tiles, pixels = {"static_f2": (16 * 16, 4 * 16), "direct": (9 * 64, 9 * 16)}.get(arm, (4 * 36, 36)), 64 * 4 * 9
    assert found.costs == {"steps": 6.0, "products": pixels + 4 * 8 * tiles[0] + 8 * 8 * tiles[1]}


def test_arms_get_the_same_images_weights_and_batches_and_trials_do_not():
    (_, one), (_, other), (_, next_one) = make(), make(), make(1)
    assert torch.equal(one.split.train[0], other.split.train[0])
    assert not torch.equal(one.split.train[0], next_one.split.train[0])
    for first, second, third in zip(*(task.network().parameters() for task in (one, other, next_one)), strict=True):
        assert torch.equal(first, second)
        assert first.ndim == 1 or not torch.equal(first, third)


def test_each_arm_is_trained_and_judged_with_its_own_convolutions(monkeypatch):
    seen = []
    rng, task = make(epochs=1)

    def layers(model):
        return [module.form if isinstance(module, WinogradConv2d) else type(module) for module in model if kind(module)]

    def kind(module):
        return isinstance(module, torch.nn.Conv2d | QuantizedConv2d | WinogradConv2d)

    shared = type(task)
    monkeypatch.setattr(shared, "train", lambda *given, **_: seen.append(layers(given[1])) or 0)
    monkeypatch.setattr(shared, "accuracy", lambda *given: seen.append(layers(given[1])) or 0.0)
    monkeypatch.setattr(claim, "num_products", lambda *_: 0)
    static, positions = Winograd(tile=4, bits=8), Winograd(tile=4, bits=8, by_position=True)
    expected = {
        "method": (Winograd(tile=4, bits=8, is_learned=True),) * 2,
        "baseline": (QuantizedConv2d, static),
        "static": (static, static),
        "static_f2": (Winograd(tile=2, bits=8),) * 2,
        "direct": (QuantizedConv2d, QuantizedConv2d),
        "swapped_by_position": (QuantizedConv2d, positions),
    }
    assert set(expected) == set(claim.CARD.arms)
    for arm, (trained, judged) in expected.items():
        seen.clear()
        getattr(claim, arm)(task, SLOT, rng, HP)
        assert seen[0] == [torch.nn.Conv2d, trained, trained]
        assert seen[-1] == [torch.nn.Conv2d, judged, judged]
    assert Direct() == Direct(8)


def test_exact_statements_hold_on_random_instances_and_their_bars_can_be_missed():
    sizes = SimpleNamespace(**claim.CARD.sizes("tiny"))
    bars = {said.metric: said.bar for said in claim.CARD.said if said.kind == "exact"}
    for trial in range(claim.CARD.num_instances("tiny")):
        posed = claim.instance(sizes, TrialSeeds(0, trial, claim.CARD.varies))
        found = claim.check(posed)
        assert found.metric("relative_error") <= bars["relative_error"]
        assert found.metric("error_ratio") >= bars["error_ratio"]


def test_a_wrong_transform_is_found_out_by_the_exact_statement(monkeypatch):
    posed = claim.instance(SimpleNamespace(**claim.CARD.sizes("tiny")), TrialSeeds(0, 0, claim.CARD.varies))
    right = WinogradConv2d._square
    monkeypatch.setattr(WinogradConv2d, "_square", lambda self, name: right(self, name) * (1 + 1e-9))
    assert claim.check(posed).metric("relative_error") > 1e-10


def test_the_code_of_full_runs_on_files_of_cifar10(tmp_path, monkeypatch):
    records = torch.randint(256, (6, 4, 3073), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    records[:, :, 0] %= 10
    for name, record in zip((*TRAIN, *TEST), records.numpy(), strict=True):
        (tmp_path / name).write_bytes(record.tobytes())
    monkeypatch.setenv("CUPEL_CIFAR10", str(tmp_path))
    sizes = {**claim.CARD.sizes("full"), "valid": 4, "width": 0.0625, "epochs": 1}
    rng, task = make(**sizes)
    products = {}
    for arm in ("method", "baseline"):
        found = getattr(claim, arm)(task, SLOT, rng, {})
        assert 0.0 <= found.metric("accuracy") <= 1.0
        products[arm] = found.costs["products"]
    assert products["method"] == products["baseline"]
    assert products["method"] < claim.direct(task, SLOT, rng, {}).costs["products"] / 2


def test_full_without_cifar10_is_not_testable(monkeypatch):
    monkeypatch.delenv("CUPEL_CIFAR10", raising=False)
    rng, task = make(data="cifar10")
    for arm in claim.CARD.arms:
        found = getattr(claim, arm)(task, SLOT, rng, HP)
        assert not found.is_testable
        assert "CUPEL_CIFAR10" in found.note
    assert set(claim.space()) == set(claim.CARD.arms)
