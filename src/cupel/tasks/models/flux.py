"""The networks of FLUX.1 of the `diffusers` library, from a configuration, with random weights.

Shapes: B images, P patches of an image (2 x 2 latent pixels of 16 channels: 64 numbers), W words of a prompt, D numbers
of a word, E numbers of a whole prompt, C channels, H height, W width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cupel.spec import Sizes

LATENT_CHANNELS = 16
PATCH = 2
"""Latent pixels along the side of a patch."""
REDUCTION = 8
"""Pixels along the side of a latent pixel."""
LATENT_SCALE, LATENT_SHIFT = 0.3611, 0.1159
"""Latents as the transformer has them are those of the decoder, less the shift, times the scale."""


def patches_a_side(image_px: int) -> int:
    """Patches along the side of an image."""
    return image_px // (REDUCTION * PATCH)


class Flux(nn.Module):
    """The transformer that says in which direction noisy patches become an image that a prompt describes.

    Args:
        sizes: `double_blocks`, `single_blocks`, `heads`, `head_dim` (a multiple of 32), `word_dim`, `prompt_dim`,
            `image_px`.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel

        share = sizes.head_dim // 8
        self.net: Any = FluxTransformer2DModel(
            in_channels=LATENT_CHANNELS * PATCH * PATCH,
            num_layers=sizes.double_blocks,
            num_single_layers=sizes.single_blocks,
            attention_head_dim=sizes.head_dim,
            num_attention_heads=sizes.heads,
            joint_attention_dim=sizes.word_dim,
            pooled_projection_dim=sizes.prompt_dim,
            guidance_embeds=True,
            axes_dims_rope=(share, 7 * share // 2, 7 * share // 2),
        )
        self.side = patches_a_side(sizes.image_px)

    def forward(self, patches_BPC: Tensor, words_BWD: Tensor, prompt_BE: Tensor, dials_2B: Tensor) -> Tensor:
        """Velocities, (B, P, 64); the dials are the level of noise and the guidance of each image."""
        device = patches_BPC.device
        place = torch.arange(self.side, device=device, dtype=torch.float32)
        row_P, column_P = place.repeat_interleave(self.side), place.repeat(self.side)
        level_B, guidance_B = dials_2B.unbind()
        velocity_BPC: Tensor = self.net(
            hidden_states=patches_BPC,
            encoder_hidden_states=words_BWD,
            pooled_projections=prompt_BE,
            timestep=level_B,
            guidance=guidance_B,
            img_ids=torch.stack([torch.zeros_like(row_P), row_P, column_P], dim=1),
            txt_ids=torch.zeros(words_BWD.shape[1], 3, device=device),
            return_dict=False,
        )[0]
        return velocity_BPC


def decoder(width: int) -> Any:
    """The half of the autoencoder that makes pixels of latents.

    Args:
        width: channels at the full size of the image (128 as published); twice and four times as many below.
    """
    from diffusers.models.autoencoders.vae import Decoder

    return Decoder(
        in_channels=LATENT_CHANNELS,
        out_channels=3,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(width, 2 * width, 4 * width, 4 * width),
        layers_per_block=2,
        norm_num_groups=min(32, width),
    )


def latents_of(patches_BPC: Tensor) -> Tensor:
    """Latents (B, 16, H, W) as the decoder takes them, of patches in the order of rows."""
    num_images, num_patches, _ = patches_BPC.shape
    side = round(num_patches**0.5)
    split = patches_BPC.view(num_images, side, side, LATENT_CHANNELS, PATCH, PATCH)
    latents_BCHW = split.permute(0, 3, 1, 4, 2, 5).reshape(num_images, LATENT_CHANNELS, side * PATCH, side * PATCH)
    return latents_BCHW / LATENT_SCALE + LATENT_SHIFT
