"""DINOv2 with the giant vision transformer: a student learns what its moving average says of other crops.

Decisions:
- `full` is ViT-g/14 (40 layers, width 1536, 24 heads, SwiGLU): 1134.8 M parameters, which are the 1136.5 M of the
  published model less a mask token and the positions of its last phase at 518 px; heads of 3 layers (2048, bottleneck
  384) and 131 072 prototypes, 58.5 M, as the paper's recipe for it.
- Two crops of 224 px and eight of 98 px of each image; 32 images a step, Milabench's number. Counted: images.
- The loss between class tokens (DINO) with a running centre; the recipe's iBOT, KoLeo and Sinkhorn parts are left out.
- Layers of the `transformers` library from a configuration with random weights; scaled dot product attention; blocks
  are dropped for 40 % of the samples, having been computed.
- `data=synthetic`: random pixels about a colour that the crops of an image share; `batches` batches, in rotation.
- `data=disk`: crops of photographs (`cupel.tasks.data.photo_crops`), the user's own where `CUPEL_IMAGENET` names a
  folder `class/file`; decoded, coloured and blurred by `workers` processes. Needs Pillow (`cupel[media]`).
- AdamW, fused; the teacher keeps 0.994 of itself in each step; no schedules.
- Precision: autocast at bf16 and fp16; parameters of both networks, optimiser state and loss in fp32.
- Memory at `full` in fp32 (arithmetic): student 16 bytes x 1193 M = 17.8 GiB, teacher 4.4 GiB; inputs of 40 layers for
  29 248 tokens 6.7 GiB, one layer's inside 3.5 GiB; logits and targets 1 GiB. `checkpoints` is on at `full`.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload
from cupel.tasks.averaging import check_followed, follow, follower_of
from cupel.tasks.data.batch_stream import in_rotation
from cupel.tasks.data.image_source import NUM_GLOBAL, crop_batches
from cupel.tasks.learning import check_fall, check_gradients, check_output
from cupel.tasks.models.dino import Dino
from cupel.tasks.self_distillation import crop_loss, recentre, targets_of

CARD = Workload(
    measures="training throughput",
    unit="images",
    better="higher",
    source="Oquab et al. 2023, DINOv2: Learning Robust Visual Features without Supervision",
    tags=("vision", "training", "transformer", "self-supervised"),
    needs=("torch", "models"),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16"), "compile": (False, True), "data": ("synthetic", "disk"),
        "strategy": ("ddp", "fsdp")},
    optimizer="AdamW, learning rate 2e-4 x sqrt(batch / 1024) (tiny: 1e-3), weight decay 0.04, gradient norm cut to 3",
    tiny={
        "layers": 2, "width": 32, "heads": 2, "patch_px": 14, "global_px": 28, "local_px": 14, "num_local": 2,
        "head_width": 64, "bottleneck": 16, "prototypes": 128, "drop_path": 0.4, "checkpoints": True, "batch": 2,
        "batches": 2, "learning_rate": 1e-3, "files": 16, "file_px": 96, "workers": 0,
    },
    small={
        "layers": 3, "width": 96, "heads": 4, "patch_px": 14, "global_px": 112, "local_px": 42, "num_local": 8,
        "head_width": 256, "bottleneck": 64, "prototypes": 1024, "drop_path": 0.4, "checkpoints": False, "batch": 2,
        "batches": 4, "learning_rate": 8.8e-6, "files": 64, "file_px": 320, "workers": 2,
    },
    full={
        "layers": 40, "width": 1536, "heads": 24, "patch_px": 14, "global_px": 224, "local_px": 98, "num_local": 8,
        "head_width": 2048, "bottleneck": 384, "prototypes": 131072, "drop_path": 0.4, "checkpoints": True,
        "batch": 32, "batches": 4, "learning_rate": 3.5e-5, "files": 2048, "file_px": 500, "workers": 12,
    },
    parameters=1_193_232_256,
    memory_gib={"tiny": 0.1, "small": 0.5, "full": 38.0},
)  # fmt: skip

MOMENTUM = 0.994


class Networks(NamedTuple):
    """The student as prepared and as it is, its teacher, and the centre of the teacher's logits."""

    model: Any
    student: Dino
    teacher: Dino
    centre_K: Tensor


def build_model(sizes: Sizes) -> Dino:
    """The student with random weights, on torch's default device."""
    return Dino(sizes).train()


def build(sizes: Sizes, slot: Slot) -> Networks:
    """Student, teacher and centre, before the first step."""
    with slot.device:
        student = build_model(sizes)
    teacher = slot.hold(follower_of(student).eval())

    def adamw(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.AdamW(parameters, lr=sizes.learning_rate, weight_decay=0.04, fused=True)

    model = slot.prepare(student, adamw)
    return Networks(model, student, teacher, torch.zeros(sizes.prototypes, device=slot.device))


def by_crop(model: Any, crops: Sequence[Tensor], *, batch: int, slot: Slot) -> Tensor:
    """Logits (crops, images, prototypes) at the run's precision."""
    with slot.autocast():
        logits_NK: Tensor = model(crops)
    return logits_NK.view(-1, batch, logits_NK.shape[1])


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """Networks, batches in rotation, and the step that trains on the next batch."""
    return step_of(build(sizes, slot), crop_batches(sizes, slot, rng=rng), slot=slot)


def step_of(nets: Networks, batches: Sequence[list[Tensor]], *, slot: Slot) -> Step:
    """One update of student, teacher and centre."""
    rotation, teach = in_rotation(batches), slot.compile(nets.teacher)

    def step() -> Done:
        crops = next(rotation)
        num_images = len(crops[0]) // NUM_GLOBAL
        with torch.no_grad():
            teacher_GBK = by_crop(teach, crops[:1], batch=num_images, slot=slot)
        student_CBK = by_crop(nets.model, crops, batch=num_images, slot=slot)
        loss = crop_loss(student_CBK, targets_of(teacher_GBK, nets.centre_K))
        slot.step(loss, clip_norm=3.0)
        follow(nets.teacher, nets.student, momentum=MOMENTUM)
        recentre(nets.centre_K, teacher_GBK)
        return Done(items=num_images, loss=loss.detach())

    return step


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Logits have their shape, gradients reach all, fixed targets can be learned, and the teacher follows."""
    fixed = copy.copy(sizes)
    fixed.batches, fixed.drop_path = 1, 0.0
    nets, batches = build(fixed, slot), list(crop_batches(fixed, slot, rng=rng))
    student_CBK = by_crop(nets.model, batches[0], batch=sizes.batch, slot=slot)
    shape = (NUM_GLOBAL + sizes.num_local, sizes.batch, sizes.prototypes)
    check_output("dinov2_giant", student_CBK, shape=shape, dtype=slot.dtype)
    with torch.no_grad():
        target_GBK = targets_of(by_crop(nets.teacher, batches[0][:1], batch=sizes.batch, slot=slot), nets.centre_K)
    check_gradients("dinov2_giant", nets.student, crop_loss(student_CBK, target_GBK))
    losses: list[float] = []
    for _ in range(10):
        loss = crop_loss(by_crop(nets.model, batches[0], batch=sizes.batch, slot=slot), target_GBK)
        slot.step(loss, clip_norm=3.0)
        losses.append(float(loss.detach()))
    check_fall("dinov2_giant", losses)
    before = follower_of(nets.teacher)
    step_of(nets, batches, slot=slot)()
    check_followed("dinov2_giant", (nets.teacher, nets.student), before=before, momentum=MOMENTUM)
