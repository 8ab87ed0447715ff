"""Back-propagation through a chain by a parallel scan over its transposed Jacobians.

The user's chain is a sequence of modules, or a recurrent cell over T time steps. It runs forward as ever; then the
Jacobians of all its steps are computed at once, the gradients at all nodes by a scan
(`cupel.methods.jacobian_scan`), and from these the gradients of parameters and inputs, again of all steps at once. The
gradients are those of back-propagation; about 2 log2 T products wait for each other in place of T.

Paper to code: x_i `nodes`, f_i one of `chain` or the `cell`, theta_i `parameters`, l `loss`.

Source: Wang, Bai, Pekhimenko: BPPSA: Scaling Back-propagation by Parallel Scan Algorithm (MLSys 2020, arXiv
1907.10134), algorithm 1 and section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.func import jacrev, vmap

from cupel.methods.jacobian_scan import Scan, scan_jacobians
from cupel.spec.errors import UsageError

State: TypeAlias = Tensor | tuple[Tensor, ...]
"""A cell's state of B examples: a tensor (B, h), or several, as an LSTM has them."""
Loss: TypeAlias = Callable[[Any], Tensor]
SAME = 1e-3
"""By how much, relative, a step may differ when it is computed again."""


@dataclass(frozen=True, eq=False)
class ScannedGradient:
    """A loss at the end of a chain, and its gradients.

    Attributes:
        loss: its value, detached.
        nodes: gradients at x_0, ..., x_T, each shaped as its node; for a cell (B, h), tuples joined.
        parameters: pairs of a parameter and its gradient, of the chain and of a loss that is a module.
        inputs: gradient by a cell's inputs, (T, B, ...); None for a chain of modules, whose input is x_0.
        steps: products of Jacobians that waited for each other; at most 2 ceil(log2(T + 1)).
        macs: multiplications of those products.
    """

    loss: Tensor
    nodes: tuple[Tensor, ...]
    parameters: tuple[tuple[nn.Parameter, Tensor], ...]
    inputs: Tensor | None
    steps: int
    macs: int

    def add_to_grads(self) -> None:
        """Add the gradients to each parameter's `.grad`, as `backward()` does; an optimiser can then step."""
        for parameter, gradient in self.parameters:
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient


def chain_gradient(
    chain: Sequence[Callable[[Tensor], Tensor]], x: Tensor, *, loss: Loss, scan: Scan = "blelloch"
) -> ScannedGradient:
    """Gradients of a loss at the end of a sequence of modules.

    Args:
        chain: functions or modules, called one after the other; each must treat the B examples apart.
        x: its input, (B, ...). Nodes may have other shapes, with B first.
        loss: from the last node to a tensor with one element; where it is a module its parameters count, too.
        scan: of `scan_jacobians`.

    Returns:
        Gradients as `backward()` would find them. `.grad` and the global generators are left alone.

    Raises:
        UsageError: the chain is empty, a step gives other values when it is called again (dropout, or batch
            normalisation in training mode), or the loss is no scalar.

    Cost:
        A forward pass twice; a Jacobian of each step, which is as many backward passes through it as its output is
        wide, in parallel; and products of matrices as wide as the widest node. It pays where nodes are narrow, chains
        long, and the device far from busy.

    Example:
        >>> import torch
        >>> from cupel.methods.parallel_scan_backprop import chain_gradient
        >>> net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
        >>> x, y = torch.ones(5, 3), torch.zeros(5, 2)
        >>> found = chain_gradient(net, x, loss=lambda output: ((output - y) ** 2).mean())
        >>> ((net(x) - y) ** 2).mean().backward()
        >>> all(torch.allclose(gradient, parameter.grad) for parameter, gradient in found.parameters)
        True
        >>> found.steps, [tuple(node.shape) for node in found.nodes]
        (4, [(5, 3), (5, 4), (5, 4), (5, 2)])
    """
    steps = list(chain)
    if not steps:
        raise UsageError("chain_gradient was called with an empty chain; expected at least one module.")
    nodes = [x.detach()]
    with torch.no_grad():
        for step in steps:
            nodes.append(step(nodes[-1]))
    again = [_called_again(step, node, after) for step, node, after in zip(steps, nodes[:-1], nodes[1:], strict=True)]
    width = max(node[0].numel() for node in nodes)
    jacobians = [
        _filled(_jacobians(step, node, after), width)
        for step, node, after in zip(steps, nodes[:-1], nodes[1:], strict=True)
    ]
    value, last, of_loss = _loss_gradient(loss, nodes[-1])
    found = scan_jacobians(torch.stack(jacobians), _filled(last.flatten(1)[:, :, None], width)[:, :, 0], scan=scan)
    gradients = tuple(
        gradient[:, : node[0].numel()].reshape(node.shape)
        for gradient, node in zip(found.gradients, nodes, strict=True)
    )
    of_chain = [
        pair
        for step, after, gradient in zip(steps, again, gradients[1:], strict=True)
        for pair in _parameter_gradients(step, after, gradient)
    ]
    return ScannedGradient(value, gradients, _summed([*of_chain, *of_loss]), None, found.steps, found.macs)


def recurrent_gradient(
    cell: Callable[[Tensor, Any], Any], inputs: Tensor, *, state: State, loss: Loss, scan: Scan = "blelloch"
) -> ScannedGradient:
    """Gradients of a loss at the end of a recurrent cell's run over T time steps.

    Args:
        cell: from an input (B, ...) and a state to the next state: `nn.RNNCell`, `nn.GRUCell`, `nn.LSTMCell`, or one's
            own; it must treat the B examples apart. A method `state_jacobian(inputs, state, next_state)` that gives the
            derivatives (N, h, h) of N steps is used where it has one.
        inputs: (T, B, ...).
        state: the first, (B, h), or a tuple of such.
        loss: from the last state, formed as `state` is, to a tensor with one element; where it is a module its
            parameters count, too.
        scan: of `scan_jacobians`.

    Returns:
        Gradients as `backward()` through all time steps would find them. `.grad` and the global generators are left
        alone.

    Raises:
        UsageError: there is no input, a step gives other values when it is called again, or the loss is no scalar.

    Cost:
        A forward pass, which waits T times; one more of all time steps at once; h backward passes of all at once for
        the Jacobians; O(T B h^3) multiplications and O(T B h^2) memory for the scan.

    Example:
        >>> import torch
        >>> from cupel.methods.parallel_scan_backprop import recurrent_gradient
        >>> cell = torch.nn.GRUCell(1, 4)
        >>> bits = torch.ones(100, 2, 1)  # 100 time steps of 2 examples
        >>> found = recurrent_gradient(cell, bits, state=torch.zeros(2, 4), loss=lambda h: h.square().sum())
        >>> found.add_to_grads()
        >>> found.steps, tuple(cell.weight_hh.grad.shape), tuple(found.inputs.shape)
        (14, (12, 4), (100, 2, 1))
    """
    states = [state]
    with torch.no_grad():
        for each in inputs:
            states.append(cell(each, states[-1]))
    return gradient_from_states(cell, inputs, states=states, loss=loss, scan=scan)


def gradient_from_states(
    cell: Callable[[Tensor, Any], Any],
    inputs: Tensor,
    *,
    states: Sequence[State] | Tensor,
    loss: Loss,
    scan: Scan = "blelloch",
) -> ScannedGradient:
    """Gradients of a loss at the end of a recurrent cell's run whose states are known, as a fused kernel leaves them.

    All but the forward pass of `recurrent_gradient`: nothing here waits for each of T time steps.

    Args:
        cell: as there; of an `nn.RNN` a cell that shares its weights.
        inputs: (T, B, ...).
        states: the first and those after each input, T + 1 in all; a tensor (T + 1, B, h), or one by one.
        loss: as there.
        scan: of `scan_jacobians`.

    Raises:
        UsageError: there is no input, states are not one more, the cell gives others, or the loss is no scalar.
    """
    num = len(inputs)
    if num == 0 or len(states) != num + 1:
        raise UsageError(
            f"{num} inputs and {len(states)} states were given; expected at least one input, and one state more."
        )
    sizes = _joined(states[0])[1]
    nodes = (states if isinstance(states, Tensor) else torch.stack([_joined(each)[0] for each in states])).detach()
    before, after = nodes[:-1].flatten(0, 1), nodes[1:].flatten(0, 1)
    flat = inputs.detach().flatten(0, 1)
    flat.requires_grad_(flat.is_floating_point())
    again = _called_again(lambda now: _joined(cell(flat, _parted(now, sizes)))[0], before, after)
    jacobians = _state_jacobians(cell, flat.detach(), before=before, after=after, sizes=sizes)
    value, last, of_loss = _loss_gradient(loss, nodes[-1], sizes)
    found = scan_jacobians(jacobians.view(num, *last.shape, -1), last, scan=scan)
    of_cell = _parameter_gradients(cell, again, found.gradients[1:].flatten(0, 1), also=flat)
    by_inputs = of_cell.pop()[1] if flat.requires_grad else None
    return ScannedGradient(
        loss=value,
        nodes=tuple(found.gradients),
        parameters=_summed([*of_cell, *of_loss]),
        inputs=None if by_inputs is None else by_inputs.view_as(inputs),
        steps=found.steps,
        macs=found.macs,
    )


def _joined(state: State) -> tuple[Tensor, tuple[int, ...]]:
    """A state as one tensor (B, h), and the widths of its parts; none where it was one tensor."""
    if isinstance(state, Tensor):
        return state, ()
    return torch.cat(state, dim=-1), tuple(part.shape[-1] for part in state)


def _parted(state: Tensor, sizes: tuple[int, ...]) -> State:
    """A state as the cell has it."""
    return state.split_with_sizes(sizes, dim=-1) if sizes else state


def _called_again(step: Callable[[Tensor], Tensor], node: Tensor, after: Tensor) -> Tensor:
    """What a step gives when it is called once more, to be differentiated; refused where it is something else."""
    with torch.enable_grad():
        again = step(node)
    if again.shape == after.shape and torch.allclose(again.detach(), after, rtol=SAME, atol=SAME):
        return again
    raise UsageError(
        f"A step gave other values when it was called again, {tuple(after.shape)}, then {tuple(again.shape)}; "
        "expected the same from the same input. Put dropout and batch normalisation into eval() mode, and treat each "
        "example apart."
    )


def _jacobians(step: Callable[[Tensor], Tensor], node: Tensor, after: Tensor) -> Tensor:
    """Derivatives of a step by its node, (B, outputs, inputs), one example at a time, all of them at once."""

    def flat(one: Tensor) -> tuple[Tensor, Tensor]:
        given = step(one.view(1, *node.shape[1:])).flatten()
        return given, given

    found, given = vmap(jacrev(flat, has_aux=True))(node.flatten(1))
    if torch.allclose(given, after.flatten(1), rtol=SAME, atol=SAME):
        return torch.as_tensor(found.detach())
    raise UsageError(
        "A step gives an example other values alone than among others; expected it to treat examples apart. Put batch "
        "normalisation into eval() mode."
    )


def _state_jacobians(cell: Any, inputs: Tensor, *, before: Tensor, after: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """Derivatives of each next state by its state, (N, h, h): the cell's own, else by torch.func."""
    own = getattr(cell, "state_jacobian", None)
    if own is not None:
        with torch.no_grad():
            return torch.as_tensor(own(inputs, _parted(before, sizes), _parted(after, sizes)))

    def step(one: Tensor, given: Tensor) -> Tensor:
        return _joined(cell(given[None], _parted(one[None], sizes)))[0][0]

    return torch.as_tensor(vmap(jacrev(step))(before, inputs).detach())


def _loss_gradient(
    loss: Loss, end: Tensor, sizes: tuple[int, ...] = ()
) -> tuple[Tensor, Tensor, list[tuple[nn.Parameter, Tensor]]]:
    """The loss, its gradient at the end of the chain, and those of its own parameters."""
    end = end.detach().requires_grad_()
    with torch.enable_grad():
        value = loss(_parted(end, sizes))
    if not isinstance(value, Tensor) or value.numel() != 1 or not value.requires_grad:
        found = f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise UsageError(f"The loss is {found}; expected one number that depends on the last node: take its mean.")
    *pairs, (_, last) = _parameter_gradients(loss, value, torch.ones_like(value), also=end)
    return value.detach(), last, pairs


def _parameter_gradients(
    module: Any, output: Tensor, gradient: Tensor, also: Tensor | None = None
) -> list[tuple[Any, Tensor]]:
    """Gradients of the parameters of a module that are not frozen, and of a further tensor at the end of the list."""
    wanted: list[Tensor] = []
    if isinstance(module, nn.Module):
        wanted = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if also is not None and also.requires_grad:
        wanted.append(also)
    if not wanted or not output.requires_grad:
        return [(tensor, torch.zeros_like(tensor)) for tensor in wanted]
    found = torch.autograd.grad(output, wanted, gradient, materialize_grads=True)
    return list(zip(wanted, found, strict=True))


def _summed(pairs: Sequence[tuple[nn.Parameter, Tensor]]) -> tuple[tuple[nn.Parameter, Tensor], ...]:
    """Each parameter once, with the sum of its gradients."""
    total: dict[nn.Parameter, Tensor] = {}
    for parameter, gradient in pairs:
        total[parameter] = total[parameter] + gradient if parameter in total else gradient
    return tuple(total.items())


def _filled(matrix: Tensor, width: int) -> Tensor:
    """Matrices (B, m, n) filled up with zeros to (B, width, width)."""
    return nn.functional.pad(matrix, (0, width - matrix.shape[2], 0, width - matrix.shape[1]))
