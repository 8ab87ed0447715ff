"""Training step of ResNet-50 on random images.

Decisions:
- Version 1.5 of the network, by hand (`cupel.tasks.models.resnet`); `full` is depth 50 and width 64, 25.6 M parameters,
  at 224 px and a batch of 256, the paper's. `small` keeps the depth at a quarter of the width, 64 px and a batch of 8.
- Optimiser: SGD, momentum 0.9, weight decay 1e-4 on all parameters, learning rate 0.1 for a batch of 256 and in
  proportion for others; constant; the fused implementation.
- Precision: that of the run, by autocast; parameters, momentum and batch norm statistics in fp32; the loss in fp32.
- Data: `batches` batches of standard normal pixels with uniformly random labels, on the device before the first step,
  in rotation. No decoding or augmentation: a data pipeline is another workload.
- Counted: images of the batch, each step one forward, backward and update.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload
from cupel.tasks.learning import check_fall, check_gradients, check_output
from cupel.tasks.models.resnet import ResNet

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
    },
    tiny={"depth": 14, "width": 8, "image_px": 32, "num_classes": 10, "batch": 4, "batches": 2},
    small={"depth": 50, "width": 16, "image_px": 64, "num_classes": 1000, "batch": 8, "batches": 4},
    full={"depth": 50, "width": 64, "image_px": 224, "num_classes": 1000, "batch": 256, "batches": 4},
    optimizer="SGD, momentum 0.9, weight decay 1e-4, learning rate 0.1 x batch / 256",
    memory_gib={"tiny": 0.05, "small": 0.3, "full": 25.0},
)


def build(sizes: Sizes, slot: Slot, rng: Seeds) -> tuple[Step, nn.Module, list[tuple[Tensor, Tensor]]]:
    """The step, the model that it trains, and the batches (images, labels) that it rotates over."""
    generator = slot.generator(rng.seed("data"))
    shape = (sizes.batch, 3, sizes.image_px, sizes.image_px)
    data = [
        (
            slot.laid_out(torch.randn(shape, generator=generator, device=slot.device)),
            torch.randint(sizes.num_classes, (sizes.batch,), generator=generator, device=slot.device),
        )
        for _ in range(sizes.batches)
    ]
    model = slot.prepare(
        ResNet(depth=sizes.depth, width=sizes.width, num_classes=sizes.num_classes),
        lambda parameters: make_optimizer(list(parameters), lr=0.1 * sizes.batch / 256),
    )
    num_steps = 0

    def step() -> Done:
        nonlocal num_steps
        images, labels = data[num_steps % len(data)]
        num_steps += 1
        loss = loss_of(model, images, labels, slot)
        slot.step(loss)
        return Done(items=len(images), loss=loss.detach())

    return step, model, data


def make_optimizer(parameters: list[nn.Parameter], lr: float) -> torch.optim.Optimizer:
    """SGD whose momentum starts at zero.

    Left alone, the fused SGD of PyTorch 2.13 starts with momentum of uninitialised memory where loss scaling skips the
    first update (fp16). Fused, since otherwise each skipped or unskipped update would wait for the device.
    """
    optimizer = torch.optim.SGD(parameters, lr=lr, momentum=0.9, weight_decay=1e-4, fused=True)
    for parameter in parameters:
        optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


def loss_of(model: nn.Module, images: Tensor, labels: Tensor, slot: Slot) -> Tensor:
    """Cross-entropy in fp32 of the logits at the run's precision."""
    with slot.autocast():
        logits = model(images)
    return F.cross_entropy(logits.float(), labels)


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """Random weights and images on the device; a step is one update."""
    return build(sizes, slot, rng)[0]


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Logits have their shape, the loss reaches every parameter and falls from one visit of a batch to a later one."""
    step, model, data = build(sizes, slot, rng)
    with slot.autocast():
        logits = model(data[0][0])
    check_output("resnet50", logits, shape=(sizes.batch, sizes.num_classes), dtype=slot.dtype)
    check_gradients("resnet50", model, loss_of(model, *data[0], slot))
    losses = [step().loss for _ in range(12 * sizes.batches + 1)]
    check_fall("resnet50", [float(loss) for loss in losses[:: sizes.batches]])
