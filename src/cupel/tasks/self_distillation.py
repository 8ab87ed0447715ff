"""Self-distillation without labels (DINO): a student learns what its average says of other crops of the same image.

Shapes: C crops of an image, G of them global (the first), B images, K prototypes.

Source: Caron et al. 2021, Emerging Properties in Self-Supervised Vision Transformers, algorithm 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

STUDENT_TEMPERATURE, TEACHER_TEMPERATURE = 0.1, 0.07
CENTRE_MOMENTUM = 0.9
"""Share of the centre that is kept in each step."""


def targets_of(teacher_GBK: Tensor, centre_K: Tensor) -> Tensor:
    """The teacher's opinion of each global crop: probabilities (G, B, K) in fp32, centred and sharpened."""
    return ((teacher_GBK.float() - centre_K) / TEACHER_TEMPERATURE).softmax(-1)


def crop_loss(student_CBK: Tensor, target_GBK: Tensor) -> Tensor:
    """Mean cross-entropy, in fp32, over all pairs of a target and another crop of the same image.

    Args:
        student_CBK: the student's logits for every crop, the global ones first.
        target_GBK: probabilities for the global crops.
    """
    num_crops, num_images, _ = student_CBK.shape
    num_global = len(target_GBK)
    log_p_CBK = (student_CBK.float() / STUDENT_TEMPERATURE).log_softmax(-1)
    each_GC = -torch.einsum("gbk,cbk->gc", target_GBK, log_p_CBK)
    total = each_GC.sum() - each_GC.diagonal().sum()  # no crop is compared with itself
    return total / (num_images * num_global * (num_crops - 1))


@torch.no_grad()
def recentre(centre_K: Tensor, teacher_GBK: Tensor) -> None:
    """Move the centre, in place, towards the mean of the teacher's logits."""
    centre_K.lerp_(teacher_GBK.float().mean(dim=(0, 1)), 1.0 - CENTRE_MOMENTUM)
