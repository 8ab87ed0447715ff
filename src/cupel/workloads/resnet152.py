"""Training step of ResNet-152 on random images, or on photographs from files.

Decisions:
- Version 1.5 of the network, by hand (`cupel.tasks.models.resnet`); `full` is depth 152 and width 64, 60 192 808
  parameters, at 224 px and a batch of 256, Milabench's and the paper's. `small` keeps all 152 layers at an eighth of
  the width, 64 px and a batch of 4: many small operators, as the network has. `tiny` has 26 layers.
- Optimiser: SGD, momentum 0.9, weight decay 1e-4 on all parameters, learning rate 0.1 for a batch of 256 and in
  proportion for others; constant; the fused implementation.
- Precision: that of the run, by autocast; parameters, momentum and batch norm statistics in fp32; the loss in fp32.
- `data=synthetic`: `batches` batches of standard normal pixels with uniformly random labels, on the device before the
  first step, in rotation. No decoding or augmentation.
- `data=disk`: JPEG files like ImageNet's, made once into the cache folder, or the user's own where `CUPEL_IMAGENET`
  names a folder `class/file`; read, decoded, cropped and mirrored by `workers` processes as in `dataloader`, normalised
  on the device. Needs Pillow (`cupel[media]`). The check of the work holds the first batches.
- Counted: images of the batch, each step one forward, backward and update.
- Memory at `full` in fp32: activations kept for the backward pass 42.3 GiB; parameters, gradients and momentum
  12 bytes x 60.2 M = 0.7 GiB; images 4 x 0.14 GiB; the rest is what one layer's backward pass needs.
"""

from __future__ import annotations

from cupel.spec import Seeds, Sizes, Slot, Step, Workload
from cupel.tasks.classification import Classifier, check_classifier
from cupel.tasks.data.image_source import image_batches
from cupel.tasks.models.resnet import ResNet
from cupel.tasks.momentum import momentum_sgd

CARD = Workload(
    measures="training throughput",
    unit="images",
    better="higher",
    source="He et al. 2015, Deep Residual Learning for Image Recognition",
    tags=("vision", "training", "convolution"),
    needs=("torch",),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16"),
        "compile": (False, True),
        "channels_last": (False, True),
        "data": ("synthetic", "disk"),
        "strategy": ("ddp", "fsdp"),
    },
    tiny={
        "depth": 26, "width": 8, "image_px": 64, "num_classes": 10, "batch": 4, "batches": 2,
        "files": 16, "file_px": 96, "workers": 0,
    },
    small={
        "depth": 152, "width": 8, "image_px": 64, "num_classes": 1000, "batch": 4, "batches": 4,
        "files": 64, "file_px": 320, "workers": 2,
    },
    full={
        "depth": 152, "width": 64, "image_px": 224, "num_classes": 1000, "batch": 256, "batches": 4,
        "files": 2048, "file_px": 500, "workers": 12,
    },
    optimizer="SGD, momentum 0.9, weight decay 1e-4, learning rate 0.1 x batch / 256",
    parameters=60_192_808,
    memory_gib={"tiny": 0.05, "small": 0.3, "full": 47.0},
)  # fmt: skip


def build_model(sizes: Sizes) -> ResNet:
    """The network with random weights, on torch's default device."""
    return ResNet(depth=sizes.depth, width=sizes.width, num_classes=sizes.num_classes)


def build(sizes: Sizes, slot: Slot, rng: Seeds) -> Classifier:
    """Model, data and optimiser."""
    batches = image_batches(sizes, slot, rng)
    with slot.device:
        model = build_model(sizes)
    model = slot.prepare(
        model, lambda parameters: momentum_sgd(parameters, lr=0.1 * sizes.batch / 256, weight_decay=1e-4)
    )
    return Classifier(model, batches, slot=slot)


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """Random weights and images on the device; a step is one update."""
    return build(sizes, slot, rng).step


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Logits have their shape, the loss reaches every parameter and falls from one visit of a batch to a later one."""
    check_classifier("resnet152", build(sizes, slot, rng), num_classes=sizes.num_classes)
