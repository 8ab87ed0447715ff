"""stargan trains both networks of StarGAN, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="this workload needs torch")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.models.stargan import Discriminator, Generator
from cupel.workloads import stargan

TINY = SimpleNamespace(**stargan.CARD.sizes("tiny"))
FULL = SimpleNamespace(**stargan.CARD.sizes("full"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision, "compile": False}, threads=1)


def test_full_is_the_papers_pair_of_networks():
    with torch.device("meta"):
        models = stargan.build_model(FULL)
    counts = {name: sum(parameter.numel() for parameter in model.parameters()) for name, model in models.items()}
    assert counts == {"generator": 8_430_528, "discriminator": 44_762_048}
    assert (FULL.batch, FULL.image_px, FULL.critic_steps) == (16, 128, 5)


def test_a_step_updates_the_discriminator_several_times_and_the_generator_once(monkeypatch):
    updates = []
    for name in ("discriminator", "generator"):
        update = getattr(stargan.StarGan, f"update_{name}")
        monkeypatch.setattr(
            stargan.StarGan,
            f"update_{name}",
            lambda gan, *case, name=name, update=update: updates.append((name, case[0])) or update(gan, *case),
        )
    step = stargan.setup(TINY, make_slot(), Seeds(0))
    done = step()
    assert [name for name, _ in updates] == ["discriminator"] * TINY.critic_steps + ["generator"]
    assert updates[-1][1] is updates[-2][1], "the generator has the last batch of the discriminator"
    assert updates[0][1] is not updates[1][1]
    assert done.items == TINY.critic_steps * TINY.batch


def test_an_update_changes_its_own_network_alone_and_leaves_no_gradients():
    gan = stargan.StarGan(TINY, make_slot(), Seeds(0))
    case, real_frac = gan.draw()
    networks = gan.players.generator, gan.players.discriminator
    for update, changed in (
        (lambda: gan.update_generator(case), 0),
        (lambda: gan.update_discriminator(case, real_frac), 1),
    ):
        before = [[parameter.detach().clone() for parameter in network.parameters()] for network in networks]
        update()
        for idx, (network, was) in enumerate(zip(networks, before, strict=True)):
            is_same = [torch.equal(a, b) for a, b in zip(network.parameters(), was, strict=True)]
            assert not any(is_same) if idx == changed else all(is_same)
            assert all(parameter.grad is None for parameter in network.parameters())


def test_wanted_attributes_are_those_of_the_batch_in_another_order():
    gan = stargan.StarGan(TINY, make_slot(), Seeds(0))
    cases = [gan.draw() for _ in range(4)]
    for case, real_frac in cases:
        assert sorted(case.wanted_ND.tolist()) == sorted(case.domains_ND.tolist())
        assert real_frac.shape == (TINY.batch, 1, 1, 1)
    assert torch.equal(cases[0][0].images_NCHW, cases[3][0].images_NCHW), "batches come in rotation"
    assert not torch.equal(cases[0][1], cases[3][1])


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_check_passes(precision):
    stargan.sane(TINY, make_slot(precision), Seeds(0))


@pytest.mark.parametrize("update", ["update_discriminator", "update_generator"])
def test_the_check_fails_when_one_network_is_not_trained(monkeypatch, update):
    loss = torch.tensor(1.0)
    monkeypatch.setattr(stargan.StarGan, update, lambda _gan, *_case: loss)
    with pytest.raises(WrongWorkError, match="expected it to fall"):
        stargan.sane(TINY, make_slot(), Seeds(0))


def test_the_check_fails_when_the_penalty_is_wrong(monkeypatch):
    monkeypatch.setattr(stargan, "gradient_penalty", lambda _score, images: images.square().mean())
    with pytest.raises(WrongWorkError, match=r"penalty of a slope of 1\.732 is 0\.0000"):
        stargan.sane(TINY, make_slot(), Seeds(0))


def test_the_check_fails_when_the_wanted_domains_are_not_seen(monkeypatch):
    forward = Generator.forward
    monkeypatch.setattr(Generator, "forward", lambda model, x, wanted: forward(model, x, wanted).detach())
    with pytest.raises((WrongWorkError, RuntimeError), match=r"no gradient reaches|does not require grad"):
        stargan.sane(TINY, make_slot(), Seeds(0))


def test_the_check_fails_when_domains_are_not_told_apart(monkeypatch):
    forward = Discriminator.forward

    def blind(model, images):
        verdict = forward(model, images)
        return verdict._replace(domains_ND=verdict.domains_ND.detach())

    monkeypatch.setattr(Discriminator, "forward", blind)
    with pytest.raises(WrongWorkError, match=r"no gradient reaches domains\.weight"):
        stargan.sane(TINY, make_slot(), Seeds(0))
