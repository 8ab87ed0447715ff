"""Training step of ConvNeXt-L on random images, or on photographs from files.

Decisions:
- The `transformers` library's network from a configuration with random weights. `full` has stages of 3, 3, 27 and 3
  blocks with 192, 384, 768 and 1536 channels: 197 767 336 parameters, at 224 px and a batch of 128, Milabench's.
  `small` has 3, 3, 9 and 3 blocks and an eighth of the width.
- Stochastic depth up to 0.5 and label smoothing 0.1, the paper's for this network. Layer scale starts at 1e-6, the
  paper's; at `tiny` at 1, so that its blocks learn within the check of its work. The check is without stochastic depth.
- Optimiser: AdamW, learning rate 1.25e-4, which is the paper's 4e-3 for a batch of 4096 in proportion to 128 (tiny:
  1e-3), constant, weight decay 0.05 on matrices and kernels, none on vectors; fused. No averaged weights.
- Precision: that of the run, by autocast; parameters and optimiser state in fp32; the loss in fp32.
- `data=synthetic`: `batches` batches of standard normal pixels with uniformly random labels, on the device, in
  rotation. Images are not mixed, in neither.
- `data=disk`: JPEG files like ImageNet's, made once into the cache folder, or the user's own where `CUPEL_IMAGENET`
  names a folder `class/file`; read, decoded, cropped and mirrored by `workers` processes as in `dataloader`, normalised
  on the device. Needs Pillow (`cupel[media]`). The check of the work holds the first batches.
- Counted: images of the batch, each step one forward, backward and update.
- Memory at `full` in fp32: activations kept for the backward pass 42.2 GiB; parameters, gradients and two moments
  16 bytes x 198 M = 2.9 GiB; the rest is what one layer's backward pass needs.
"""

from __future__ import annotations

import copy
from typing import Any

import torch

from cupel.spec import Seeds, Sizes, Slot, Step, Workload
from cupel.tasks.classification import Classifier, check_classifier
from cupel.tasks.data.image_source import image_batches
from cupel.tasks.decay import decayed_apart

CARD = Workload(
    measures="training throughput",
    unit="images",
    better="higher",
    source="Liu et al. 2022, A ConvNet for the 2020s",
    tags=("vision", "training", "convolution"),
    needs=("torch", "models"),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16"),
        "compile": (False, True),
        "channels_last": (False, True),
        "data": ("synthetic", "disk"), "strategy": ("ddp", "fsdp")},
    tiny={
        "depth": 4, "width": 8, "layer_scale": 1.0, "drop_path": 0.5, "learning_rate": 1e-3, "image_px": 32,
        "num_classes": 10, "batch": 4, "batches": 2, "files": 16, "file_px": 96, "workers": 0,
    },
    small={
        "depth": 18, "width": 24, "layer_scale": 1e-6, "drop_path": 0.5, "learning_rate": 1.25e-4, "image_px": 64,
        "num_classes": 1000, "batch": 4, "batches": 4, "files": 64, "file_px": 320, "workers": 2,
    },
    full={
        "depth": 36, "width": 192, "layer_scale": 1e-6, "drop_path": 0.5, "learning_rate": 1.25e-4, "image_px": 224,
        "num_classes": 1000, "batch": 128, "batches": 4, "files": 2048, "file_px": 500, "workers": 12,
    },
    optimizer="AdamW, learning rate 1.25e-4 (tiny: 1e-3), betas 0.9 and 0.999, weight decay 0.05 (vectors: 0)",
    parameters=197_767_336,
    memory_gib={"tiny": 0.05, "small": 0.3, "full": 49.0},
)  # fmt: skip
BLOCKS = {4: (1, 1, 1, 1), 18: (3, 3, 9, 3), 36: (3, 3, 27, 3)}
"""Blocks of each of the four stages, by their number in all."""


def build_model(sizes: Sizes) -> Any:
    """The network with random weights, on torch's default device."""
    from transformers.models.convnext.configuration_convnext import ConvNextConfig
    from transformers.models.convnext.modeling_convnext import ConvNextForImageClassification

    config = ConvNextConfig(
        depths=list(BLOCKS[sizes.depth]),
        hidden_sizes=[sizes.width * 2**stage_idx for stage_idx in range(4)],
        layer_scale_init_value=sizes.layer_scale,
        drop_path_rate=sizes.drop_path,
        image_size=sizes.image_px,
        num_labels=sizes.num_classes,
    )
    return ConvNextForImageClassification(config).train()


def build(sizes: Sizes, slot: Slot, rng: Seeds) -> Classifier:
    """Model, data and optimiser."""

    def adamw(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.AdamW(decayed_apart(parameters, 0.05), lr=sizes.learning_rate, fused=True)

    batches = image_batches(sizes, slot, rng)
    with slot.device:
        model = build_model(sizes)
    return Classifier(slot.prepare(model, adamw), batches, slot=slot, smoothing=0.1)


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """Random weights and images on the device; a step is one update."""
    return build(sizes, slot, rng).step


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Logits have their shape, the loss reaches every parameter and falls from one visit of a batch to a later one."""
    fixed = copy.copy(sizes)
    fixed.drop_path = 0.0
    check_classifier("convnext_large", build(fixed, slot, rng), num_classes=sizes.num_classes)
