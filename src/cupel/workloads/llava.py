"""LLaVA 1.5 learning to answer questions about images.

Decisions:
- `full` is LLaVA-1.5-7B: CLIP ViT-L/14 at 336 px (576 vectors of an image, from its layer before the last), a
  projection of two layers, and a decoder of Llama 2 7B with 32 064 ids: 7 063 427 072 parameters, of which 6 759.9 M
  learn. One image a step, as in Milabench.
- As in the paper's second phase, the vision transformer is frozen, and runs without gradients.
- The `transformers` library's layers with random weights; scaled dot product attention, its mask made at set-up.
- Data: `before` words, the image, `question` words and `answer` words by Zipf's law; only the answer counts in the
  loss. Nothing is padded. `data=synthetic`: standard normal pixels; `batches` batches on the device, in rotation.
  `data=disk`: whole photographs (of the size of COCO's at `full`; the user's own where `CUPEL_IMAGENET` names a folder
  `class/file`), decoded and padded to squares by `workers` processes. Needs Pillow (`cupel[media]`).
- AdamW, fused, learning rate 2e-5 (tiny: 1e-3), no weight decay, constant. At bf16, parameters, gradients and both
  moments are stored in bf16 too, as one device needs it; fp16 is mixed precision over fp32 parameters.
- Counted: images; `tokens` counts words and the vectors of images.
- Memory at `full` (arithmetic): 16 bytes x 6 759.9 M + 4 bytes x 303.5 M = 101.9 GiB in fp32, half of it in bf16; 768
  positions: inputs of 32 layers 0.4 GiB, one layer's inside 0.3 GiB, logits 0.3 GiB. `checkpoints` is on at `full`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.data.batch_stream import in_rotation
from cupel.tasks.data.dialogues import Dialogues, dialogue_batches
from cupel.tasks.learning import check_fall, check_gradients, check_output
from cupel.tasks.models.llava import Llava, num_image_tokens

CARD = Workload(
    measures="training throughput",
    unit="images",
    also=("tokens",),
    better="higher",
    source="Liu et al. 2023, Improved Baselines with Visual Instruction Tuning",
    tags=("training", "vision", "language", "transformer", "decoder"),
    needs=("torch", "models"),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16"), "compile": (False, True), "data": ("synthetic", "disk"),
        "strategy": ("ddp", "fsdp")},
    optimizer="AdamW, learning rate 2e-5 (tiny: 1e-3), betas 0.9 and 0.999, no weight decay",
    tiny={
        "vision_layers": 2, "vision_width": 32, "vision_heads": 2, "vision_feedforward": 64, "image_px": 28,
        "patch_px": 14, "layers": 2, "width": 64, "heads": 2, "feedforward": 128, "vocab_size": 256, "before": 2,
        "question": 4, "answer": 6, "checkpoints": True, "batch": 2, "batches": 2, "learning_rate": 0.001,
        "files": 16, "file_px": 96, "workers": 0,
    },
    small={
        "vision_layers": 4, "vision_width": 128, "vision_heads": 4, "vision_feedforward": 512, "image_px": 112,
        "patch_px": 14, "layers": 3, "width": 256, "heads": 4, "feedforward": 704, "vocab_size": 4096, "before": 8,
        "question": 16, "answer": 32, "checkpoints": False, "batch": 1, "batches": 4, "learning_rate": 2e-5,
        "files": 64, "file_px": 320, "workers": 2,
    },
    full={
        "vision_layers": 24, "vision_width": 1024, "vision_heads": 16, "vision_feedforward": 4096, "image_px": 336,
        "patch_px": 14, "layers": 32, "width": 4096, "heads": 32, "feedforward": 11008, "vocab_size": 32064,
        "before": 32, "question": 32, "answer": 128, "checkpoints": True, "batch": 1, "batches": 4,
        "learning_rate": 2e-5, "files": 1024, "file_px": 640, "workers": 2,
    },
    parameters=7_063_427_072,
    memory_gib={"tiny": 0.1, "small": 0.5, "full": 104.0},
)  # fmt: skip


def build_model(sizes: Sizes) -> Llava:
    """The model with random weights, on torch's default device."""
    return Llava(sizes)


def at_precision(model: Llava, slot: Slot) -> Llava:
    """Parameters in bf16 at bf16; rotary frequencies stay in fp32, as `model.to(dtype)` would not have it."""
    for parameter in model.parameters() if slot.precision == "bf16" else ():
        parameter.data = parameter.data.to(torch.bfloat16)
    return model


def logits_of(model: Any, batch: Dialogues, slot: Slot) -> Tensor:
    """Logits after every position, at the run's precision."""
    with slot.autocast():
        logits: Tensor = model(*batch)
    return logits


def answer_loss(logits: Tensor, batch: Dialogues, *, num_answer: int) -> Tensor:
    """Mean cross-entropy, in fp32, of the words of the answers given all before them."""
    guesses = logits[:, -num_answer - 1 : -1].float()
    return F.cross_entropy(guesses.flatten(0, 1), batch.words_BT[:, -num_answer:].flatten())


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """A model, batches in rotation, and the step that trains on the next batch."""
    return step_on(dialogue_batches(sizes, slot, rng=rng, num_image_tokens=num_image_tokens(sizes)), sizes, slot)


def step_on(batches: Sequence[Dialogues], sizes: Sizes, slot: Slot) -> Step:
    """A model, and the step that trains it on the next of the batches."""

    def adamw(parameters: Any) -> torch.optim.Optimizer:
        learning = [parameter for parameter in parameters if parameter.requires_grad]
        return torch.optim.AdamW(learning, lr=sizes.learning_rate, weight_decay=0.0, fused=True)

    with slot.device:
        model = slot.prepare(at_precision(build_model(sizes), slot), adamw)
    rotation = in_rotation(batches)

    def step() -> Done:
        batch = next(rotation)
        loss = answer_loss(logits_of(model, batch, slot), batch, num_answer=sizes.answer)
        slot.step(loss)
        return Done(sizes.batch, loss=loss.detach(), also={"tokens": sizes.batch * batch.may_see_11SS.shape[-1]})

    return step


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Logits have their shape, gradients reach what learns, an untrained model guesses, one batch can be learned."""
    batch = dialogue_batches(sizes, slot, rng=rng, num_image_tokens=num_image_tokens(sizes))[0]
    with slot.device:
        model = at_precision(build_model(sizes), slot)
    logits = logits_of(model, batch, slot)
    shape = (sizes.batch, batch.may_see_11SS.shape[-1], sizes.vocab_size)
    check_output("llava", logits, shape=shape, dtype=slot.dtype)
    loss = answer_loss(logits, batch, num_answer=sizes.answer)
    guess, found = math.log(sizes.vocab_size), float(loss.detach())
    if not abs(found - guess) < 0.1 * guess:
        raise WrongWorkError(f"llava: the loss before training is {found:.3f}; expected ln(vocabulary) = {guess:.3f}.")
    check_gradients("llava", model.trained(), loss)
    step = step_on([batch], sizes, slot)
    check_fall("llava", [float(step().loss) for _ in range(20)])
