"""The encoder is that of Stable Diffusion's autoencoder."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the encoder is made of torch")

from cupel.tasks.models.latent_encoder import DOWN, LatentEncoder, latents_of


def test_it_has_the_published_size():
    with torch.device("meta"):
        encoder = LatentEncoder(128)
        latents = encoder(torch.empty(1, 3, 512, 512))
    assert sum(parameter.numel() for parameter in encoder.parameters()) == 34_163_664
    assert latents.shape == (1, 4, 512 // DOWN, 512 // DOWN) == (1, 4, 64, 64)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # what diffusers and what it imports warn of is theirs
def test_outputs_are_those_of_diffusers():
    pytest.importorskip("diffusers", reason="compared with diffusers, which is not installed")
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    reference = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(32, 64, 128, 128),
        layers_per_block=2,
    ).eval()
    parts = {name.removeprefix("encoder."): value for name, value in reference.state_dict().items()}
    encoder = LatentEncoder(32)
    encoder.load_state_dict({name: value for name, value in parts.items() if name in encoder.state_dict()})
    images = torch.rand(2, 3, 48, 64) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(encoder(images), reference.encode(images).latent_dist.mean)


def test_latents_have_variance_1_and_differ_between_images():
    torch.manual_seed(0)
    latents = latents_of(LatentEncoder(32), torch.rand(2, 3, 64, 64) * 2 - 1)
    assert latents.shape == (2, 4, 8, 8)
    assert not latents.requires_grad
    assert float(latents.std()) == pytest.approx(1.0, abs=1e-5)
    assert float((latents[0] - latents[1]).abs().mean()) > 0.01
