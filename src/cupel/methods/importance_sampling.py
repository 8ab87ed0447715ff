"""Stochastic gradients of least variance: examples are drawn by the length of their gradients, and weighted back.

Of N examples, i is drawn with probability q_i and its gradient g_i is multiplied by 1 / (N q_i). The mean of that is
the full gradient whatever q is, as long as no q_i is 0: old or wrong weights cost variance, and never bias. The trace
of the covariance of one draw is

    Tr Sigma(q) = 1 / N^2 sum_n |g_n|^2 / q_n - |g|^2,          g = 1 / N sum_n g_n

and least for q_n proportional to |g_n| (the length itself, not its square); the sum is then the squared mean length.

Decisions: q is proportional to w_n + c, w_n the last known length and c the paper's constant, which keeps an example
that was easy when it was last looked at from being lost; mixed with `uniform_share` of equal chances, which bounds
every scale by its inverse. Drawing is with replacement. An example that was never scored has the mean weight of those
that were.

Paper to code: w_n `weights`, c `smoothing`, q `probabilities`, 1 / (N q_i) `scale`, Tr(Sigma(q)) `covariance_trace`;
q_ideal, q_stale and q_unif are `best_probabilities` of the present norms, a sampler's `probabilities`, and 1 / N.

Source: Alain, Lamb, Sankar, Courville, Bengio: Variance Reduction in SGD by Distributed Importance Sampling (2015,
arXiv 1511.06481).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cupel.spec.errors import UsageError


@dataclass(frozen=True, eq=False)
class Draw:
    """Examples to train on.

    Attributes:
        index: (B,) int64, which examples; one may come twice.
        scale: (B,), what to multiply their losses by before the mean.
    """

    index: Tensor
    scale: Tensor


class ImportanceSampler:
    """Draws examples by weights, such that gradients stay unbiased.

    Args:
        num_examples: N.
        generator: the source of the draws, seeded; the sampler lives on its device.
        smoothing: c, added to each weight; in the unit of the weights, lengths of gradients.
        uniform_share: share of equal chances, 0 to 1; no scale exceeds its inverse.
        dtype: of the scales.

    Raises:
        UsageError: an argument is out of its range, or both `smoothing` and `uniform_share` are 0: an example whose
            weight was 0 once would never be drawn again, and the gradient biased.

    Example:
        >>> import torch
        >>> from torch.nn.functional import cross_entropy
        >>> from cupel.methods.gradient_norms import GradientNorms
        >>> from cupel.methods.importance_sampling import ImportanceSampler
        >>> x, y, model = torch.randn(40, 5), torch.arange(40) % 3, torch.nn.Linear(5, 3)  # the user's own
        >>> sgd = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> norms = GradientNorms(model, lambda output, y: cross_entropy(output, y, reduction="none"))
        >>> sampler = ImportanceSampler(40, generator=torch.Generator().manual_seed(0), smoothing=0.1)
        >>> for step in range(20):
        ...     if step % 10 == 0:
        ...         sampler.update(norms(x, y))  # stale in between
        ...     drawn = sampler.draw(8)
        ...     losses = cross_entropy(model(x[drawn.index]), y[drawn.index], reduction="none")
        ...     sgd.zero_grad()
        ...     (drawn.scale * losses).mean().backward()
        ...     sgd.step()
    """

    def __init__(
        self,
        num_examples: int,
        *,
        generator: torch.Generator,
        smoothing: float = 0.0,
        uniform_share: float = 0.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if num_examples < 1:
            raise UsageError(f"num_examples={num_examples} was asked; expected 1 or more.")
        if not (0.0 <= smoothing < float("inf") and 0.0 <= uniform_share <= 1.0):
            raise UsageError(
                f"smoothing={smoothing} and uniform_share={uniform_share} were asked; expected a number of at least 0, "
                "and a share from 0 to 1."
            )
        if smoothing == uniform_share == 0.0:
            raise UsageError(
                "smoothing=0 and uniform_share=0 were asked: an example of weight 0 would never be drawn again, and "
                "gradients biased. Give one of them a value above 0, such as uniform_share=0.1."
            )
        self.num_examples = num_examples
        self.smoothing = smoothing
        self.uniform_share = uniform_share
        self.dtype = dtype
        self._generator = generator
        self._probabilities = torch.full(
            (num_examples,), 1.0 / num_examples, dtype=torch.float64, device=generator.device
        )
        self._cumulative = self._probabilities.cumsum(0)

    @property
    def probabilities(self) -> Tensor:
        """Probabilities q, (N,), float64, all above 0; equal ones before the first update."""
        return self._probabilities

    @property
    def scales(self) -> Tensor:
        """The scale 1 / (N q) of each example, (N,)."""
        return (1.0 / (self.num_examples * self._probabilities)).to(self.dtype)

    def update(self, weights: Tensor) -> None:
        """Take the weights of all examples for the draws from now on.

        Args:
            weights: (N,), lengths of gradients, at least 0; one that is not finite counts as not known.

        Raises:
            UsageError: they are not N, or one is negative.
        """
        if weights.shape != (self.num_examples,):
            raise UsageError(f"weights has shape {tuple(weights.shape)}; expected ({self.num_examples},), one each.")
        weights = weights.detach().to(self._probabilities)
        is_known = weights.isfinite()
        if bool((weights[is_known] < 0.0).any()):
            raise UsageError(f"A weight is {float(weights[is_known].min()):.3g}; expected lengths, at least 0.")
        mean = weights[is_known].mean() if bool(is_known.any()) else weights.new_ones(())
        smoothed = torch.where(is_known, weights, mean) + self.smoothing
        total = smoothed.sum()
        equal = 1.0 / self.num_examples
        shares = smoothed / total if float(total) > 0.0 else torch.full_like(smoothed, equal)
        self._probabilities = (1.0 - self.uniform_share) * shares + self.uniform_share * equal
        self._cumulative = self._probabilities.cumsum(0)

    def draw(self, num: int) -> Draw:
        """Draw examples with replacement.

        Args:
            num: B, how many.
        """
        if num < 1:
            raise UsageError(f"{num} examples were to be drawn; expected 1 or more.")
        uniform = torch.rand(num, generator=self._generator, dtype=torch.float64, device=self._generator.device)
        index = torch.searchsorted(self._cumulative, uniform * self._cumulative[-1], right=True)
        index = index.clamp(max=self.num_examples - 1)
        return Draw(index, (1.0 / (self.num_examples * self._probabilities[index])).to(self.dtype))


def best_probabilities(norms: Tensor) -> Tensor:
    """The probabilities of least variance: each example's share of the lengths, (N,) float64.

    Equal ones where all lengths are 0.
    """
    norms = norms.detach().double()
    total = norms.sum()
    return norms / total if float(total) > 0.0 else torch.full_like(norms, 1.0 / len(norms))


def covariance_trace(norms: Tensor, probabilities: Tensor, *, mean_norm: float) -> float:
    """The trace of the covariance of the gradient estimate of one draw; that of a mean of B draws is its B-th part.

    Args:
        norms: (N,), lengths |g_n| of the gradients of single examples.
        probabilities: (N,), q; need not be made from these norms.
        mean_norm: |g|, length of the mean gradient (`cupel.methods.gradient_norms.mean_gradient_norm`).

    Returns:
        The trace, in squared units of the gradient; infinite where an example with a gradient is never drawn. Its
        square root is what the paper shows.

    Raises:
        UsageError: the shapes do not fit, or the probabilities are none.
    """
    norms, q = norms.detach().double(), probabilities.detach().double()
    if norms.shape != q.shape or norms.ndim != 1:
        raise UsageError(f"norms has shape {tuple(norms.shape)}, probabilities {tuple(q.shape)}; expected (N,) both.")
    if bool((q < 0.0).any()) or abs(float(q.sum()) - 1.0) > 1e-6:
        raise UsageError(f"The probabilities sum to {float(q.sum()):.6g}; expected 1, and none below 0.")
    terms = torch.where(norms > 0.0, norms.square() / q, torch.zeros_like(norms))
    return float(terms.sum()) / len(norms) ** 2 - mean_norm**2
