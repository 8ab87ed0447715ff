"""rlhf has the published size, counts what it writes, learns what is rewarded, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="rlhf needs torch")
pytest.importorskip("transformers", reason="rlhf needs transformers")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.workloads import rlhf

TINY = SimpleNamespace(**rlhf.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def test_full_is_pythia_1b():
    with torch.device("meta"):
        model = rlhf.build_model(SimpleNamespace(**rlhf.CARD.sizes("full")))
    writer = sum(parameter.numel() for parameter in model.writer.parameters())
    assert writer == 1_011_781_632
    assert sum(parameter.numel() for parameter in model.judge.parameters()) == writer - 50304 * 2048 + 2048


def test_a_step_counts_the_tokens_written():
    done = rlhf.setup(TINY, make_slot(), Seeds(0))()
    assert done.items == 16 * 6
    assert not done.loss.requires_grad


def test_a_step_changes_policy_and_values_and_nothing_else():
    slot = make_slot()
    parts = rlhf.build(TINY, slot, rng=Seeds(0))
    before = [p.detach().clone() for p in parts.model.parameters()]
    reference = [p.detach().clone() for p in parts.reference.parameters()]
    samples, feedback = rlhf.write_and_score(parts, parts.prompts[0], slot=slot)
    assert torch.equal(feedback.log_prob_BR, feedback.reference_BR)
    assert torch.equal(samples.state_MS[:, : TINY.prompt], parts.prompts[0])
    score = parts.score(samples.state_MS)
    rlhf.update(parts, samples, slot=slot)
    assert not any(torch.equal(p, old) for p, old in zip(parts.model.parameters(), before, strict=True))
    assert all(torch.equal(p, old) for p, old in zip(parts.reference.parameters(), reference, strict=True))
    assert torch.equal(parts.score(samples.state_MS), score)


def test_responses_are_drawn_by_the_policy_at_its_temperature():
    """The mean surprise of drawn tokens is the mean entropy of what they were drawn from."""
    slot = make_slot()
    parts = rlhf.build(TINY, slot, rng=Seeds(0))
    with torch.no_grad():
        parts.model.writer.lm_head.weight.mul_(20)
    prompts = parts.prompts[0].repeat(20, 1)
    samples, feedback = rlhf.write_and_score(parts, prompts, slot=slot)
    with torch.no_grad():
        log_probs, _ = parts.model(samples.state_MS)
    entropy = -(log_probs.exp() * log_probs).sum(dim=1)
    assert 0.5 < float(entropy.mean()) < 3.5
    assert float(-feedback.log_prob_BR.mean()) == pytest.approx(float(entropy.mean()), abs=0.15)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_check_passes(precision):
    rlhf.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_finds_a_reference_that_is_another(monkeypatch):
    copy_of = rlhf.copy.deepcopy

    def other(*parts):
        changed = copy_of(*parts)
        for parameter in changed.parameters() if isinstance(changed, torch.nn.Module) else ():
            parameter.data.mul_(1.5)
        return changed

    monkeypatch.setattr(rlhf.copy, "deepcopy", other)
    with pytest.raises(WrongWorkError, match="policy and reference differ"):
        rlhf.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_advantages_of_the_wrong_sign(monkeypatch):
    samples_of = rlhf.response_samples

    def turned(ids, feedback, **weights):
        samples = samples_of(ids, feedback, **weights)
        return samples._replace(advantage_M=-samples.advantage_M)

    monkeypatch.setattr(rlhf, "response_samples", turned)
    with pytest.raises(WrongWorkError, match="expected a rise"):
        rlhf.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_an_update_that_is_left_out(monkeypatch):
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda _: None)
    with pytest.raises(WrongWorkError, match="better actions having become likelier"):
        rlhf.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_values_that_are_not_learned(monkeypatch):
    rules = rlhf.Rules
    monkeypatch.setattr(rlhf, "Rules", lambda **numbers: rules(**{**numbers, "value_weight": 0.0}))
    with pytest.raises(WrongWorkError, match="no gradient reaches judge"):
        rlhf.sane(TINY, make_slot(), Seeds(0))
