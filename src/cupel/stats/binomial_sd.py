"""How much an accuracy varies merely because the test set is finite.

Formula
    sd = sqrt(p (1 - p) / n) for accuracy p on n test examples that are
    independent: the binomial line that data sampling is compared with.
    RTE (n = 277, p = 0.66) 2.846 %, SST-2 (872, 0.95) 0.738 %, CIFAR-10
    (10,000, 0.91) 0.286 %.

Source: Bouthillier et al. (2021), "Accounting for Variance in Machine
Learning Benchmarks", section 2 and figure 2.
"""

from __future__ import annotations

import math

from cupel.spec.errors import UsageError
from cupel.stats.checked import number, whole


def binomial_sd(accuracy: float, *, n_test: int) -> float:
    """Standard deviation of an accuracy over test sets of one size.

    Args:
        accuracy: share of right answers, 0 to 1; not in percent.
        n_test: test examples, at least 1.

    Returns:
        The standard deviation, in the unit of the accuracy.

    Raises:
        UsageError: when the accuracy is no share or there is no example.

    Source: Bouthillier et al. (2021), figure 2.

    Example:
        >>> round(100 * binomial_sd(0.66, n_test=277), 3)
        2.846
    """
    whole("n_test", n_test, least=1)
    if not 0 <= number("accuracy", accuracy) <= 1:
        raise UsageError(
            f"accuracy = {accuracy}; expected a share of right answers from 0 to 1 (divide percent by 100)."
        )
    return math.sqrt(accuracy * (1 - accuracy) / n_test)
