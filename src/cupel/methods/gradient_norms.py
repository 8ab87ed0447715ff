"""The length of each example's own gradient, without making the gradients.

For a linear layer h = W a + b the gradient of one example's loss by W is the outer product of delta = dL/dh and a, so
that its squared length is |delta|^2 |a|^2, and |delta|^2 for b. One backward pass of a whole batch gives every delta
(Goodfellow 2015). Where a layer sees several positions t of an example (a sequence, or several calls), the gradient is
a sum of outer products, and

    |sum_t delta_t a_t^T|^2 = sum_{t,s} (delta_t . delta_s)(a_t . a_s)

taken this way or by making the sum, whichever is less work. Parameters of any other layer (convolutions, norms,
embeddings, tied weights) are done by `torch.func`, one gradient per example: exact too, slower, and as large as the
examples of a chunk times those parameters.

Shapes: N examples, T positions, I inputs and O outputs of a layer.

Source: Goodfellow: Efficient per-example gradient computations (2015, arXiv 1510.01799), which Alain, Lamb, Sankar,
Courville, Bengio (2015, arXiv 1511.06481) rest on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from cupel.spec.errors import UsageError

ExampleLoss: TypeAlias = Callable[[Any, Tensor], Tensor]
"""(output of the model, targets) to a loss for each example, shape (N,)."""


class GradientNorms:
    """Lengths of the gradients of single examples, by all parameters that are trained.

    At the first call the split into layers that the trick is right for and others is checked: on two examples every
    linear layer is compared with its gradient by autograd, and one that differs (its weight is used elsewhere too, or
    its first axis is not that of the examples) is moved to the others.

    Args:
        model: any model of the examples, whose first axis counts them. It is run in evaluation and left in the mode
            that it was in: dropout is off, and batch norm takes its averages, since in training mode an example has no
            gradient of its own.
        loss: gives a loss per example: `functools.partial(torch.nn.functional.cross_entropy, reduction="none")`.
        chunk: examples that are in work at once.

    Raises:
        UsageError: nothing is trained, or the loss is not one per example.

    Attributes:
        by_layer: names of the linear layers that the trick is used for; known after the first call.
        by_example: names of the parameters that `torch.func` is used for; known after the first call.

    Cost:
        Linear layers: a forward and a backward pass without the gradients of weights, two thirds of a training step.
        Others: a gradient for each example.

    Example:
        >>> import torch
        >>> from functools import partial
        >>> from torch.nn.functional import mse_loss
        >>> from cupel.methods.gradient_norms import GradientNorms
        >>> model = torch.nn.Linear(2, 1)
        >>> _ = torch.nn.init.zeros_(model.weight), torch.nn.init.zeros_(model.bias)
        >>> norms = GradientNorms(model, lambda out, y: ((out - y) ** 2).sum(1) / 2)
        >>> norms(torch.tensor([[2.0, 2.0], [0.0, 0.0]]), torch.tensor([[1.0], [5.0]]))  # |y| sqrt(|x|^2 + 1)
        tensor([3., 5.])
    """

    def __init__(self, model: nn.Module, loss: ExampleLoss, *, chunk: int = 256) -> None:
        if chunk < 1:
            raise UsageError(f"chunk={chunk} was asked; expected 1 example or more.")
        self.model = model
        self.loss = loss
        self.chunk = chunk
        self.by_layer: tuple[str, ...] = ()
        self.by_example: tuple[str, ...] = ()
        self._is_split = False

    def __call__(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Lengths, (N,), in the type of the loss, without a graph.

        Args:
            inputs: (N, ...), on the model's device.
            targets: (N, ...).
        """
        if len(inputs) != len(targets) or not len(inputs):
            raise UsageError(
                f"{len(inputs)} inputs and {len(targets)} targets were given; expected as many, 1 or more."
            )
        with evaluating(self.model), torch.enable_grad():
            if not self._is_split:
                self._split(inputs[: self.chunk], targets[: self.chunk])
            parts = zip(torch.split(inputs, self.chunk), torch.split(targets, self.chunk), strict=True)
            return torch.cat([self._squares(x, y).sqrt() for x, y in parts])

    def _squares(self, x: Tensor, y: Tensor) -> Tensor:
        """Squared lengths of one chunk."""
        layers = dict(self.model.named_modules())
        squares = _by_layers(self.model, self.loss, (x, y), {name: layers[name] for name in self.by_layer})
        total = torch.stack(list(squares.values())).sum(0) if squares else 0.0
        if not self.by_example:
            return total  # type: ignore[return-value]
        parameters = dict(self.model.named_parameters())
        return total + self._by_examples(x, y, {name: parameters[name].detach() for name in self.by_example})

    def _by_examples(self, x: Tensor, y: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        """Squared lengths by some parameters, from a gradient for each example."""

        def loss(parameters: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
            return self.loss(functional_call(self.model, parameters, (x[None],)), y[None]).sum()

        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):  # the one attention that can be batched over examples
            gradients = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, x, y)
        return torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients.values()]).sum(0)

    def _split(self, x: Tensor, y: Tensor) -> None:
        """Find the layers that the trick is right for."""
        trained = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        if not trained:
            raise UsageError("No parameter of the model is trained (requires_grad is False for all): no gradients.")
        layers = dict(_candidates(self.model))
        squares = _by_layers(self.model, self.loss, (x, y), layers)
        largest = int(torch.stack(list(squares.values())).sum(0).argmax()) if squares else 0
        for example in {largest, len(x) - 1}:
            wanted = self._by_autograd(x[example : example + 1], y[example : example + 1], layers)
            squares = {
                name: found
                for name, found in squares.items()
                if torch.allclose(found[example], wanted[name], rtol=10 * torch.finfo(found.dtype).eps ** 0.5, atol=0.0)
            }
        self.by_layer = tuple(squares)
        done = {id(p) for name in squares for p in layers[name].parameters(recurse=False)}
        self.by_example = tuple(name for name, p in trained.items() if id(p) not in done)
        self._is_split = True

    def _by_autograd(self, x: Tensor, y: Tensor, layers: dict[str, nn.Module]) -> dict[str, Tensor]:
        """Squared lengths of one example, by the parameters of each layer."""
        loss = self.loss(self.model(x), y).sum()
        found = {}
        for name, layer in layers.items():
            parameters = [p for p in layer.parameters(recurse=False) if p.requires_grad]
            gradients = torch.autograd.grad(loss, parameters, retain_graph=True, materialize_grads=True)
            found[name] = torch.stack([gradient.square().sum() for gradient in gradients]).sum()
        return found


def mean_gradient_norm(
    model: nn.Module, loss: ExampleLoss, *, inputs: Tensor, targets: Tensor, chunk: int = 4096
) -> float:
    """The length of the mean gradient of all examples, in evaluation; what a trace of covariance needs besides norms.

    Args:
        model: as for `GradientNorms`.
        loss: a loss for each example.
        inputs: (N, ...).
        targets: (N, ...).
        chunk: examples that are in work at once.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    total: list[Tensor] | None = None
    with evaluating(model), torch.enable_grad():
        for x, y in zip(torch.split(inputs, chunk), torch.split(targets, chunk), strict=True):
            part = torch.autograd.grad(loss(model(x), y).sum(), parameters, materialize_grads=True)
            total = list(part) if total is None else [t + p for t, p in zip(total, part, strict=True)]
    squares = torch.stack([t.double().square().sum() for t in total or []])
    return float(squares.sum().sqrt()) / len(inputs)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """A model in evaluation, each of its modules put back into its mode afterwards."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _candidates(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Linear layers whose own trained parameters belong to no other module."""
    owners = Counter(id(p) for module in model.modules() for p in module.parameters(recurse=False))
    for name, module in model.named_modules():
        own = list(module.parameters(recurse=False))
        if isinstance(module, nn.Linear) and any(p.requires_grad for p in own) and all(owners[id(p)] == 1 for p in own):
            yield name, module


def _by_layers(
    model: nn.Module, loss: ExampleLoss, batch: tuple[Tensor, Tensor], layers: dict[str, nn.Module]
) -> dict[str, Tensor]:
    """Squared lengths (N,) by the parameters of each linear layer; those whose first axis is another are left out."""
    x, y = batch
    seen: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in layers}
    hooks = [layer.register_forward_hook(_probe(seen[name])) for name, layer in layers.items()]
    try:
        losses = loss(model(x), y)
    finally:
        for hook in hooks:
            hook.remove()
    if losses.shape != (len(x),):
        raise UsageError(
            f"loss(output, targets) gave a tensor of shape {tuple(losses.shape)} for {len(x)} examples; expected "
            f'({len(x)},), a loss for each: take reduction="none", and a mean over what an example has several of.'
        )
    probes = [probe for calls in seen.values() for _, probe in calls]
    deltas = iter(torch.autograd.grad(losses.sum(), probes, materialize_grads=True) if probes else ())
    found = {}
    for name, calls in seen.items():
        pairs = [(a, next(deltas)) for a, _ in calls]
        if pairs and all(a.ndim > 1 and len(a) == len(x) for a, _ in pairs):
            found[name] = _square(layers[name], pairs).detach()
    return found


def _probe(calls: list[tuple[Tensor, Tensor]]) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    """A hook that keeps a layer's input, and adds zeros to its output whose gradient is delta."""

    def hook(layer: nn.Module, given: Any, output: Tensor) -> Tensor:
        del layer
        probe = torch.zeros_like(output).requires_grad_()
        calls.append((given[0].detach(), probe))
        return output + probe

    return hook


def _square(layer: nn.Module, pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Squared lengths (N,) of the gradients by weight and bias."""
    weight, bias = layer._parameters["weight"], layer._parameters.get("bias")  # noqa: SLF001 (a bias may be absent)
    a_NTI = torch.cat([a.flatten(1, -2) if a.ndim > 2 else a[:, None] for a, _ in pairs], dim=1)
    delta_NTO = torch.cat([d.flatten(1, -2) if d.ndim > 2 else d[:, None] for _, d in pairs], dim=1)
    total = torch.zeros(len(a_NTI), dtype=delta_NTO.dtype, device=delta_NTO.device)
    if weight is not None and weight.requires_grad:
        num_positions, num_in, num_out = a_NTI.shape[1], a_NTI.shape[2], delta_NTO.shape[2]
        if num_positions == 1:
            total = total + a_NTI.square().sum((1, 2)) * delta_NTO.square().sum((1, 2))
        elif num_positions * (num_in + num_out) < num_in * num_out:
            total = total + ((a_NTI @ a_NTI.mT) * (delta_NTO @ delta_NTO.mT)).sum((1, 2)).clamp(min=0.0)
        else:
            total = total + (delta_NTO.mT @ a_NTI).square().sum((1, 2))
    if bias is not None and bias.requires_grad:
        total = total + delta_NTO.sum(1).square().sum(1)
    return total
