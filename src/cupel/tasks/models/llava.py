"""LLaVA 1.5 of the `transformers` library, from a configuration, with random weights.

Decisions:
- The place of the image among the tokens is the same in every prompt, so that its vectors are joined to those of the
  words by concatenation. The library looks for the place in the ids and makes the host wait for the answer.
- As in the paper's second phase, the vision transformer is not trained: it runs without gradients.

Shapes: B prompts, C channels, H height, W width, T words of a prompt and its answer, P vectors of an image, V ids.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cupel.spec import Sizes


def num_image_tokens(sizes: Sizes) -> int:
    """Vectors that an image becomes: one for each patch."""
    return int((sizes.image_px // sizes.patch_px) ** 2)


class Llava(nn.Module):
    """A vision transformer, a projection of two layers, and a decoder that reads images among words.

    Args:
        sizes: `vision_layers`, `vision_width`, `vision_heads`, `vision_feedforward`, `image_px`, `patch_px`; `layers`,
            `width`, `heads`, `feedforward`, `vocab_size` of the decoder; `before`, the words that come before the
            image; and `checkpoints`: whether activations within a layer of the decoder are computed again in the
            backward pass.

    Source:
        Liu et al. 2023, Improved Baselines with Visual Instruction Tuning, section 3.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        from transformers.models.clip.configuration_clip import CLIPVisionConfig
        from transformers.models.llama.configuration_llama import LlamaConfig
        from transformers.models.llava.configuration_llava import LlavaConfig
        from transformers.models.llava.modeling_llava import LlavaForConditionalGeneration

        vision = CLIPVisionConfig(
            hidden_size=sizes.vision_width,
            intermediate_size=sizes.vision_feedforward,
            num_hidden_layers=sizes.vision_layers,
            num_attention_heads=sizes.vision_heads,
            image_size=sizes.image_px,
            patch_size=sizes.patch_px,
            projection_dim=sizes.vision_width,
        )
        text = LlamaConfig(
            vocab_size=sizes.vocab_size,
            hidden_size=sizes.width,
            intermediate_size=sizes.feedforward,
            num_hidden_layers=sizes.layers,
            num_attention_heads=sizes.heads,
            num_key_value_heads=sizes.heads,
            max_position_embeddings=4096,
            rms_norm_eps=1e-5,
            use_cache=False,
        )
        config = LlavaConfig(
            vision_config=vision,
            text_config=text,
            image_token_index=sizes.vocab_size - 1,
            image_seq_length=num_image_tokens(sizes),
            attn_implementation="sdpa",
        )
        self.net: Any = LlavaForConditionalGeneration(config).train()
        self.num_before = sizes.before
        self.net.model.vision_tower.requires_grad_(requires_grad=False)
        if sizes.checkpoints:
            decoder = self.net.model.language_model
            # Later releases of transformers 5 renamed the method, and the old name warns.
            getattr(decoder, "activation_checkpointing_enable", decoder.gradient_checkpointing_enable)()

    def trained(self) -> nn.ModuleDict:
        """The parts that learn: projection, decoder, and the layer of its logits."""
        body = self.net.model
        parts = {"projector": body.multi_modal_projector, "decoder": body.language_model, "head": self.net.lm_head}
        return nn.ModuleDict(parts)

    def forward(self, images_BCHW: Tensor, words_BT: Tensor, may_see_11SS: Tensor) -> Tensor:
        """Logits after every position, (B, S, V) with S = T + P: words before the image, image, words after it.

        Args:
            images_BCHW: one image for each prompt.
            words_BT: ids of the words around it.
            may_see_11SS: which position may attend to which; left to make it, the library would wait for the device.
        """
        body = self.net.model
        with torch.no_grad():
            vision = body.vision_tower(pixel_values=images_BCHW, output_hidden_states=True)
        picture = body.multi_modal_projector(vision.hidden_states[-2][:, 1:])
        words = body.language_model.embed_tokens(words_BT)
        before, after = words[:, : self.num_before], words[:, self.num_before :]
        read = torch.cat([before, picture.to(words.dtype), after], dim=1)
        said = body.language_model(inputs_embeds=read, attention_mask=may_see_11SS, use_cache=False).last_hidden_state
        logits: Tensor = self.net.lm_head(said)
        return logits
