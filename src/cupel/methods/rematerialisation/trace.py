"""A training step of a user's model as a program of kernels: forward, loss and gradients, in the order autograd runs.

The step is run once on tensors without data. Every kernel that torch would call is written down, those of the backward
pass included, so that running the program gives the very numbers that `loss.backward()` gives. What the Python code of
the model decides is decided here, once: a program is for one shape of inputs and one mode of the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from cupel.spec.errors import UsageError

if TYPE_CHECKING:
    from torch.fx import GraphModule, Node

Loss: TypeAlias = Callable[..., Tensor]
"""loss(model, *inputs) -> a tensor with one element."""
Inputs: TypeAlias = Sequence[Tensor]


@dataclass(frozen=True, eq=False)
class StepTrace:
    """The program of a training step.

    Attributes:
        module: the program; each node's `meta["val"]` is its value without data.
        parameters: names of the parameters, in the order of its first placeholders.
        buffers: names of the buffers, whose placeholders come next; those of the inputs are last.
        trained: names of the parameters that require a gradient.
        outputs: nodes of the loss, and of each gradient in the order of `trained`; None for one that is not reached.
        facts: what the program holds for, by words: to be compared when it is run.
    """

    module: GraphModule
    parameters: tuple[str, ...]
    buffers: tuple[str, ...]
    trained: tuple[str, ...]
    outputs: tuple[Node | None, ...]
    facts: Mapping[str, object]


class _Step(nn.Module):
    """Model and loss as one module, so that torch can exchange the model's tensors while it runs."""

    def __init__(self, model: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.model = model
        self.loss = loss

    def forward(self, *inputs: Tensor) -> Tensor:
        """The loss."""
        return self.loss(self.model, *inputs)


def trace_step(model: nn.Module, loss: Loss, inputs: Inputs) -> StepTrace:
    """Write down the program of one training step.

    Args:
        model: any module; it, its gradients and torch's generators are left as they are.
        loss: called as loss(model, *inputs); a tensor with one element. Randomness is allowed.
        inputs: tensors, such as a batch and its targets. Everything that changes from step to step must be among them.

    Raises:
        UsageError: the step cannot be written down, with torch's own reason, or has nothing to differentiate.
    """
    step = _Step(model, loss)
    parameters, buffers = dict(step.named_parameters()), dict(step.named_buffers())
    trained = [name for name, tensor in parameters.items() if tensor.requires_grad]
    if not trained:
        raise UsageError("No parameter of the model requires a gradient; expected at least one to train.")
    strange = [type(x).__name__ for x in inputs if not isinstance(x, Tensor)]
    if strange:
        raise UsageError(f"inputs holds a {strange[0]}; expected tensors alone. Take others from within the loss.")

    def both_passes(weights: list[Tensor], states: list[Tensor], batch: list[Tensor]) -> list[Tensor | None]:
        named = dict(zip(parameters, weights, strict=True)) | dict(zip(buffers, states, strict=True))
        value = functional_call(step, named, tuple(batch))
        if not isinstance(value, Tensor) or value.numel() != 1:
            found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise UsageError(f"The loss gave {found}; expected a tensor with one element. Take its mean or sum.")
        by = [named[name] for name in trained]
        return [value, *torch.autograd.grad(value.reshape(()), by, allow_unused=True)]

    try:
        with torch.enable_grad():
            module = make_fx(both_passes, tracing_mode="fake", _allow_non_fake_inputs=True)(
                list(parameters.values()), list(buffers.values()), list(inputs)
            )
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(
            f"The training step could not be written down: torch says {type(error).__name__}: "
            f"{str(error).strip().splitlines()[0] if str(error).strip() else 'nothing'}. Expected a step whose kernels "
            "and shapes do not depend on values: no .item(), no `if` on a tensor, no boolean indexing."
        ) from error
    _refuse_shapes_from_values(module)
    (found,) = next(node for node in module.graph.nodes if node.op == "output").args
    return StepTrace(module, tuple(parameters), tuple(buffers), tuple(trained), tuple(found), facts_of(model, inputs))


def _refuse_shapes_from_values(module: GraphModule) -> None:
    """Refuse a program in which a shape or a number is known only once it runs."""
    for node in module.graph.nodes:
        value = node.meta.get("val")
        sizes = [n for x in (value if isinstance(value, list | tuple) else [value]) for n in getattr(x, "shape", (x,))]
        if any(isinstance(n, torch.SymInt | torch.SymFloat | torch.SymBool) for n in sizes):
            raise UsageError(
                f"The step calls {node.target}, whose shape or number is known only once it runs. Expected a step "
                "whose kernels and shapes do not depend on values: no boolean indexing, no .item()."
            )


def facts_of(model: nn.Module, inputs: Inputs) -> dict[str, object]:
    """What a program depends on beside the code: shapes, kinds and modes."""

    def of(tensor: Tensor) -> tuple[object, ...]:
        return (tuple(tensor.shape), tensor.stride(), str(tensor.dtype), str(tensor.device))

    found: dict[str, object] = {f"input {i}": of(x) for i, x in enumerate(inputs)}
    found |= {f"module {name or 'itself'} in training": part.training for name, part in model.named_modules()}
    found |= {f"parameter {name}": (*of(x), x.requires_grad) for name, x in model.named_parameters()}
    return found | {f"buffer {name}": of(x) for name, x in model.named_buffers()}


def refuse_other_facts(trace: StepTrace, model: nn.Module, inputs: Inputs) -> None:
    """Refuse to run a program for what it was not written for.

    Raises:
        UsageError: a shape, dtype, device or mode is another.
    """
    now: dict[str, object] = facts_of(model, inputs)
    for fact in (*trace.facts, *now):
        before, after = trace.facts.get(fact, "absent"), now.get(fact, "absent")
        if before != after:
            raise UsageError(
                f"The schedule was made for {fact}: {before}; found {after}. A schedule holds for one shape of inputs "
                "and one mode of the model: make another for this one."
            )


def placed(trace: StepTrace, model: nn.Module, inputs: Inputs, *, is_trial: bool = False) -> dict[Node, Tensor]:
    """The tensors that stand for the program's placeholders and constants; in a trial, copies of the buffers."""
    weights, states = dict(model.named_parameters(prefix="model")), dict(model.named_buffers(prefix="model"))
    buffers = [states[name].clone() if is_trial else states[name] for name in trace.buffers]
    tensors = [*(weights[name] for name in trace.parameters), *buffers, *inputs]
    nodes = trace.module.graph.nodes
    constants = {n: getattr(trace.module, str(n.target)) for n in nodes if n.op == "get_attr"}
    given = zip((n for n in nodes if n.op == "placeholder"), tensors, strict=True)
    return {node: tensor.detach() for node, tensor in (*given, *constants.items())}
