"""Training weights and hyperparameters together: a hyperparameter step by the implicit gradient every few steps.

Source: Lorraine, Vicol, Duvenaud (AISTATS 2020, arXiv 1911.02590), algorithm 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cupel.methods.implicit_gradient import ImplicitGradient, gradient_by
from cupel.methods.inverse_hessian import InverseHessian, Neumann, WarmStart
from cupel.methods.weight_vectors import Loss, Tensors, trained, tuned
from cupel.spec.errors import UsageError

if TYPE_CHECKING:
    import torch


@dataclass(eq=False)
class HyperOptimizer:
    """Steps on hyperparameters within a training loop of one's own.

    From step to step the direction of largest curvature is kept, so that an estimated step size costs one product. A
    product with the Hessian costs about two training steps (up to three with convolutions on a CPU): at one
    hyperparameter step per ten, five terms make training two to three times as long.

    Args:
        parameters: the weights that the loop trains, frozen ones left out.
        optimizer: an optimiser of torch over the hyperparameters (the paper takes RMSprop and Adam).
        every: training steps per hyperparameter step (the paper's N).
        inverse: the way to H^-1; `Neumann(terms=5)` where left out.
        warm_start: whether each solution starts from the last one, which costs a product each, and memory as large as
            the weights. It pays where hyperparameters move slowly; where they move fast, the last solution is stale.
        after_step: called after each hyperparameter step, such as `LogDecay.clamp_`.

    Raises:
        UsageError: `every` is below 1, the optimiser's tensors need no gradient, or are among the parameters.

    Example:
        >>> import torch
        >>> from cupel.methods.hyper_optimizer import HyperOptimizer
        >>> from cupel.methods.log_decay import LogDecay
        >>> x, y = torch.eye(2), torch.tensor([[4.0], [2.0]])
        >>> model = torch.nn.Linear(2, 1, bias=False)
        >>> decay = LogDecay(model.parameters(), start=0.0)
        >>> train_loss = lambda: ((model(x) - y) ** 2).sum() / 2 + decay.penalty()
        >>> valid_loss = lambda: ((model(x) - y / 4) ** 2).sum() / 2
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
        >>> hyper = HyperOptimizer(model.parameters(), torch.optim.Adam(decay.logs, lr=0.1), after_step=decay.clamp_)
        >>> for _ in range(1000):
        ...     optimizer.zero_grad()
        ...     train_loss().backward(inputs=list(model.parameters()))  # hyperparameters get no .grad
        ...     optimizer.step()
        ...     _ = hyper.step(train_loss, valid_loss)
        >>> decay.logs[0].exp().detach().round(decimals=1)  # 3 makes y / (1 + 3), what the validation set wants
        tensor([[3., 3.]])
    """

    parameters: Tensors
    optimizer: torch.optim.Optimizer
    every: int = 10
    inverse: InverseHessian = field(default_factory=lambda: Neumann(terms=5))
    warm_start: bool = False
    after_step: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        if self.every < 1:
            raise UsageError(f"every={self.every} was asked; expected 1 or more training steps.")
        self._weights = trained(self.parameters)
        self.parameters = self._weights
        self._hyper = tuned([t for group in self.optimizer.param_groups for t in group["params"]], self._weights)
        self._warm = WarmStart(keeps_solution=self.warm_start)
        self._num_steps = 0

    def step(self, train_loss: Loss, valid_loss: Loss) -> ImplicitGradient | None:
        """To be called after each step of training; each `every`-th call moves the hyperparameters.

        Args:
            train_loss: as of `implicit_gradient`; called on those steps alone.
            valid_loss: the same.

        Returns:
            What was found; None on the steps between.

        Raises:
            UsageError: as of `implicit_gradient`; the hyperparameters are then where they were.
        """
        self._num_steps += 1
        if self._num_steps % self.every:
            return None
        found = gradient_by(
            train_loss, valid_loss, weights=self._weights, hyper=self._hyper, way=(self.inverse, self._warm)
        )
        before = [tensor.grad for tensor in self._hyper]
        for tensor, gradient in zip(self._hyper, found.gradients, strict=True):
            tensor.grad = gradient
        self.optimizer.step()
        for tensor, grad in zip(self._hyper, before, strict=True):
            tensor.grad = grad
        if self.after_step is not None:
            self.after_step()
        return found
