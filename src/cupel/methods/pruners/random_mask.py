"""Random pruning: the control that any other pruner has to beat at the same density."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from cupel.methods.weight_masks import Masks, Scope, keep_highest


@dataclass(frozen=True, eq=False)
class RandomMask:
    """Every weight that is left is as likely to go as any other, whatever its value.

    Args:
        generator: of the CPU; drawn from at each call, so that a later call prunes other weights.
        scope: as of `cupel.methods.pruners.magnitude.Magnitude`.

    Example:
        >>> import torch
        >>> from cupel.methods.pruners.random_mask import RandomMask
        >>> kept = {"a": torch.ones(2, 5, dtype=torch.bool)}
        >>> pruner = RandomMask(torch.Generator().manual_seed(0))
        >>> int(pruner.prune({"a": torch.zeros(2, 5)}, kept, shares={"a": 0.3})["a"].sum())
        7
    """

    generator: torch.Generator
    scope: Scope = "layer"

    def prune(self, weights: Mapping[str, Tensor], masks: Masks, *, shares: Mapping[str, float]) -> dict[str, Tensor]:
        """Masks without random ones of the weights that were left."""
        del weights
        scores = {
            name: torch.rand(mask.shape, generator=self.generator).to(mask.device) for name, mask in masks.items()
        }
        return keep_highest(scores, masks, shares=shares, scope=self.scope)
