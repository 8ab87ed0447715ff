"""What optimisers with a Kronecker-factored Fisher matrix have in common: all but the moments that they divide by.

For each layer: G = Ub [(Ub^T grad Ua) / D] Ua^T with an optimiser's own D, then W -= lr * (momentum * V + G), V the
direction before. The empirical Fisher matrix is meant: of the gradients of the loss that is trained.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, overload

import torch
from torch import Tensor, distributed, nn

from cupel.methods.kronecker_factors import (
    Eigenbasis,
    dense,
    eigenbasis,
    input_factor,
    into_basis,
    num_examples,
    out_of_basis,
    output_factor,
)
from cupel.methods.layer_records import Examples, Layer, LayerRecords, recordable_layers
from cupel.spec.errors import UnknownNameError, UsageError

State = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Preconditioning:
    """How the factors are followed, and what is done with the direction found.

    Args:
        every: steps from one eigendecomposition of the factors to the next (the paper's T).
        decay: share of the old factors that is kept at each step; at 0 they are those of the batch at hand, and only
            computed when they are decomposed. Averages start unbiased (the first k steps have equal weights).
        momentum: of the directions, as of `torch.optim.SGD`; for all parameters.
        weight_decay: shrinks weights by lr * weight_decay at each step, apart from the gradient.
        kl_clip: shortens the step of all layers together where lr^2 * sum <grad, G>, about twice the change of the
            model's distribution, would be more (Ba, Grosse, Martens, ICLR 2017). Without it, None, as in the EKFAC
            paper, steps are stable at smaller lr and larger eps only.
        leave_out: names of layers that get plain steps.
    """

    every: int = 20
    decay: float = 0.0
    momentum: float = 0.9
    weight_decay: float = 0.0
    kl_clip: float | None = 1e-2
    leave_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        require("every", self.every, "1 or more steps", is_so=self.every >= 1)
        require("decay", self.decay, "0 or more and below 1", is_so=0.0 <= self.decay < 1.0)
        require("momentum", self.momentum, "0 or more and below 1", is_so=0.0 <= self.momentum < 1.0)
        require("weight_decay", self.weight_decay, "0 or more", is_so=self.weight_decay >= 0.0)
        require("kl_clip", self.kl_clip, "a number above 0, or None", is_so=self.kl_clip is None or self.kl_clip > 0.0)


def require(name: str, value: object, expected: str, *, is_so: bool) -> None:
    """Refuse an argument that is not as expected.

    Raises:
        UsageError: it is not.
    """
    if not is_so:
        raise UsageError(f"{name}={value!r} was asked; expected {expected}.")


class KroneckerOptimizer(torch.optim.Optimizer):
    """The steps that `cupel.methods.optimizers.kfac.KFAC` and `cupel.methods.optimizers.ekfac.EKFAC` share.

    Args:
        model: the model that is trained.
        lr: length of a step.
        eps: added to the moments that are divided by.
        options: the rest.

    Attributes:
        preconditioned: names of the layers with factors.
        plain: names of the parameters that get plain steps with momentum.
        num_decompositions: eigendecompositions that were made, two per layer and time.
    """

    def __init__(self, model: nn.Module, lr: float, *, eps: float, options: Preconditioning | None) -> None:
        require("lr", lr, "0 or more", is_so=lr >= 0.0)
        require("eps", eps, "a number above 0 (the moments of a batch have zeros)", is_so=eps > 0.0)
        self.options = options or Preconditioning()
        layers = recordable_layers(model, self.options.leave_out)
        if not layers:
            raise UsageError(
                f"{type(model).__name__} has no layer to precondition; expected an nn.Linear, or an nn.Conv2d with one "
                "group, that is not left out. Take torch.optim.SGD."
            )
        self._records = LayerRecords(layers)
        inside = {id(p) for layer in layers.values() for p in layer.parameters() if layer.weight.requires_grad}
        self.preconditioned = tuple(layers)
        self.plain = tuple(name for name, p in model.named_parameters() if id(p) not in inside)
        self.num_decompositions = 0
        self._bases: dict[str, tuple[Tensor, Eigenbasis, Eigenbasis]] = {}
        defaults = {"lr": lr, "eps": eps, "momentum": self.options.momentum, "weight_decay": self.options.weight_decay}
        super().__init__(model.parameters(), defaults)

    @abstractmethod
    def _moments(self, state: State, batches: Sequence[Examples], coordinates_OI: Tensor) -> Tensor:
        """The moments (O, I) in the eigenbasis that `state` holds; `coordinates_OI` are the gradient's there."""

    @abstractmethod
    def _damped(self, state: State, moments_OI: Tensor, eps: float) -> Tensor:
        """What the coordinates are divided by."""

    def _new_basis(self, state: State) -> None:
        """Called when `state` has got another eigenbasis."""

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Move the parameters by the gradients in `.grad`, and forget the records.

        Args:
            closure: computes the loss and its gradients anew, zeroed before; may be left out.

        Returns:
            The closure's loss.

        Raises:
            UsageError: a layer with a gradient was not recorded, was used twice, or has factors that are not finite;
                or several processes train together. No parameter was moved.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        _refuse_ranks()
        groups = [(p, group) for group in self.param_groups for p in group["params"] if _is_moving(p)]
        directions = self._directions({id(p): group for p, group in groups})
        for p, group in groups:
            self._move(p, group, directions.get(id(p), p.grad))
        self._records.clear()
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:  # noqa: FBT001, FBT002 - torch's own signature
        """Clear the gradients, and the records that belong to them."""
        super().zero_grad(set_to_none)
        self._records.clear()

    def approximation(self, layer: str) -> Tensor:
        """The Fisher matrix of a layer as the last step approximated it, undamped, as a dense matrix.

        Args:
            layer: its name in the model.

        Returns:
            (O I, O I), rows and columns in the order of the weight (O, I) row by row, the bias as its last column.

        Raises:
            UnknownNameError: there is no such layer.
            UsageError: no step with this layer was made yet.

        Cost:
            (O I)^2 numbers and (O I)^3 operations: for small layers.
        """
        if layer not in self._records.layers:
            raise UnknownNameError("layer", layer, self._records.layers)
        if layer not in self._bases:
            raise UsageError(f"The approximation for layer {layer!r} was asked before its first step(); make one.")
        return dense(*self._bases[layer])

    def load_state_dict(self, state_dict: State) -> None:
        """Go on from what `state_dict()` gave; factors keep their precision, whatever that of the weights."""
        super().load_state_dict(state_dict)
        parameters = [p for group in self.param_groups for p in group["params"]]
        for index, found in state_dict["state"].items():
            p = parameters[index]
            self.state[p] = {k: v.to(p.device, copy=True) if isinstance(v, Tensor) else v for k, v in found.items()}
        self._records.clear()

    def _directions(self, groups: dict[int, State]) -> dict[int, Tensor]:
        """Preconditioned gradients by parameter, clipped."""
        found: dict[int, Tensor] = {}
        agreement: list[Tensor] = []
        for name, layer in self._records.layers.items():
            if id(layer.weight) not in groups:
                continue
            group = groups[id(layer.weight)]
            gradient, direction = self._precondition(name, layer, group["eps"])
            agreement.append(group["lr"] ** 2 * (gradient * direction).sum())
            width = layer.weight[0].numel()
            found[id(layer.weight)] = direction[:, :width].reshape(layer.weight.shape)
            if direction.shape[1] > width and layer.bias is not None:
                found[id(layer.bias)] = direction[:, width]
        if self.options.kl_clip is None or not agreement:
            return found
        length = torch.stack([part.to(agreement[0]) for part in agreement]).sum()
        shorter = (self.options.kl_clip / length).sqrt().clamp(max=1.0)
        return {key: direction * shorter.to(direction) for key, direction in found.items()}

    def _precondition(self, name: str, layer: Layer, eps: float) -> tuple[Tensor, Tensor]:
        """The gradient of a layer (O, I), and the direction made of it."""
        with_bias = layer.bias is not None and _is_moving(layer.bias)
        batches = self._records.examples(name, with_bias=with_bias)
        gradient = _joint_gradient(layer, with_bias=with_bias).to(batches[0].inputs_NPI.dtype)
        state = self.state[layer.weight]
        self._follow(name, state, batches)
        outputs, inputs = state_bases(state)
        coordinates = into_basis(gradient, outputs, inputs)
        moments = self._moments(state, batches, coordinates)
        self._bases[name] = moments, outputs, inputs
        return gradient, out_of_basis(coordinates / self._damped(state, moments, eps), outputs, inputs)

    def _follow(self, name: str, state: State, batches: Sequence[Examples]) -> None:
        """Bring the factors of a layer up to the batch, and their eigenbases where those are due."""
        shape = (batches[0].gradients_NPO.shape[2], batches[0].inputs_NPI.shape[2])
        if "step" not in state or shape != (len(state["factor_out"]), len(state["factor_in"])):  # the bias (un)frozen
            state.update({"step": 0})
        is_due = state["step"] % self.options.every == 0
        if is_due or self.options.decay > 0.0:
            kept = min(self.options.decay, 1.0 - 1.0 / (state["step"] + 1))
            for key, made in (("factor_out", output_factor), ("factor_in", input_factor)):
                state[key] = made(batches) if kept == 0.0 else torch.lerp(made(batches), state[key], kept)
        if is_due:
            for side in ("out", "in"):
                _refuse_not_finite(name, state[f"factor_{side}"])
                basis = eigenbasis(state[f"factor_{side}"])
                state[f"values_{side}"], state[f"vectors_{side}"] = basis.values, basis.vectors
            self.num_decompositions += 2
            self._new_basis(state)
        state["step"] += 1

    def _move(self, p: Tensor, group: State, direction: Tensor) -> None:
        """One step of a parameter along a direction, with momentum."""
        state = self.state[p]
        direction = direction.to(p.dtype)
        if group["momentum"] > 0.0:
            before = state.get("momentum_buffer")
            direction = direction.clone() if before is None else before.mul_(group["momentum"]).add_(direction)
            state["momentum_buffer"] = direction
        p.mul_(1.0 - group["lr"] * group["weight_decay"])
        p.add_(direction, alpha=-group["lr"])


def state_bases(state: State) -> tuple[Eigenbasis, Eigenbasis]:
    """The eigenbases of outputs and inputs that a state holds."""
    return Eigenbasis(state["values_out"], state["vectors_out"]), Eigenbasis(state["values_in"], state["vectors_in"])


def mean_square(batches: Sequence[Examples], coordinates_OI: Tensor) -> Tensor:
    """The square of a mean gradient's coordinates on the scale of single examples: times their number."""
    return coordinates_OI.square() * num_examples(batches)


def _is_moving(p: Tensor) -> bool:
    return p.requires_grad and p.grad is not None


def _joint_gradient(layer: Layer, *, with_bias: bool) -> Tensor:
    """[grad of W, grad of b], (O, I)."""
    assert layer.weight.grad is not None
    weight = layer.weight.grad.flatten(1)
    if not with_bias or layer.bias is None or layer.bias.grad is None:
        return weight
    return torch.cat([weight, layer.bias.grad[:, None]], dim=1)


def _refuse_ranks() -> None:
    if distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1:
        raise UsageError(
            f"step() was called in one of {distributed.get_world_size()} processes that train together; each would "
            "have factors of its own part of the batch, and their weights would part. Train in one process."
        )


def _refuse_not_finite(name: str, factor: Tensor) -> None:
    if not bool(torch.isfinite(factor).all()):
        raise UsageError(
            f"A factor of layer {name!r} has values that are not finite; expected finite inputs and gradients. "
            "Training has diverged, or the loss is scaled for fp16: take a smaller lr or a larger eps, or bf16."
        )
