"""flux_txt2img has the published size, counts its images, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="flux_txt2img needs torch")
pytest.importorskip("diffusers", reason="flux_txt2img needs diffusers")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.models.flux import Flux, latents_of, patches_a_side
from cupel.workloads import flux_txt2img

TINY = SimpleNamespace(**flux_txt2img.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def test_full_is_flux_1_dev():
    sizes = SimpleNamespace(**flux_txt2img.CARD.sizes("full"))
    with torch.device("meta"):
        model, decoder = flux_txt2img.build_model(sizes), flux_txt2img.build_decoder(sizes)
    assert sum(parameter.numel() for parameter in model.parameters()) == 11_901_408_320
    assert model.net.config.axes_dims_rope == (16, 56, 56)
    assert sum(parameter.numel() for parameter in decoder.parameters()) == 49_545_475
    assert patches_a_side(sizes.image_px) ** 2 == 4096


def test_a_step_counts_images_and_runs_every_denoising_step(monkeypatch):
    calls, forward = [], Flux.forward
    monkeypatch.setattr(Flux, "forward", lambda *args: calls.append(float(args[4][0, 0])) or forward(*args))
    done = flux_txt2img.setup(TINY, make_slot(), Seeds(0))()
    assert done.items == TINY.batch
    assert len(calls) == TINY.num_steps
    assert calls[0] == 1.0
    assert calls == sorted(calls, reverse=True)


def test_patches_are_put_where_they_belong():
    latents = torch.randn(2, 16, 4, 4, generator=torch.Generator().manual_seed(0))
    patches = torch.stack(
        [latents[:, :, row : row + 2, column : column + 2].flatten(1) for row in (0, 2) for column in (0, 2)], dim=1
    )
    torch.testing.assert_close(latents_of(patches), latents / 0.3611 + 0.1159)


@torch.no_grad()
def test_places_reach_the_transformer():
    model, generator = flux_txt2img.build_model(TINY), torch.Generator().manual_seed(0)
    patches = torch.randn(1, 4, 64, generator=generator)
    words, prompt = torch.randn(1, 4, 16, generator=generator), torch.randn(1, 16, generator=generator)
    dials = torch.tensor([[0.5], [3.5]])
    found = model(patches, words, prompt, dials)
    moved = model(patches.flip(1), words, prompt, dials).flip(1)
    assert not torch.allclose(found, moved, atol=1e-6)


def test_weights_are_stored_at_the_precision_of_the_run():
    painter = flux_txt2img.Painter(TINY, make_slot("bf16"))
    for network in (painter.model, painter.decode):
        assert {parameter.dtype for parameter in network.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_check_passes(precision):
    flux_txt2img.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_finds_a_flow_that_goes_the_wrong_way(monkeypatch):
    backwards = lambda velocity, noise, levels: noise - levels[0] * -velocity(noise, levels[0]).float()  # noqa: E731
    monkeypatch.setattr(flux_txt2img, "denoise", backwards)
    with pytest.raises(WrongWorkError, match="a straight flow ended"):
        flux_txt2img.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_prompts_that_are_not_read(monkeypatch):
    forward = Flux.forward
    monkeypatch.setattr(
        Flux, "forward", lambda net, x, words, prompt, dials: forward(net, x, words * 0.0, prompt * 0.0, dials)
    )
    with pytest.raises(WrongWorkError, match="another prompt made the same image"):
        flux_txt2img.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_noise_that_does_not_count(monkeypatch):
    paint = flux_txt2img.Painter.paint
    monkeypatch.setattr(
        flux_txt2img.Painter, "paint", lambda self, noise, prompts: paint(self, torch.zeros_like(noise), prompts)
    )
    with pytest.raises(WrongWorkError, match="another noise made the same image"):
        flux_txt2img.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_images_that_do_not_repeat(monkeypatch):
    velocity = flux_txt2img.Painter.velocity
    monkeypatch.setattr(
        flux_txt2img.Painter,
        "velocity",
        lambda self, x, *rest: velocity(self, x, *rest) + 0.1 * torch.randn_like(x),
    )
    with pytest.raises(WrongWorkError, match="made another image"):
        flux_txt2img.sane(TINY, make_slot(), Seeds(0))
