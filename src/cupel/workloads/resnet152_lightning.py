"""Training step of ResNet-152 made by Lightning's Trainer, on random images or on photographs from files.

Decisions:
- Network, data, loss, optimiser and sizes are those of `resnet152` (60 192 808 parameters and a batch of 256 at
  `full`), so that the two rates side by side say what Lightning's loop costs in a step.
- A step is one turn of the loop over batches of a running Trainer (`cupel.tasks.stepped_trainer`): fetching, hooks,
  progress counters, precision plugin, and the optimiser's closure of forward and backward. No logger, progress bar,
  checkpoint or validation; nothing is logged in the training step.
- Optimiser: SGD, momentum 0.9, weight decay 1e-4 on all parameters, learning rate 0.1 for a batch of 256 and in
  proportion for others; constant; the fused implementation.
- Precision: that of the run, by Lightning's plugin for mixed precision, which unlike `resnet152` keeps no cache of cast
  weights; parameters, momentum and batch norm statistics in fp32; the loss in fp32.
- `data=synthetic`: `batches` batches of standard normal pixels with uniformly random labels, on the device, in
  rotation. `data=disk`: JPEG files by the loader of `resnet152`; Lightning gets batches that are on the device already.
- Counted: images of the batch, each step one forward, backward and update.
- Memory at `full` in fp32: as `resnet152`, 42.3 GiB of activations and 0.7 GiB of parameters and optimiser state.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.classification import Classifier, check_visits, cross_entropy, logits_of
from cupel.tasks.data.image_source import image_batches
from cupel.tasks.data.random_images import ImageBatch
from cupel.tasks.learning import check_gradients, check_output
from cupel.tasks.models.resnet import ResNet
from cupel.tasks.momentum import momentum_sgd
from cupel.tasks.stepped_trainer import ClassifierModule, SteppedTrainer

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

CARD = Workload(
    measures="training throughput",
    unit="images",
    better="higher",
    source="He et al. 2015, Deep Residual Learning for Image Recognition; Falcon et al. 2019, PyTorch Lightning",
    tags=("vision", "training", "convolution"),
    needs=("torch", "lightning"),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16"),
        "compile": (False, True),
        "channels_last": (False, True),
        "data": ("synthetic", "disk"),
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
NUM_COMPARED = 3
"""Updates of the Trainer that the check compares with those of a plain loop."""


def build_model(sizes: Sizes) -> ResNet:
    """The network with random weights, on torch's default device."""
    return ResNet(depth=sizes.depth, width=sizes.width, num_classes=sizes.num_classes)


def prepare(network: Any, sizes: Sizes, slot: Slot) -> tuple[Any, torch.optim.Optimizer]:
    """The network as the settings of the run want it, and its optimiser."""
    made = []

    def sgd(parameters: Any) -> torch.optim.Optimizer:
        made.append(momentum_sgd(parameters, lr=0.1 * sizes.batch / 256, weight_decay=1e-4))
        return made[0]

    return slot.prepare(network, sgd), made[0]


def build(sizes: Sizes, slot: Slot, batches: Sequence[ImageBatch]) -> tuple[Step, ClassifierModule]:
    """The step, and what it trains."""
    with slot.device:
        network = build_model(sizes)
    module = ClassifierModule(*prepare(network, sizes, slot), slot)
    trainer = SteppedTrainer(slot)
    trainer.start(module, batches)

    def step() -> Done:
        trainer.train_one()
        return Done(items=sizes.batch, loss=module.last_loss)

    return step, module


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """Random weights and images on the device, a Trainer before its first batch; a step is one update."""
    return build(sizes, slot, image_batches(sizes, slot, rng))[0]


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Logits have their shape, gradients reach all, the Trainer's losses are those of a plain loop, and they fall."""
    batches = list(image_batches(sizes, slot, rng))  # held, so that those from files come again
    step, module = build(sizes, slot, batches)
    logits = logits_of(module.network, batches[0], slot)
    check_output("resnet152_lightning", logits, shape=(sizes.batch, sizes.num_classes), dtype=slot.dtype)
    check_gradients("resnet152_lightning", module.network, cross_entropy(module.network, batches[0], slot))
    plain = Classifier(prepare(copy.deepcopy(module.network), sizes, slot)[0], batches, slot=slot)
    for update in range(NUM_COMPARED):
        found, expected = float(step().loss), float(plain.step().loss)
        if not abs(found - expected) <= 1e-3 * abs(expected):
            raise WrongWorkError(
                f"resnet152_lightning: at update {update} the Trainer's loss is {found:.6g}; "
                f"expected {expected:.6g}, that of a plain loop from the same weights."
            )
    check_visits("resnet152_lightning", step, num_batches=len(batches))
