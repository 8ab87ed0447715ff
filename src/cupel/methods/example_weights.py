"""A weight for each training example as a hyperparameter: which examples help on the validation set.

The weight of example i is 2 sigmoid(theta_i): 1 where theta is zero, never negative, never above 2, and no theta makes
it overflow. A training example that is mislabelled ends near 0.

Source: Franceschi, Donini, Frasconi, Pontil (ICML 2017), data hyper-cleaning, with weights held between 0 and 1; here
by implicit gradients (Lorraine, Vicol, Duvenaud, AISTATS 2020).
"""

from __future__ import annotations

import torch
from torch import Tensor

from cupel.spec.errors import UsageError


class ExampleWeights:
    """Weights of training examples.

    Args:
        num_examples: N, the examples of the training set.
        like: a tensor whose type and device the logits take; a parameter of the model, say.

    Raises:
        UsageError: N is below 1.

    Attributes:
        logits: the hyperparameters theta, shape (N,), zero at first.

    Example:
        >>> import torch
        >>> from cupel.methods.example_weights import ExampleWeights
        >>> examples = ExampleWeights(3, like=torch.zeros(1))
        >>> examples.mean(torch.tensor([4.0, 2.0]), index=torch.tensor([2, 0]))  # the mean, as long as all are 1
        tensor(3., grad_fn=<MeanBackward0>)
    """

    def __init__(self, num_examples: int, *, like: Tensor) -> None:
        if num_examples < 1:
            raise UsageError(f"num_examples={num_examples} was asked; expected 1 or more.")
        self.logits = torch.zeros(num_examples, dtype=like.dtype, device=like.device, requires_grad=True)

    def weights(self) -> Tensor:
        """The weights now, shape (N,), each from 0 to 2; gradients reach the logits through them."""
        return 2.0 * self.logits.sigmoid()

    def mean(self, losses: Tensor, *, index: Tensor | None = None) -> Tensor:
        """The weighted mean of a batch's losses: sum of weight x loss / batch size.

        Args:
            losses: shape (B,), one per example (`reduction="none"`).
            index: shape (B,), which examples they are of; None: all N in order.

        Raises:
            UsageError: the shapes do not fit.
        """
        expected = self.logits.shape if index is None else index.shape
        if losses.shape != expected or losses.ndim != 1:
            raise UsageError(
                f"losses has shape {tuple(losses.shape)}; expected {tuple(expected)}, a loss for each example"
                f"{'' if index is not None else ' of the whole training set; name a part of it by index'}."
            )
        logits = self.logits if index is None else self.logits[index]
        return (2.0 * logits.sigmoid() * losses).mean()
