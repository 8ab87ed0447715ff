"""Low-rank adapters: a frozen network learns through small products beside its linear layers.

Decisions: the frozen layer's output plus alpha / rank times up(down(x)); down starts as a linear layer does, up at
zero, so that training starts from the frozen network; no dropout, no bias. Adapters are in fp32 whatever the dtype of
the frozen layers: they are a thousandth of the parameters.

Source: Hu et al. 2021, LoRA: Low-Rank Adaptation of Large Language Models, section 4.1 (down is A, up is B).
"""

from __future__ import annotations

import math
from collections.abc import Collection

from torch import Tensor, nn


class Adapter(nn.Module):
    """A product of two narrow matrices.

    Args:
        num_in: width of what comes in.
        num_out: width of what goes out.
        rank: width between the two.
        alpha: the output is scaled by alpha / rank.
    """

    def __init__(self, num_in: int, num_out: int, *, rank: int, alpha: float) -> None:
        super().__init__()
        self.down = nn.Linear(num_in, rank, bias=False)
        self.up = nn.Linear(rank, num_out, bias=False)
        self.scale = alpha / rank
        nn.init.kaiming_uniform_(self.down.weight, a=math.sqrt(5))
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        """What is added to the frozen layer's output."""
        added: Tensor = self.up(self.down(x)) * self.scale
        return added


class AdaptedLinear(nn.Module):
    """A frozen linear layer with an adapter beside it."""

    def __init__(self, frozen: nn.Linear, adapter: Adapter) -> None:
        super().__init__()
        self.frozen = frozen
        self.adapter = adapter

    def forward(self, x: Tensor) -> Tensor:
        """The sum of the two."""
        total: Tensor = self.frozen(x) + self.adapter(x)
        return total


def add_adapters(model: nn.Module, targets: Collection[str], *, rank: int, alpha: float) -> None:
    """Freeze every parameter and put an adapter beside each linear layer that has one of these names.

    Args:
        model: changed in place; adapters are made on torch's default device.
        targets: last parts of the layers' names, such as `q_proj`.
        rank: of the adapters.
        alpha: their scale, times the rank.

    Raises:
        ValueError: no layer has such a name.
    """
    model.requires_grad_(requires_grad=False)
    found = [
        (parent, name, layer)
        for parent in model.modules()
        for name, layer in parent.named_children()
        if name in targets and isinstance(layer, nn.Linear)
    ]
    if {name for _, name, _ in found} != set(targets):
        raise ValueError(f"Adapters were asked for {sorted(targets)}; linear layers found: {len(found)}.")
    for parent, name, layer in found:
        adapter = Adapter(layer.in_features, layer.out_features, rank=rank, alpha=alpha)
        setattr(parent, name, AdaptedLinear(layer, adapter))


def adapters_of(model: nn.Module) -> nn.ModuleList:
    """The adapters of a model, in its order."""
    return nn.ModuleList(module for module in model.modules() if isinstance(module, Adapter))
