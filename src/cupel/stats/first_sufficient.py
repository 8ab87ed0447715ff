"""The smallest whole number that suffices, and how many more pairs that is, in words."""

from __future__ import annotations

from collections.abc import Callable

MOST_MORE = 10_000
"""Pairs beyond which nobody waits."""


def first_sufficient(suffices: Callable[[int], bool], least: int, most: int) -> int | None:
    """Search `least` to `most` by doubling the distance, then by halving it.

    Args:
        suffices: the condition; once true it stays true for larger numbers.
        least: the smallest number that may be the answer.
        most: the largest.

    Returns:
        The smallest number that suffices; None when not even `most` does.

    Cost: about 2 log2(answer - least) evaluations.

    Example:
        >>> first_sufficient(lambda n: n * n >= 50, 2, 100)
        8
    """
    below, step = least - 1, 1
    candidate = least
    while not suffices(candidate):
        if candidate >= most:
            return None
        below, step = candidate, 2 * step
        candidate = min(most, candidate + step)
    while candidate - below > 1:
        middle = (below + candidate) // 2
        below, candidate = (below, middle) if suffices(middle) else (middle, candidate)
    return candidate


def more_pairs_text(num_more: int | None) -> str:
    """How many more pairs would settle it, in words.

    Example:
        >>> more_pairs_text(12)
        'about 12 more pairs at this rate'
    """
    if num_more is None:
        return f"how many more pairs is unknown, or over {MOST_MORE}"
    return f"about {num_more} more pair{'s' if num_more != 1 else ''} at this rate"
