"""Spans of time that a model of speech does not see.

Shapes: B utterances, T frames of each.
"""

from __future__ import annotations

import torch
from torch import Tensor


def masked_spans(*, shape: tuple[int, int], start_frac: float, span: int, generator: torch.Generator) -> Tensor:
    """Draw masks: a span may begin at each frame, and spans may overlap and be cut off at the end.

    Args:
        shape: utterances and frames (B, T).
        start_frac: probability that a span begins at a frame.
        span: frames of each span.
        generator: the random generator; the result is on its device.

    Returns:
        Booleans (B, T), true where a frame is hidden. Away from the start, a frame is so with the probability
        1 - (1 - start_frac) ** span.

    Source:
        Baevski et al. 2020, wav2vec 2.0, section 3.1.
    """
    starts_BT = torch.rand(shape, generator=generator, device=generator.device) < start_frac
    num_so_far_BT = starts_BT.cumsum(dim=1)
    num_ended_BT = torch.zeros_like(num_so_far_BT)
    num_ended_BT[:, span:] = num_so_far_BT[:, :-span]
    return num_so_far_BT > num_ended_BT
