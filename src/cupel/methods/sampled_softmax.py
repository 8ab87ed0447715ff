"""Softmax over very many outputs, trained on the target and a few outputs that are drawn at random.

The sum over all D outputs in the softmax's normaliser is estimated from S drawn ones, the same for all examples of a
batch: an output j that is drawn with probability q_j counts exp(o_j) / (S q_j). So the gradient is biased for any
finite S, and the bias vanishes as S grows, or where q is the softmax itself.

Paper to code: m `num_sampled` (S above), q `chances`, o `scores`; o - ln(m q) is what a drawn output's score becomes.

Source: Bengio and Senecal, Quick Training of Probabilistic Neural Nets by Importance Sampling (AISTATS 2003); Jean,
Cho, Memisevic, Bengio, On Using Very Large Target Vocabulary for Neural Machine Translation (ACL 2015: one sample for a
batch); Blanc and Rendle, Adaptive Sampled Softmax with Kernel Based Sampling (ICML 2018), section 2 (the correction).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from cupel.methods.target_places import check_single_targets
from cupel.spec.errors import UsageError

POWER = 0.75
"""Counts are raised to this power before they become chances, so that rare outputs are drawn a little more often."""


class SampledSoftmax(nn.Module):
    """The last layer of a network and its loss: softmax cross entropy, estimated from drawn outputs.

    Args:
        num_inputs: d, the width of the hidden layer below.
        num_outputs: D.
        num_sampled: outputs drawn for each batch, with replacement.
        generator: draws the first weight (normal, standard deviation 1 / sqrt(d)), and the outputs; its device is that
            of the layer.
        counts: how often each output is a target, (D,), none negative; outputs are drawn in proportion to
            counts ** 0.75, and one that never occurs is as likely as one that occurs once. Evenly where None.

    The parameters `weight` (D, d) and `bias` (D, 1) get sparse gradients: train them with SGD, Adagrad or SparseAdam.

    Cost:
        O((S + 1) d) an example, where the dense layer costs O(D d).

    Example:
        >>> import torch
        >>> from cupel.methods.sampled_softmax import SampledSoftmax
        >>> body = torch.nn.Sequential(torch.nn.Embedding(50, 8), torch.nn.Tanh())
        >>> last = SampledSoftmax(8, 10_000, num_sampled=20, generator=torch.Generator().manual_seed(0))
        >>> optimizer = torch.optim.SGD([*body.parameters(), *last.parameters()], lr=0.5)
        >>> loss = last(body(torch.tensor([3, 4, 5])), torch.tensor([7, 7, 9_999])).mean()
        >>> loss.backward()
        >>> optimizer.step()
        >>> last.weight.grad.is_sparse
        True
    """

    cumulated: Tensor
    log_expected: Tensor

    def __init__(
        self,
        num_inputs: int,
        num_outputs: int,
        *,
        num_sampled: int,
        generator: torch.Generator,
        counts: Tensor | None = None,
    ) -> None:
        super().__init__()
        if min(num_inputs, num_outputs, num_sampled) < 1:
            raise UsageError(
                f"{num_inputs} inputs, {num_outputs} outputs and {num_sampled} drawn ones were asked; expected 1 or "
                "more of each."
            )
        self.num_inputs, self.num_outputs, self.num_sampled = num_inputs, num_outputs, num_sampled
        self.generator = generator
        drawn = torch.randn(num_outputs, num_inputs, generator=generator, device=generator.device)
        self.weight = nn.Parameter(drawn.div_(math.sqrt(num_inputs)))
        self.bias = nn.Parameter(drawn.new_zeros(num_outputs, 1))
        chances = chances_of(counts, num_outputs).to(generator.device)
        self.register_buffer("cumulated", chances.cumsum(0))
        self.register_buffer("log_expected", (num_sampled * chances).log().to(drawn.dtype))

    def forward(self, inputs: Tensor, target: Tensor) -> Tensor:
        """Estimated cross entropies.

        Args:
            inputs: (..., d).
            target: int64 outputs, (...).

        Returns:
            A loss for each example, (...).

        Raises:
            UsageError: shapes do not fit, or an output does not exist.
        """
        check_single_targets(inputs, target, size=(self.num_inputs, self.num_outputs))
        h, places, drawn = inputs.reshape(-1, self.num_inputs), target.flatten(), self.draw()
        rows = functional.embedding(places, self.weight, sparse=True)
        own = (h * rows).sum(1) + functional.embedding(places, self.bias, sparse=True).squeeze(1)
        bias = functional.embedding(drawn, self.bias, sparse=True).squeeze(1)
        others = h @ functional.embedding(drawn, self.weight, sparse=True).T + (bias - self.log_expected[drawn])
        others = others.masked_fill(places[:, None] == drawn, -math.inf)  # the target is counted once, as itself
        losses: Tensor = torch.logsumexp(torch.cat([own[:, None], others], dim=1), dim=1) - own
        return losses.reshape(target.shape)

    def draw(self) -> Tensor:
        """Outputs drawn by their chances, with replacement, (S,)."""
        device = self.generator.device
        uniform = torch.rand(self.num_sampled, generator=self.generator, device=device, dtype=torch.float64)
        at = uniform.to(self.cumulated.device) * self.cumulated[-1]
        return torch.searchsorted(self.cumulated, at, right=True).clamp_max_(self.num_outputs - 1)

    @torch.no_grad()
    def scores(self, inputs: Tensor) -> Tensor:
        """All D scores o of inputs (..., d), without a gradient, to rank by. Cost: O(D d) an example."""
        return functional.linear(inputs, self.weight, self.bias.squeeze(1))


def chances_of(counts: Tensor | None, num_outputs: int) -> Tensor:
    """Probabilities (D,) in float64 that outputs are drawn with.

    Raises:
        UsageError: the counts are not D numbers of at least 0.
    """
    if counts is None:
        return torch.full((num_outputs,), 1.0 / num_outputs, dtype=torch.float64)
    if counts.shape != (num_outputs,) or not bool((counts >= 0).all()):
        raise UsageError(
            f"counts {tuple(counts.shape)} were given; expected {num_outputs} numbers of at least 0, one each."
        )
    weights = counts.double().clamp_min(1.0) ** POWER
    return weights / weights.sum()
