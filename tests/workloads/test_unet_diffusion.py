"""unet_diffusion trains the U-Net of Stable Diffusion 2, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks import noising
from cupel.tasks.models import unet
from cupel.tasks.models.unet import UNet
from cupel.workloads import unet_diffusion

TINY = SimpleNamespace(**unet_diffusion.CARD.sizes("tiny"))
SHAPE = ("width", "head_dim", "num_levels", "num_blocks", "context_dim")


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision, "compile": False}, threads=1)


def test_full_is_stable_diffusion_2():
    sizes = unet_diffusion.CARD.sizes("full")
    with torch.device("meta"):
        model = UNet(**{key: sizes[key] for key in SHAPE})
        noise = model(torch.empty(1, 4, 64, 64), torch.empty(1), torch.empty(1, 77, 1024))
    assert sum(parameter.numel() for parameter in model.parameters()) == 865_910_724
    assert noise.shape == (1, 4, 64, 64)
    assert (sizes["batch"], sizes["latent_px"], sizes["num_tokens"], sizes["context_dim"]) == (32, 64, 77, 1024)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # what diffusers and what it imports warn of is theirs
def test_outputs_and_gradients_are_those_of_diffusers():
    pytest.importorskip("diffusers", reason="compared with diffusers, which is not installed")
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    reference = UNet2DConditionModel(
        block_out_channels=(32, 64, 128, 128),
        attention_head_dim=(2, 4, 8, 8),
        cross_attention_dim=48,
        use_linear_projection=True,
    )
    model = UNet(width=32, head_dim=16, context_dim=48, num_levels=4, num_blocks=2)
    model.load_state_dict(reference.state_dict())
    latents, timesteps, texts = torch.randn(2, 4, 16, 16), torch.tensor([3, 900]), torch.randn(2, 7, 48)
    expected = reference(latents, timesteps, texts).sample
    found = model(latents, timesteps, texts)
    torch.testing.assert_close(found, expected)
    expected.square().mean().backward()
    found.square().mean().backward()
    gradients = {name: parameter.grad for name, parameter in reference.named_parameters()}
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name])


def test_the_schedule_is_that_of_stable_diffusion():
    kept = noising.kept_signal()
    assert kept.shape == (1000,)
    assert float(kept[0]) == pytest.approx(1 - 0.00085)
    assert float(kept[-1]) == pytest.approx(0.00466, abs=1e-5)  # published with the model
    assert bool((kept.diff() < 0).all())


def test_noising_takes_each_image_by_its_own_share():
    images, noise = torch.full((2, 1, 1, 1), 10.0), torch.full((2, 1, 1, 1), 1.0)
    mixed = noising.noised(images, noise, torch.tensor([1.0, 0.0]))
    assert mixed.flatten().tolist() == [10.0, 1.0]


def test_a_step_counts_the_images_of_its_batch_and_draws_anew():
    step = unet_diffusion.setup(TINY, make_slot(), Seeds(0))
    done = [step() for _ in range(2 * TINY.batches)]
    assert {one.items for one in done} == {TINY.batch}
    assert len({float(one.loss) for one in done}) == len(done)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_check_passes(precision):
    unet_diffusion.sane(TINY, make_slot(precision), Seeds(0))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(lambda slot: setattr(slot, "step", lambda _: None), "expected it to fall", id="no update"),
        pytest.param(
            lambda slot: setattr(slot, "step", lambda loss: TorchSlot.step(slot, -loss)),
            "expected it to fall",
            id="uphill",
        ),
        pytest.param(lambda slot: setattr(slot, "dtype", torch.bfloat16), "precision of the run", id="precision"),
    ],
)
def test_the_check_fails_when_training_does_not(spoil, message):
    slot = make_slot()
    spoil(slot)
    with pytest.raises(WrongWorkError, match=message):
        unet_diffusion.sane(TINY, slot, Seeds(0))


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda images, *_: images, id="no noise"),
        pytest.param(lambda images, noise, _: images + noise, id="variance grows"),
        pytest.param(lambda images, noise, kept: noising.noised(noise, images, kept), id="shares swapped"),
    ],
)
def test_the_check_fails_when_the_noising_is_wrong(monkeypatch, wrong):
    monkeypatch.setattr(unet_diffusion, "noised", wrong)
    with pytest.raises(WrongWorkError, match="at timestep"):
        unet_diffusion.sane(TINY, make_slot(), Seeds(0))


def test_the_check_fails_when_the_text_is_ignored(monkeypatch):
    forward = unet.Attention.forward

    def deaf(attention, x, context):
        return forward(attention, x, context if context is x else torch.zeros_like(context))

    monkeypatch.setattr(unet.Attention, "forward", deaf)
    with pytest.raises(WrongWorkError, match=r"no gradient reaches .*\.norm2\.weight"):
        unet_diffusion.sane(TINY, make_slot(), Seeds(0))
