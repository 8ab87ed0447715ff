"""What passes the layers of a model: each example's inputs, and the loss's gradients by the layer's outputs.

The gradient by a layer's weights is a sum over examples and positions of (output gradient) x (input), so these two tell
the gradient of every single example, which `.grad` does not.

Shapes: N examples, P positions at which the weights are used (1 for vectors; pixels of the output of a convolution;
further dimensions of what a linear layer takes), I inputs of the layer (of a patch; one more, always 1, for the bias),
O outputs.
"""

from __future__ import annotations

import itertools
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from cupel.spec.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

Layer: TypeAlias = nn.Linear | nn.Conv2d


@dataclass(frozen=True, eq=False)
class Examples:
    """Examples that passed a layer together.

    Args:
        inputs_NPI: inputs, with a column of ones where the bias is trained along.
        gradients_NPO: gradients of each example's own loss by the layer's outputs, averaged over nothing.
    """

    inputs_NPI: Tensor
    gradients_NPO: Tensor


def recordable_layers(model: nn.Module, leave_out: Iterable[str] = ()) -> dict[str, Layer]:
    """The layers of a model whose examples can be told apart, by name.

    These are of the classes `nn.Linear` and `nn.Conv2d` with one group, with weights of their own. A subclass is none
    of them, since its forward pass may be another (the output layer of `nn.MultiheadAttention` never runs as a layer).

    Args:
        model: any module.
        leave_out: names of such layers that are not wanted.

    Raises:
        UnknownNameError: `leave_out` names no such layer.
        UsageError: a layer, or its weight or bias, has two places in the model.
    """
    everything = list(model.named_modules(remove_duplicate=False))
    layers = {name: module for name, module in everything if _is_recordable(module)}
    for name in leave_out:
        if name not in layers:
            raise UnknownNameError("layer", name, layers, "Expected an nn.Linear or an nn.Conv2d with one group.")
    places = Counter(id(p) for _, module in everything for p in module.parameters(recurse=False))
    for name, layer in layers.items():
        if name not in leave_out and any(places[id(p)] > 1 for p in layer.parameters()):
            raise UsageError(
                f"Layer {name!r} shares its parameters with another place of the model; the gradient is then a sum "
                f"over both, and its examples cannot be told apart. Leave it out: leave_out=({name!r},)."
            )
    return {name: layer for name, layer in layers.items() if name not in leave_out}


def _is_recordable(module: nn.Module) -> bool:
    return type(module) is nn.Linear or (type(module) is nn.Conv2d and module.groups == 1)


@dataclass(eq=False)
class _Watch:
    """What was seen of one layer: `pending` by a backward pass that is under way, `passed` by those that are over."""

    layer: Layer
    handles: list[RemovableHandle] = field(default_factory=list)
    is_listening: bool = False
    pending: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    passed: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    is_ambiguous: bool = False

    def listen(self) -> None:
        """Hear of the weight's `.grad`; torch allows it no earlier than the weight is trained."""
        if not self.is_listening:
            register: Callable[[Any], RemovableHandle] = self.layer.weight.register_post_accumulate_grad_hook
            self.handles.append(register(_Accepted(self)))
            self.is_listening = True

    def receive(self, inputs: Tensor, gradient: Tensor) -> None:
        """Called by a backward pass with the gradient by the layer's output."""
        self.pending.append((inputs, gradient.detach()))

    def accept(self, _: Tensor) -> None:
        """Called when a backward pass has added to the weight's `.grad`: only such a pass counts."""
        self.is_ambiguous |= len(self.pending) != 1
        self.passed += self.pending
        self.pending = []

    def clear(self) -> None:
        """Forget everything."""
        self.pending, self.passed, self.is_ambiguous = [], [], False


class _Hook:
    """The forward hook of a layer. It keeps nothing alive, and does nothing on a copy of the layer."""

    def __init__(self, watch: _Watch | None = None) -> None:
        self._watch = None if watch is None else weakref.ref(watch)

    def __call__(self, layer: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Tensor) -> None:
        watch = None if self._watch is None else self._watch()
        if watch is None or watch.layer is not layer or not output.requires_grad:
            return
        if watch.layer.weight.requires_grad:
            watch.listen()
            given = args[0] if args else kwargs["input"]
            register: Callable[[Any], Any] = output.register_hook
            register(partial(watch.receive, given.detach()))

    def __reduce__(self) -> tuple[Any, tuple[()]]:
        return _Hook, ()


class LayerRecords:
    """Records of some layers, from every backward pass that reaches their weights' `.grad`.

    Train or eval mode makes no difference: a pass counts where `.grad` counts it. Passes under `torch.no_grad`, and
    gradients that are taken by `torch.autograd.grad`, leave nothing. A frozen weight's layer is not recorded. A weight
    that its layer uses and something else too, in one pass, goes unnoticed.

    Args:
        layers: as `recordable_layers` finds them. They get hooks, which end with this object.

    Cost:
        Keeps the inputs and the output gradients of each layer until `clear`, over all micro-batches.
    """

    def __init__(self, layers: Mapping[str, Layer]) -> None:
        self.layers = dict(layers)
        self._watches = {name: _Watch(layer) for name, layer in layers.items()}
        for watch in self._watches.values():
            watch.handles.append(watch.layer.register_forward_hook(_Hook(watch), with_kwargs=True))
        weakref.finalize(self, _remove, [watch.handles for watch in self._watches.values()])

    def clear(self) -> None:
        """Forget what was recorded."""
        for watch in self._watches.values():
            watch.clear()

    def examples(self, name: str, *, with_bias: bool) -> list[Examples]:
        """What passed a layer since `clear`, one entry per backward pass.

        The gradient in `.grad` is taken to be the mean over all these examples: gradients come multiplied by their
        number. With k micro-batches of one size, that is what a loss divided by k gives.

        Args:
            name: of the layer.
            with_bias: whether inputs get a column of ones.

        Returns:
            In float32, or float64 where the weight is.

        Raises:
            UsageError: no pass was recorded, or one in which the layer ran more than once.
        """
        watch = self._watches[name]
        if watch.is_ambiguous:
            raise UsageError(
                f"Layer {name!r} ran more than once in one backward pass, or its weight was used outside of it, or "
                "torch.autograd.grad went through it before; expected one run per pass. After torch.autograd.grad call "
                "this optimiser's zero_grad() before backward(). A layer that is used otherwise, leave out: "
                f"leave_out=({name!r},)."
            )
        if not watch.passed:
            raise UsageError(
                f"Layer {name!r} has a gradient, but no forward pass of it was recorded; expected that the model given "
                "here is the one that ran, its layer called as a module, and one step() per gradient. If the layer has "
                f"no part in this loss, zero_grad(set_to_none=True); if it never runs, leave_out=({name!r},)."
            )
        layer = watch.layer
        dtype = torch.float64 if layer.weight.dtype == torch.float64 else torch.float32
        parted = [_parted(layer, inputs.to(dtype), gradient.to(dtype)) for inputs, gradient in watch.passed]
        num = sum(len(inputs) for inputs, _ in parted)
        return [Examples(_with_ones(a) if with_bias else a, g * num) for a, g in parted]


class _Accepted:
    """The hook of a weight's `.grad`; like the other it keeps nothing alive."""

    def __init__(self, watch: _Watch) -> None:
        self._watch = weakref.ref(watch)

    def __call__(self, weight: Tensor) -> None:
        watch = self._watch()
        if watch is not None:
            watch.accept(weight)


def _remove(handles: list[list[RemovableHandle]]) -> None:
    for handle in itertools.chain(*handles):
        handle.remove()


def _parted(layer: Layer, inputs: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs (N, P, I) and output gradients (N, P, O) of one pass; what came without a batch is a batch of one."""
    if isinstance(layer, nn.Conv2d):
        batched, by_output = (t if t.dim() == 4 else t[None] for t in (inputs, gradient))
        return patches(layer, batched), by_output.flatten(2).transpose(1, 2)
    batched, by_output = (t if t.dim() > 1 else t[None] for t in (inputs, gradient))
    num = len(batched)
    return batched.reshape(num, -1, batched.shape[-1]), by_output.reshape(num, -1, by_output.shape[-1])


def patches(layer: nn.Conv2d, images_NCHW: Tensor) -> Tensor:
    """What a convolution sees at each position of its output: (N, P, I), I in the order of its weights."""
    around: list[int] = []
    for size, dilation, padding in zip(
        reversed(layer.kernel_size), reversed(layer.dilation), reversed(_padding(layer)), strict=True
    ):
        whole = dilation * (size - 1)
        around += [whole // 2, whole - whole // 2] if padding == "same" else [int(padding)] * 2
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    padded = functional.pad(images_NCHW, around, mode=mode) if any(around) else images_NCHW
    columns = functional.unfold(padded, layer.kernel_size, dilation=layer.dilation, stride=layer.stride)
    return columns.transpose(1, 2)


def _padding(layer: nn.Conv2d) -> tuple[int | str, int | str]:
    """Padding along height and width; `same` stays a word."""
    if isinstance(layer.padding, str):
        return ("same", "same") if layer.padding == "same" else (0, 0)
    return layer.padding[0], layer.padding[1]


def _with_ones(inputs_NPI: Tensor) -> Tensor:
    return torch.cat([inputs_NPI, inputs_NPI.new_ones((*inputs_NPI.shape[:2], 1))], dim=2)
