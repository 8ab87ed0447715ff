"""Text of a made-up language with very many words: common words are common as in real text, and two words tell a third.

Every word belongs to one of a few classes. The class of the next word follows from the class of the last word, or from
that of the last but one, or is drawn; the word itself is drawn in its class by Zipf's law. So a model must learn what
words have in common, and even a perfect one knows the next word only by its class and rank.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from cupel.spec.errors import UsageError
from cupel.tasks.data.power_law import power_law_indices

if TYPE_CHECKING:
    from torch import Tensor

BY_LAST, BY_LAST_BUT_ONE = 0.6, 0.3
"""How often the last word, and the one before it, decide the class of the next; else the class is drawn evenly."""


@dataclass(frozen=True, eq=False)
class NGrams:
    """Pairs of words and the word that follows.

    Args:
        context: (N, 2), int64.
        following: (N,), int64.
    """

    context: Tensor
    following: Tensor


def zipf_ngrams(num: int, *, num_words: int, num_classes: int, language: int, generator: torch.Generator) -> NGrams:
    """Draw a text and cut it into all of its pairs of words with the word that follows.

    Args:
        num: pairs.
        num_words: size of the vocabulary, a multiple of the number of classes; word w is of class w modulo it, and the
            words of a class are ranked by w.
        num_classes: classes of words.
        language: seed of what follows what; texts of one language have the same.
        generator: draws the text, on the CPU.

    Raises:
        UsageError: the numbers do not fit together.
    """
    if num < 1 or num_classes < 1 or num_words < 1 or num_words % num_classes:
        raise UsageError(
            f"{num} pairs, {num_words} words and {num_classes} classes were asked; expected at least 1 of each, and as "
            "many words in each class."
        )
    rules = torch.Generator().manual_seed(language)
    by_last, by_other = (torch.randperm(num_classes, generator=rules).tolist() for _ in range(2))
    dice = torch.rand(num + 2, generator=generator).tolist()
    drawn = torch.randint(num_classes, (num + 2,), generator=generator).tolist()
    classes = drawn[:2]
    for die, other in itertools.islice(zip(dice, drawn, strict=True), 2, None):
        if die < BY_LAST:
            classes.append(by_last[classes[-1]])
        else:
            classes.append(by_other[classes[-2]] if die < BY_LAST + BY_LAST_BUT_ONE else other)
    ranks = power_law_indices((num + 2,), num_values=num_words // num_classes, exponent=1.0, generator=generator)
    words = ranks * num_classes + torch.tensor(classes)
    return NGrams(context=torch.stack([words[:-2], words[1:-1]], dim=1), following=words[2:])
