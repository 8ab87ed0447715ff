"""Training step of Inception-v3 on random images, or on photographs from files.

Decisions:
- The network by hand (`cupel.tasks.models.inception`); `full` has 27 161 264 parameters with the auxiliary classifier,
  images of 299 px and a batch of 32, the paper's for each of its replicas. `small` has a quarter of the width, 139 px.
- Loss: cross-entropy with label smoothing 0.1, plus 0.4 times that of the auxiliary classifier. Dropout 0.5 before the
  last layer, as libraries have it; the check is without.
- Optimiser: SGD, momentum 0.9, learning rate 0.045 for a batch of 32 and in proportion for others, constant, weight
  decay 4e-5 on all parameters (that of the authors' code), gradient norm clipped to 2; fused. The paper trained with
  momentum and, for its best results, with RMSProp, which torch has no fused form of: at fp16 it would wait for the
  device in each step.
- Precision: that of the run, by autocast; parameters, momentum and batch norm statistics in fp32; the loss in fp32.
- `data=synthetic`: `batches` batches of standard normal pixels with uniformly random labels, on the device, in
  rotation.
- `data=disk`: JPEG files like ImageNet's, made once into the cache folder, or the user's own where `CUPEL_IMAGENET`
  names a folder `class/file`; read, decoded, cropped and mirrored by `workers` processes as in `dataloader`, normalised
  on the device. Needs Pillow (`cupel[media]`). The check of the work holds the first batches.
- Counted: images of the batch, each step one forward, backward and update.
- Memory at `full` in fp32: activations kept for the backward pass 2.9 GiB; parameters, gradients and momentum
  12 bytes x 27.2 M = 0.3 GiB; the rest is what one layer's backward pass needs.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.spec import Seeds, Sizes, Slot, Step, Workload
from cupel.tasks.classification import Classifier, check_classifier
from cupel.tasks.data.image_source import image_batches
from cupel.tasks.data.random_images import ImageBatch
from cupel.tasks.models.inception import InceptionV3
from cupel.tasks.momentum import momentum_sgd

if TYPE_CHECKING:
    from torch import Tensor

CARD = Workload(
    measures="training throughput",
    unit="images",
    better="higher",
    source="Szegedy et al. 2015, Rethinking the Inception Architecture for Computer Vision",
    tags=("vision", "training", "convolution"),
    needs=("torch",),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16"),
        "compile": (False, True),
        "channels_last": (False, True),
        "data": ("synthetic", "disk"), "strategy": ("ddp", "fsdp")},
    tiny={
        "width": 4, "aux_kernel_px": 1, "dropout": 0.5, "image_px": 107, "num_classes": 10, "batch": 4, "batches": 2,
        "files": 16, "file_px": 96, "workers": 0,
    },
    small={
        "width": 8, "aux_kernel_px": 1, "dropout": 0.5, "image_px": 139, "num_classes": 1000, "batch": 4, "batches": 4,
        "files": 64, "file_px": 320, "workers": 2,
    },
    full={
        "width": 32, "aux_kernel_px": 5, "dropout": 0.5, "image_px": 299, "num_classes": 1000, "batch": 32,
        "batches": 4, "files": 2048, "file_px": 500, "workers": 12,
    },
    optimizer="SGD, momentum 0.9, weight decay 4e-5, learning rate 0.045 x batch / 32, gradient norm clipped to 2",
    parameters=27_161_264,
    memory_gib={"tiny": 0.05, "small": 0.3, "full": 4.0},
)  # fmt: skip
AUX_WEIGHT = 0.4
"""Weight of the auxiliary classifier's loss."""
CHECK_RATE = 0.18
"""Learning rate of the check of the work, at which tiny learns four images within a dozen updates at any seed."""


class InceptionTraining(Classifier):
    """A classifier whose auxiliary one counts too."""

    def loss(self, batch: ImageBatch) -> Tensor:
        """Cross-entropy with smoothed labels, that of the auxiliary classifier weighted, in fp32."""
        with self.slot.autocast():
            output = self.model(batch.images_NCHW)
        losses = [
            F.cross_entropy(logits_NK.float(), batch.labels_N, label_smoothing=self.smoothing) for logits_NK in output
        ]
        return losses[0] + AUX_WEIGHT * losses[1]


def build_model(sizes: Sizes) -> InceptionV3:
    """The network with random weights, on torch's default device."""
    keys = ("width", "num_classes", "aux_kernel_px", "dropout")
    return InceptionV3(**{key: getattr(sizes, key) for key in keys})


def build(sizes: Sizes, slot: Slot, rng: Seeds, *, learning_rate: float) -> InceptionTraining:
    """Model, data and optimiser."""
    batches = image_batches(sizes, slot, rng)
    with slot.device:
        model = build_model(sizes)
    prepared = slot.prepare(model, lambda parameters: momentum_sgd(parameters, lr=learning_rate, weight_decay=4e-5))
    return InceptionTraining(prepared, batches, slot=slot, smoothing=0.1, clip_norm=2.0)


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """Random weights and images on the device; a step is one update."""
    return build(sizes, slot, rng, learning_rate=0.045 * sizes.batch / 32).step


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Logits have their shape, the loss reaches every parameter and falls from one visit of a batch to a later one."""
    fixed = copy.copy(sizes)
    fixed.dropout = 0.0
    training = build(fixed, slot, rng, learning_rate=CHECK_RATE)
    check_classifier("inception_v3", training, num_classes=sizes.num_classes)
