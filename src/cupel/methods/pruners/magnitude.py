"""Magnitude pruning: the weights nearest to zero go first.

Source: Han, Pool, Tran, Dally: Learning both Weights and Connections for Efficient Neural Networks (NeurIPS 2015,
arXiv 1506.02626); layer by layer for small networks, over all layers for deep ones: Frankle, Carbin (ICLR 2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cupel.methods.weight_masks import Masks, Scope, keep_highest

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Magnitude:
    """Weights are ranked by their absolute value.

    Args:
        scope: `layer` prunes the asked share of each layer; `global` ranks all layers that have the same share
            together, so that layers of small weights lose more.

    Cost:
        One sort of the weights that are left.

    Example:
        >>> import torch
        >>> from cupel.methods.pruners.magnitude import Magnitude
        >>> weights = {"a": torch.tensor([[0.1, -0.4]]), "b": torch.tensor([[0.2, 0.3]])}
        >>> kept = {name: torch.ones(1, 2, dtype=torch.bool) for name in weights}
        >>> Magnitude("global").prune(weights, kept, shares={"a": 0.5, "b": 0.5})
        {'a': tensor([[False,  True]]), 'b': tensor([[False,  True]])}
    """

    scope: Scope = "layer"

    def prune(self, weights: Mapping[str, Tensor], masks: Masks, *, shares: Mapping[str, float]) -> dict[str, Tensor]:
        """Masks without the smallest weights that were left."""
        return keep_highest(
            {name: weights[name].detach().abs() for name in masks}, masks, shares=shares, scope=self.scope
        )
