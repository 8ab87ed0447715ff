"""torchatari plays the frames that it counts, learns from them, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="torchatari needs torch")
pytest.importorskip("ale_py", reason="torchatari needs ale-py")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks import policy_gradient
from cupel.tasks.arcade import Arcade
from cupel.workloads import torchatari

TINY = SimpleNamespace(**torchatari.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32", **settings) -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision, **settings}, threads=1)


@pytest.mark.parametrize(("game", "num_parameters"), [("breakout", 1_686_693), ("pong", 1_687_719)])
def test_full_is_the_papers_network(game, num_parameters):
    with torch.device("meta"):
        model = torchatari.build_model(SimpleNamespace(**torchatari.CARD.sizes("full")), game)
        log_probs, values = model(torch.empty(3, 4, 84, 84, dtype=torch.uint8))
    assert sum(parameter.numel() for parameter in model.parameters()) == num_parameters
    assert values.shape == (3,)
    assert log_probs.shape[0] == 3


def test_a_step_counts_actions_and_frames():
    done = torchatari.setup(TINY, make_slot(), Seeds(0))()
    assert done.items == TINY.num_envs * TINY.horizon
    assert done.also == {"frames": 4 * done.items}
    assert not done.loss.requires_grad


@pytest.mark.parametrize("settings", [{}, {"precision": "bf16"}, {"game": "pong"}, {"channels_last": True}])
def test_the_check_passes(settings):
    torchatari.sane(TINY, make_slot(**settings), Seeds(0))


def test_the_check_finds_games_that_stand_still(monkeypatch):
    monkeypatch.setattr(Arcade, "step", lambda games, action: (games.state_NS, *[torch.zeros(len(action))] * 4))
    monkeypatch.setattr(torchatari, "roll_out", lambda *_, **__: None)
    monkeypatch.setattr(torchatari, "advantages", lambda *_, **__: None)
    monkeypatch.setattr(torchatari, "samples_of", lambda *_: None)
    monkeypatch.setattr(torchatari, "learn", lambda *_, **__: None)
    with pytest.raises(WrongWorkError, match="played 0 frames"):
        torchatari.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_a_policy_that_flees_its_advantages(monkeypatch):
    loss_of = policy_gradient.clipped_loss

    def against(policy, samples, **weights):
        return loss_of(policy, samples._replace(advantage_M=-samples.advantage_M), **weights)

    monkeypatch.setattr(policy_gradient, "clipped_loss", against)
    with pytest.raises(WrongWorkError, match="better actions having become likelier"):
        torchatari.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_a_value_that_is_not_trained(monkeypatch):
    rules = torchatari.Rules
    monkeypatch.setattr(torchatari, "Rules", lambda **given: rules(**given, value_weight=0.0))
    with pytest.raises(WrongWorkError, match=r"no gradient reaches value\."):
        torchatari.sane(TINY, make_slot(), Seeds(0))
