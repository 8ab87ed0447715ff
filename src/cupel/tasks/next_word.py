"""Telling the next word of a made-up language with very many words, for any last layer.

A last layer is called with hidden units and the words that follow, for losses; its method `scores` gives a score for
every word. Losses of different families have no common unit, and perplexity favours those who were trained for it; the
rank of the true next word is what all of them serve. So a model is judged by the mean of 1 / rank, the mean reciprocal
rank: 1 where every next word is ranked first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from cupel.tasks.data.zipf_ngrams import NGrams, zipf_ngrams

if TYPE_CHECKING:
    from torch import Tensor

BODY_RATE = 0.003
"""Learning rate of Adam below the last layer."""


class TwoWords(nn.Module):
    """What is below a last layer: two words looked up, and a hidden layer of rectified units.

    Args:
        num_words: words.
        width: hidden units; words have vectors of half of it.
        generator: draws the first weights, on the device wanted.
    """

    def __init__(self, num_words: int, width: int, generator: torch.Generator) -> None:
        super().__init__()

        def drawn(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, device=generator.device)

        self.words = nn.Parameter(drawn(num_words, width // 2))
        self.mix = nn.Parameter(drawn(width, 2 * (width // 2)) / math.sqrt(width))
        self.bias = nn.Parameter(torch.zeros(width, device=generator.device))

    def forward(self, context_B2: Tensor) -> Tensor:
        """Hidden units (B, width)."""
        looked_up = functional.embedding(context_B2, self.words).flatten(1)
        return functional.linear(looked_up, self.mix, self.bias).relu()


class WholeSoftmax(nn.Module):
    """A last layer: ordinary softmax over all words.

    Args:
        width: hidden units below.
        num_words: words.
        generator: draws the first weight, normal with a standard deviation of 1 / sqrt(width).
    """

    def __init__(self, width: int, num_words: int, generator: torch.Generator) -> None:
        super().__init__()
        drawn = torch.randn(num_words, width, generator=generator, device=generator.device)
        self.weight = nn.Parameter(drawn / math.sqrt(width))
        self.bias = nn.Parameter(drawn.new_zeros(num_words))

    def forward(self, inputs: Tensor, target: Tensor) -> Tensor:
        """Losses (B,)."""
        return functional.cross_entropy(self.scores(inputs), target, reduction="none")

    def scores(self, inputs: Tensor) -> Tensor:
        """All scores (B, num_words)."""
        return functional.linear(inputs, self.weight, self.bias)


@dataclass(frozen=True, eq=False)
class NextWord:
    """Texts of one language.

    Args:
        num_words: size of the vocabulary.
        train, valid, test: what to learn from, to choose by, and to judge by.
        counts: how often each word follows in the text to learn from, on the device.
    """

    num_words: int
    train: NGrams
    valid: NGrams
    test: NGrams
    counts: Tensor

    def fit(
        self, last: Any, body: TwoWords, *, batch: int, rate: float, step: Callable[[float], None] | None = None
    ) -> None:
        """Read the text once, in order.

        Args:
            last: the last layer.
            body: what is below it; Adam.
            batch: words an update.
            rate: learning rate of the last layer.
            step: the last layer's own update; plain SGD on its parameters where None.
        """
        optimizers: list[torch.optim.Optimizer] = [torch.optim.Adam(body.parameters(), lr=BODY_RATE)]
        if step is None:
            optimizers.append(torch.optim.SGD(last.parameters(), lr=rate))
        for context, following in zip(self.train.context.split(batch), self.train.following.split(batch), strict=True):
            loss = last(body(context.to(self.counts.device)), following.to(self.counts.device)).mean()
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
            if step is not None:
                step(rate)

    @torch.no_grad()
    def mean_reciprocal_rank(self, text: NGrams, score: Callable[[Tensor], Tensor]) -> float:
        """Mean of 1 / rank of the word that follows, from 0 to 1.

        Args:
            text: to be told.
            score: from contexts (B, 2) to scores (B, num_words). Words with equal scores share their mean rank; a
                score that is not finite ranks nowhere and counts 0.
        """
        total = 0.0
        for context, following in zip(text.context.split(500), text.following.split(500), strict=True):
            scores = score(context.to(self.counts.device))
            own = scores.gather(1, following.to(scores.device)[:, None])
            ranks = (scores > own).sum(1) + ((scores == own).sum(1) + 1) / 2
            total += float(torch.where(own[:, 0].isfinite(), 1.0 / ranks, 0.0).sum())
        return total / len(text.following)


def next_word(sizes: Any, *, language: int, draw: torch.Generator, device: Any) -> NextWord:
    """Draw texts of one language.

    Args:
        sizes: `words`, `classes`, and how many words to train on and to hold out (twice): `updates` x `context`,
            `held_out`.
        language: seed of what follows what.
        draw: draws the texts, on the CPU.
        device: where models are.
    """
    train, valid, test = (
        zipf_ngrams(num, num_words=sizes.words, num_classes=sizes.classes, language=language, generator=draw)
        for num in (sizes.updates * sizes.context, sizes.held_out, sizes.held_out)
    )
    counts = train.following.bincount(minlength=sizes.words).to(device)
    return NextWord(num_words=sizes.words, train=train, valid=valid, test=test, counts=counts)
