"""Low-rank adapters: a frozen network learns through small products beside its linear layers.

Decisions: the frozen layer's output plus alpha / rank times up(down(x)); down starts as a linear layer does, up at
zero, so that training starts from the frozen network; no dropout, no bias. Adapters are in fp32 whatever the dtype of
the frozen layers: they are a thousandth of the parameters.

Source: Hu et al. 2021, LoRA: Low-Rank Adaptation of Large Language Models, section 4.1 (down is A, up is B).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Mapping

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
        model: changed in place, its `parallel_plan` too; adapters are made on torch's default device.
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
    if hasattr(model, "parallel_plan"):
        model.parallel_plan = functools.partial(adapted_plan, model.parallel_plan, targets)


def adapted_plan(
    plan: Callable[[int], Mapping[str, str]], targets: Collection[str], num_ranks: int
) -> Mapping[str, str]:
    """The plan of a model for the same with adapters: on the side on which a frozen layer is cut, its adapter is too.

    The narrow layers' other sides are a rank wide, and whole.

    Args:
        plan: of the model without adapters.
        targets: last parts of the names of layers that have one.
        num_ranks: that share the model.

    Source:
        Hu et al. 2021; the cut is ours.
    """
    cuts: dict[str, str] = {}
    for name, cut in plan(num_ranks).items():
        if name.rpartition(".")[2] in targets:
            cuts[f"{name}.frozen"] = cut
            cuts[f"{name}.adapter.{'down' if cut == 'rowwise' else 'up'}"] = cut
        else:
            cuts[name] = cut
    return cuts


def adapters_of(model: nn.Module) -> nn.ModuleList:
    """The adapters of a model, in its order."""
    return nn.ModuleList(module for module in model.modules() if isinstance(module, Adapter))
