"""The claim on back-propagation by scan: arms of a statement give the same gradient, and the check sees a wrong one."""

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="the claim needs torch")

from cupel.claims import parallel_scan_backprop_vs_autograd as claim
from cupel.run.slot import TorchSlot
from cupel.spec.errors import UnsupportedError
from cupel.spec.seeds import TrialSeeds

SLOT = TorchSlot(device="cpu", settings={}, threads=1)
SIZES = SimpleNamespace(**claim.CARD.sizes("tiny"))


def seeds(number=0):
    return TrialSeeds(0, number, claim.CARD.varies)


def step(arm, number=0):
    rng = seeds(number)
    return getattr(claim, f"{arm}_step")(claim.task(SIZES, SLOT, rng), SLOT, rng, {})


@pytest.mark.parametrize("said", [s for s in claim.CARD.said if s.kind == "speed"], ids=lambda said: said.name)
def test_both_arms_of_a_statement_find_the_same_gradient_again_and_again(said):
    state = torch.get_rng_state()
    made = [step(arm) for arm in said.arms]
    first, again = ([each() for each in made] for _ in range(2))
    for one, other in ((first[0], first[1]), (first[0], again[0]), (first[1], again[1])):
        assert one.items == other.items == (SIZES.crowd if "crowded" in said.name else SIZES.batch)
        torch.testing.assert_close(one.loss, other.loss, rtol=1e-5, atol=1e-8)
    assert float(first[0].loss) > 0.0
    assert float(step(said.arms[0], 1)().loss) != float(first[0].loss)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("number", range(8))
def test_an_instance_reaches_every_bar(number):
    found = claim.check(claim.instance(SIZES, seeds(number)))
    assert found.values["gradient_error"] < 1e-12
    assert found.values["steps_share"] <= 1.0


def test_instances_are_of_all_cells():
    kinds = {type(claim.instance(SIZES, seeds(number)).cell) for number in range(12)}
    assert kinds == set(claim.CELLS)


def test_the_check_would_see_a_wrong_gradient(monkeypatch):
    def slightly_wrong(cell, inputs, **asked):
        return [1.001 * gradient for gradient in exact(cell, inputs, **asked)]

    exact = claim.gradients_through_time
    monkeypatch.setattr(claim, "gradients_through_time", slightly_wrong)
    assert claim.check(claim.instance(SIZES, seeds())).values["gradient_error"] > 1e-4


def test_a_cpu_is_refused_at_full():
    with pytest.raises(UnsupportedError, match="want an accelerator"):
        claim.task(SimpleNamespace(**claim.CARD.sizes("full")), SLOT, seeds())


def test_streams_tell_their_class_by_how_often_a_bit_is_set():
    streams, classes = claim.bit_streams(40, 4000, torch.Generator().manual_seed(0))
    assert streams.shape == (4000, 40, 1)
    torch.testing.assert_close(streams.mean((0, 2)), 0.05 + 0.1 * classes, atol=0.04, rtol=0.0)
