"""Weights of training examples made anew every so many updates, within the training itself: the same run, each time.

The deterministic counterpart of `cupel.methods.scoring_workers`: training waits while all examples are scored, and
weights are up to `every` updates old.

Source: Alain, Lamb, Sankar, Courville, Bengio (2015, arXiv 1511.06481), with a barrier at each refresh.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cupel.methods.gradient_norms import GradientNorms
from cupel.methods.importance_sampling import ImportanceSampler
from cupel.spec.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor


class Rescoring:
    """Scores all examples at the first call of `tick`, and then at every so many.

    Args:
        norms: how an example is scored.
        inputs: (N, ...), the training set.
        targets: (N, ...).
        every: updates between two refreshes, 1 or more.

    Attributes:
        num_scored: examples scored so far; each costs about two thirds of a gradient.

    Example:
        >>> import torch
        >>> from torch.nn.functional import cross_entropy
        >>> from cupel.methods.gradient_norms import GradientNorms
        >>> from cupel.methods.importance_sampling import ImportanceSampler
        >>> from cupel.methods.rescoring import Rescoring
        >>> x, y, model = torch.randn(40, 5), torch.arange(40) % 3, torch.nn.Linear(5, 3)  # the user's own
        >>> norms = GradientNorms(model, lambda output, y: cross_entropy(output, y, reduction="none"))
        >>> scoring = Rescoring(norms, x, targets=y, every=10)
        >>> sampler = ImportanceSampler(40, generator=torch.Generator().manual_seed(0), smoothing=0.1)
        >>> for step in range(25):
        ...     scoring.tick(sampler)
        ...     drawn = sampler.draw(8)  # and an update, as in `ImportanceSampler`
        >>> scoring.num_scored
        120
    """

    def __init__(self, norms: GradientNorms, inputs: Tensor, *, targets: Tensor, every: int) -> None:
        if every < 1:
            raise UsageError(f"every={every} was asked; expected 1 update or more between two refreshes.")
        self.norms = norms
        self.inputs = inputs
        self.targets = targets
        self.every = every
        self.num_scored = 0
        self._num_ticks = 0

    def tick(self, sampler: ImportanceSampler) -> None:
        """Call before each update; the sampler has new weights where they were due."""
        if self._num_ticks % self.every == 0:
            sampler.update(self.norms(self.inputs, self.targets))
            self.num_scored += len(self.inputs)
        self._num_ticks += 1
