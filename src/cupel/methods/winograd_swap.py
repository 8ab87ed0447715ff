"""Convolutions of a user's model changed for others in place, before training or after it."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cupel.methods.fake_quantizer import observing
from cupel.methods.winograd import Direct, QuantizedConv2d, Winograd, WinogradConv2d, why_not
from cupel.spec.errors import UsageError


@dataclass(frozen=True)
class Swapped:
    """What was changed.

    Attributes:
        swapped: names of the layers that were changed, as `named_modules` has them.
        left: names of the other convolutions, each with the reason in words.
    """

    swapped: tuple[str, ...]
    left: dict[str, str]


def swap(model: nn.Module, form: Winograd | Direct | None = None, *, keep: Collection[str] = ()) -> Swapped:
    """Compute the convolutions of a model another way, in place.

    Before training this makes a Winograd-aware model (build its optimiser afterwards where transforms are learned: they
    are new parameters); after training it is a swap, with the weights that training found. Weights and biases stay the
    same objects. Layers that a `Direct` swap made can be swapped again and hand on their ranges; after training,
    `calibrate` shows the new ranges some data.

    Args:
        model: any model; its `Conv2d` layers are found by type.
        form: `Winograd(tile=4, bits=8)` where None.
        keep: names of layers to leave alone; the first convolution often is one.

    Returns:
        What was swapped, and why the rest was not: Winograd's algorithm exists for square filters without stride.

    Raises:
        UsageError: the model is a convolution itself (convert it by `form.convert`), or a name of `keep` is none of its
            convolutions.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from cupel.methods.winograd import Winograd
        >>> from cupel.methods.winograd_swap import calibrate, swap
        >>> model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2), nn.Flatten())
        >>> found = swap(model.eval(), Winograd(tile=2, bits=8))
        >>> found.swapped, found.left
        (('0',), {'2': 'its stride is (2, 2) and its dilation (1, 1); expected 1 (pool before it instead)'})
        >>> calibrate(model, [torch.ones(4, 1, 8, 8)])
        >>> model(torch.ones(1, 1, 8, 8)).shape
        torch.Size([1, 32])
    """
    form = form or Winograd()
    if isinstance(model, nn.Conv2d | QuantizedConv2d):
        raise UsageError("The model is a convolution itself, which has no place to be swapped in; use form.convert.")
    convs = {
        name: module
        for name, module in model.named_modules(remove_duplicate=False)
        if isinstance(module, nn.Conv2d | QuantizedConv2d)
    }
    strange = sorted(set(keep) - set(convs))
    if strange:
        raise UsageError(
            f"keep names {strange[0]!r}, which is none of the convolutions: {', '.join(convs) or '(none)'}."
        )
    made: dict[int, nn.Module] = {}
    left: dict[str, str] = {}
    for name, conv in convs.items():
        reason = "it was to be kept" if name in keep else _reason(conv, form)
        if reason:
            left[name] = reason
            continue
        if id(conv) not in made:
            made[id(conv)] = form.convert(conv)  # type: ignore[arg-type]
        model.set_submodule(name, made[id(conv)])
    return Swapped(tuple(name for name in convs if name not in left), left)


def calibrate(model: nn.Module, batches: Iterable[Tensor | tuple[Any, ...]]) -> None:
    """Show a quantised model some data, so that its ranges are known; weights and statistics stay as they are.

    Args:
        model: with layers that `swap` made. It is run in evaluation, without gradients, and left in the mode it was in.
        batches: inputs; those of a tuple are handed over one by one. A few hundred examples do.

    Raises:
        UsageError: there is no batch.
    """
    modes = {module: module.training for module in model.modules()}
    num_batches = 0
    model.eval()
    try:
        with torch.no_grad(), observing(model):
            for batch in batches:
                model(*batch) if isinstance(batch, tuple) else model(batch)
                num_batches += 1
    finally:
        for module, was in modes.items():
            module.training = was
    if num_batches == 0:
        raise UsageError("No batch was given to calibrate; expected some inputs, such as those of the training set.")


def num_products(model: nn.Module, *inputs: Any) -> int:
    """Multiplications of inputs by weights in the convolutions of a model, for one pass of some inputs.

    It is what Winograd's algorithm saves. The transforms are left out: their cost depends on how they are made (by
    additions and shifts, where matrices stand still), and all filters share it. A copy of the model is run, in
    evaluation.
    """
    copied = copy.deepcopy(model).eval()
    total = 0

    def count(layer: nn.Module, given: Any, found: Tensor) -> None:
        nonlocal total
        del given
        total += _products(layer, found.shape)

    for module in copied.modules():
        if isinstance(module, nn.Conv2d | QuantizedConv2d | WinogradConv2d):
            module.register_forward_hook(count)
    with torch.no_grad(), observing(copied):
        copied(*inputs)
    return total


def _products(layer: Any, shape: torch.Size) -> int:
    """Multiplications of a layer whose output has a shape."""
    num_images, num_filters, height, width = shape
    _, channels, *sides = layer.weight.shape
    each = num_images * num_filters * channels
    if isinstance(layer, WinogradConv2d):
        m, n = layer.output_transform.shape
        return int(each * -(-height // m) * -(-width // m) * n * n)
    return int(each * height * width * sides[0] * sides[1])


def _reason(conv: nn.Module, form: Winograd | Direct) -> str:
    """Why a convolution cannot be swapped; empty where it can."""
    if isinstance(form, Winograd):
        return why_not(conv)
    if "weight" not in conv._parameters:  # noqa: SLF001 (a parametrised weight is none)
        return "its weight is no parameter of its own; remove the parametrisation"
    return ""
