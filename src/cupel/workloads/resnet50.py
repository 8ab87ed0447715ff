"""Training step of ResNet-50 on random images, or on photographs from files.

Decisions:
- Version 1.5 of the network, by hand (`cupel.tasks.models.resnet`); `full` is depth 50 and width 64, 25.6 M parameters,
  at 224 px and a batch of 256, the paper's. `small` keeps the depth at a quarter of the width, 64 px and a batch of 8.
- Optimiser: SGD, momentum 0.9, weight decay 1e-4 on all parameters, learning rate 0.1 for a batch of 256 and in
  proportion for others; constant; the fused implementation.
- Precision: that of the run, by autocast; parameters, momentum and batch norm statistics in fp32; the loss in fp32.
- `data=synthetic`: `batches` batches of standard normal pixels with uniformly random labels, on the device before the
  first step, in rotation. No decoding or augmentation.
- `data=disk`: JPEG files like ImageNet's, made once into the cache folder, or the user's own where `CUPEL_IMAGENET`
  names a folder `class/file`; read, decoded, cropped and mirrored by `workers` processes as in `dataloader`, normalised
  on the device. Needs Pillow (`cupel[media]`). The check of the work holds the first batches.
- Counted: images of the batch, each step one forward, backward and update.
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
        "data": ("synthetic", "disk"), "strategy": ("ddp", "fsdp")},
    tiny={
        "depth": 14, "width": 8, "image_px": 32, "num_classes": 10, "batch": 4, "batches": 2,
        "files": 16, "file_px": 96, "workers": 0,
    },
    small={
        "depth": 50, "width": 16, "image_px": 64, "num_classes": 1000, "batch": 8, "batches": 4,
        "files": 64, "file_px": 320, "workers": 2,
    },
    full={
        "depth": 50, "width": 64, "image_px": 224, "num_classes": 1000, "batch": 256, "batches": 4,
        "files": 2048, "file_px": 500, "workers": 12,
    },
    optimizer="SGD, momentum 0.9, weight decay 1e-4, learning rate 0.1 x batch / 256",
    parameters=25_557_032,
    memory_gib={"tiny": 0.05, "small": 0.3, "full": 25.0},
)  # fmt: skip


def build_model(sizes: Sizes) -> ResNet:
    """The network with random weights, on torch's default device."""
    return ResNet(depth=sizes.depth, width=sizes.width, num_classes=sizes.num_classes)


def build(sizes: Sizes, slot: Slot, rng: Seeds) -> Classifier:
    """Model, data and optimiser."""
    batches = image_batches(sizes, slot, rng)
    model = slot.prepare(
        build_model(sizes),
        lambda parameters: momentum_sgd(parameters, lr=0.1 * sizes.batch / 256, weight_decay=1e-4),
    )
    return Classifier(model, batches, slot=slot)


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """Random weights and images on the device; a step is one update."""
    return build(sizes, slot, rng).step


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Logits have their shape, the loss reaches every parameter and falls from one visit of a batch to a later one."""
    check_classifier("resnet50", build(sizes, slot, rng), num_classes=sizes.num_classes)
