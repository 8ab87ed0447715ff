"""Training step of RegNetY-128GF on random images, or on photographs from files.

Decisions:
- The `transformers` library's network from a configuration with random weights. `full` has stages of 2, 7, 17 and 1
  blocks with 528, 1056, 2904 and 7392 channels in groups of 264, and squeeze-and-excitation at a quarter: the widths
  that the design space gives for w_0 = 456, w_a = 160.83, w_m = 2.52; 644 812 894 parameters, 127.5 billion
  multiply-adds for an image of 224 px. A batch of 64, Milabench's.
- `small` and `tiny` have the same number of groups in each stage, of 8 and 4 channels, and fewer blocks.
- Optimiser: SGD, momentum 0.9, weight decay 5e-5 on all parameters, learning rate 0.1 for a batch of 128 and in
  proportion for others, the paper's; constant; the fused implementation.
- Precision: that of the run, by autocast; parameters, momentum and batch norm statistics in fp32; the loss in fp32.
- `data=synthetic`: `batches` batches of standard normal pixels with uniformly random labels, on the device, in
  rotation.
- `data=disk`: JPEG files like ImageNet's, made once into the cache folder, or the user's own where `CUPEL_IMAGENET`
  names a folder `class/file`; read, decoded, cropped and mirrored by `workers` processes as in `dataloader`, normalised
  on the device. Needs Pillow (`cupel[media]`). The check of the work holds the first batches.
- Counted: images of the batch, each step one forward, backward and update.
- Memory at `full` in fp32: activations kept for the backward pass 38.0 GiB; parameters, gradients and momentum
  12 bytes x 645 M = 7.2 GiB; the rest is what one layer's backward pass needs.
"""

from __future__ import annotations

from typing import Any

from cupel.spec import Seeds, Sizes, Slot, Step, Workload
from cupel.tasks.classification import Classifier, check_classifier
from cupel.tasks.data.image_source import image_batches
from cupel.tasks.momentum import momentum_sgd

CARD = Workload(
    measures="training throughput",
    unit="images",
    better="higher",
    source="Radosavovic et al. 2020, Designing Network Design Spaces (at 128 GF: Singh et al. 2022, Revisiting Weakly "
    "Supervised Pre-Training of Visual Perception Models)",
    tags=("vision", "training", "convolution"),
    needs=("torch", "models"),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16"),
        "compile": (False, True),
        "channels_last": (False, True),
        "data": ("synthetic", "disk"),
        "strategy": ("ddp", "fsdp"),
    },
    tiny={
        "depth": 4, "group_width": 4, "image_px": 32, "num_classes": 10, "batch": 4, "batches": 2,
        "files": 16, "file_px": 96, "workers": 0,
    },
    small={
        "depth": 9, "group_width": 8, "image_px": 64, "num_classes": 1000, "batch": 8, "batches": 4,
        "files": 64, "file_px": 320, "workers": 2,
    },
    full={
        "depth": 27, "group_width": 264, "image_px": 224, "num_classes": 1000, "batch": 64, "batches": 4,
        "files": 2048, "file_px": 500, "workers": 12,
    },
    optimizer="SGD, momentum 0.9, weight decay 5e-5, learning rate 0.1 x batch / 128",
    parameters=644_812_894,
    memory_gib={"tiny": 0.05, "small": 0.3, "full": 48.0},
)  # fmt: skip
BLOCKS = {4: (1, 1, 1, 1), 9: (1, 2, 5, 1), 27: (2, 7, 17, 1)}
"""Blocks of each of the four stages, by their number in all."""
GROUPS = (2, 4, 11, 28)
"""Groups of channels in each stage."""


def build_model(sizes: Sizes) -> Any:
    """The network with random weights, on torch's default device."""
    from transformers.models.regnet.configuration_regnet import RegNetConfig
    from transformers.models.regnet.modeling_regnet import RegNetForImageClassification

    config = RegNetConfig(
        depths=list(BLOCKS[sizes.depth]),
        hidden_sizes=[groups * sizes.group_width for groups in GROUPS],
        groups_width=sizes.group_width,
        embedding_size=32,
        layer_type="y",
        num_labels=sizes.num_classes,
    )
    return RegNetForImageClassification(config).train()


def build(sizes: Sizes, slot: Slot, rng: Seeds) -> Classifier:
    """Model, data and optimiser."""
    batches = image_batches(sizes, slot, rng)
    with slot.device:
        model = build_model(sizes)
    model = slot.prepare(
        model, lambda parameters: momentum_sgd(parameters, lr=0.1 * sizes.batch / 128, weight_decay=5e-5)
    )
    return Classifier(model, batches, slot=slot)


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """Random weights and images on the device; a step is one update."""
    return build(sizes, slot, rng).step


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Logits have their shape, the loss reaches every parameter and falls from one visit of a batch to a later one."""
    check_classifier("regnet_y_128gf", build(sizes, slot, rng), num_classes=sizes.num_classes)
