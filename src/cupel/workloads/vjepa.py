"""V-JEPA 2: predicting, in the space of an encoder's average, what is hidden of a video.

Decisions:
- `full` is ViT-L/16 (24 layers, width 1024, 16 heads; predictor of 12 layers, width 384, 12 heads), 325 971 328
  parameters: 303.9 M in the encoder, 22.1 M in the predictor. 24 clips (Milabench's batch) of 16 frames of 256 px,
  2048 patches each.
- Layers of the `transformers` library from a configuration with random weights; scaled dot product attention. The
  encoder reads only what is seen, as in training (`cupel.tasks.models.vjepa`); its average reads whole clips.
- Two masks for each clip: eight small blocks (62.5 % hidden) and two large ones (81 %), drawn with its batch
  (`cupel.tasks.data.video_masks`). The loss is the mean absolute error to the normalised target, in fp32.
- `data=synthetic`: standard normal pixels about a colour each; `batches` batches on the device, in rotation.
- `data=disk`: clips at about 4 frames a second (`full`) from H.264 files like Kinetics', or the user's own where
  `CUPEL_VIDEO` names a folder of them; decoded and cropped by `workers` processes. Needs PyAV (`cupel[media]`), and at
  `full` 1.7 GiB of the host's shared memory, where 24 batches wait.
- AdamW, fused, learning rate 5.25e-4, weight decay 0.04, the paper's but for its schedule; the average keeps 0.99925
  of itself in each step.
- Precision: autocast at bf16 and fp16; parameters of both encoders and optimiser state in fp32.
- Counted: videos, each under both masks.
- Memory at `full` in fp32 (arithmetic): 16 bytes x 326 M = 4.9 GiB, average 1.1 GiB; inputs of 24 layers for 27 648
  seen patches 2.5 GiB, of 12 layers of the predictor for 98 304 patches 1.7 GiB, one layer's inside 5 GiB, the
  average's pass 4 GiB, clips 1.1 GiB. `checkpoints` is on at `full`, as published.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload
from cupel.tasks.averaging import check_followed, follow, follower_of
from cupel.tasks.data.batch_stream import in_rotation
from cupel.tasks.data.clip_source import masked_batches
from cupel.tasks.data.video_masks import MaskedClips, VideoMask
from cupel.tasks.learning import check_fall, check_gradients, check_output
from cupel.tasks.models.vjepa import SLICE_FRAMES, Vjepa, pick, targets_of

CARD = Workload(
    measures="training throughput",
    unit="videos",
    better="higher",
    source="Assran et al. 2025, V-JEPA 2: Self-Supervised Video Models Enable Understanding, Prediction and Planning",
    tags=("vision", "video", "training", "transformer", "self-supervised"),
    needs=("torch", "models"),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16"), "compile": (False, True), "data": ("synthetic", "disk"),
        "strategy": ("ddp", "fsdp")},
    optimizer="AdamW, learning rate 5.25e-4, betas 0.9 and 0.999, weight decay 0.04",
    tiny={
        "layers": 1, "width": 32, "heads": 2, "predictor_layers": 2, "predictor_width": 32, "predictor_heads": 2,
        "frames": 4, "side_px": 32, "patch_px": 8, "checkpoints": True, "batch": 2, "batches": 2,
        "stride": 2, "files": 4, "file_frames": 16, "file_px": 64, "workers": 0,
    },
    small={
        "layers": 3, "width": 96, "heads": 4, "predictor_layers": 2, "predictor_width": 48, "predictor_heads": 2,
        "frames": 8, "side_px": 64, "patch_px": 16, "checkpoints": False, "batch": 2, "batches": 4,
        "stride": 4, "files": 8, "file_frames": 48, "file_px": 160, "workers": 2,
    },
    full={
        "layers": 24, "width": 1024, "heads": 16, "predictor_layers": 12, "predictor_width": 384,
        "predictor_heads": 12, "frames": 16, "side_px": 256, "patch_px": 16, "checkpoints": True, "batch": 24,
        "batches": 4, "stride": 6, "files": 128, "file_frames": 160, "file_px": 340, "workers": 12,
    },
    parameters=325_971_328,
    memory_gib={"tiny": 0.1, "small": 0.5, "full": 23.0},
)  # fmt: skip

MOMENTUM = 0.99925


class Networks(NamedTuple):
    """The trained networks as prepared and as they are, and the encoder that follows."""

    model: Any
    student: Vjepa
    teacher: nn.Module


def build_model(sizes: Sizes) -> Vjepa:
    """Encoder and predictor with random weights, on torch's default device."""
    return Vjepa(sizes).train()


def build(sizes: Sizes, slot: Slot) -> Networks:
    """The networks before the first step."""
    with slot.device:
        student = build_model(sizes)
    teacher = slot.hold(follower_of(student.encoder).eval())
    return Networks(slot.prepare(student, adamw), student, teacher)


def adamw(parameters: Any) -> torch.optim.Optimizer:
    """The optimiser that the card states; fused, so that it needs no further memory."""
    return torch.optim.AdamW(parameters, lr=5.25e-4, weight_decay=0.04, fused=True)


def loss_of(predictions: list[Tensor], target_NPD: Tensor, masks: list[VideoMask]) -> Tensor:
    """Mean absolute error over the masks, in fp32."""
    errors = [
        F.l1_loss(predicted.float(), pick(target_NPD, mask.hidden_NP).float())
        for predicted, mask in zip(predictions, masks, strict=True)
    ]
    return torch.stack(errors).mean()


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """Networks, batches in rotation, and the step that trains on the next batch."""
    return step_of(build(sizes, slot), masked_batches(sizes, slot, rng=rng, slice_frames=SLICE_FRAMES), slot=slot)


def step_of(nets: Networks, batches: Sequence[MaskedClips], *, slot: Slot) -> Step:
    """One update of encoder and predictor, after which the average follows."""
    rotation, teach = in_rotation(batches), slot.compile(nets.teacher)

    def step() -> Done:
        clips_NTCHW, masks = next(rotation)
        with slot.autocast():
            with torch.no_grad():
                target_NPD = targets_of(teach, clips_NTCHW)
            predictions = nets.model(clips_NTCHW, masks)
        loss = loss_of(predictions, target_NPD, masks)
        slot.step(loss)
        follow(nets.teacher, nets.student.encoder, momentum=MOMENTUM)
        return Done(items=len(clips_NTCHW), loss=loss.detach())

    return step


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Predictions have their shape, gradients reach all, a batch can be learned, and the average follows."""
    batch = masked_batches(sizes, slot, rng=rng, slice_frames=SLICE_FRAMES)[0]
    nets, (clips_NTCHW, masks) = build(sizes, slot), batch
    with slot.autocast(), torch.no_grad():
        target_NPD = targets_of(nets.teacher, clips_NTCHW)
    with slot.autocast():
        predictions = nets.model(clips_NTCHW, masks)
    for predicted, mask in zip(predictions, masks, strict=True):
        check_output("vjepa", predicted, shape=(*mask.hidden_NP.shape, sizes.width), dtype=slot.dtype)
    check_gradients("vjepa", nets.student, loss_of(predictions, target_NPD, masks))
    step = step_of(nets, [batch], slot=slot)
    check_fall("vjepa", [float(step().loss) for _ in range(10)])
    before = follower_of(nets.teacher)
    step()
    check_followed("vjepa", (nets.teacher, nets.student.encoder), before=before, momentum=MOMENTUM)
