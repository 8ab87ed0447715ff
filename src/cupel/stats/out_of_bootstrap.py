"""Splits into training and test set by the out-of-bootstrap: train on draws with replacement, test on the rest.

Rule
    The training set is `n_train` draws with replacement from all examples.
    The test set is taken, without replacement, from the examples that were
    never drawn: all of them, or `n_test` of them. No example is in both.
    With n draws from n examples about 63.2 % are drawn, 36.8 % are left.
    With labels the sizes of the classes are kept: each class gives its part
    of the training draws and of the test set (largest remainders).
    Unlike the folds of a cross-validation, there may be any number of
    splits, the size of the training set is fixed, and the splits are drawn
    independently: their spread is that of the sampling of data, where
    overlapping folds understate it. As with folds, the draws come from one
    finite set of examples.
    Split i depends on the seed and i only: asking for more splits leaves
    the first ones as they were.

Source: Bouthillier et al. (2021), "Accounting for Variance in Machine
Learning Benchmarks", appendix B; Hothorn et al. (2005), Journal of
Computational and Graphical Statistics 14, 675-699; Efron (1979).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import whole
from cupel.stats.frame import Codes

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def out_of_bootstrap(
    examples: int | ArrayLike,
    *,
    num: int,
    n_train: int | None = None,
    n_test: int | None = None,
    seed: int = 0,
) -> Iterator[tuple[Codes, Codes]]:
    """Draw splits one after the other; only one is in memory at a time.

    Args:
        examples: how many there are; or (n,) their labels, and each split keeps the shares of the classes.
        num: splits, at least 1.
        n_train: draws for training, with replacement; as many as there are examples where None.
        n_test: examples for testing; all that were not drawn where None (their number then varies).
        seed: of the random draws.

    Returns:
        Pairs of index arrays: training (with repeats, shuffled) and test (sorted). The same seed gives the same bytes.

    Raises:
        UsageError: before the first split when a size cannot be; in the split where fewer examples were left over
            than the test set needs.

    Cost: n per split.

    Source: Bouthillier et al. (2021), appendix B.

    Example:
        >>> train, test = next(out_of_bootstrap(1000, num=1))
        >>> len(train), 0.3 < len(test) / 1000 < 0.43, bool(np.intersect1d(train, test).size)
        (1000, True, False)
    """
    num = whole("num", num)
    seed = whole("seed", seed)
    members = _classes(examples)
    n = sum(part.size for part in members)
    n_train = n if n_train is None else whole("n_train", n_train)
    n_test = None if n_test is None else whole("n_test", n_test)
    if num < 1 or n < 2 or n_train < 1 or (n_test is not None and not 1 <= n_test < n):
        raise UsageError(
            f"{n} examples, num = {num}, n_train = {n_train}, n_test = {n_test}; expected at least 2 examples, 1 "
            "split, 1 training draw, and fewer test examples than there are."
        )
    shares = np.array([part.size / n for part in members])
    train_sizes = _apportioned(n_train, shares)
    test_sizes = None if n_test is None else _apportioned(n_test, shares)
    return _splits(members, (train_sizes, test_sizes), num, seed)


def _classes(examples: int | ArrayLike) -> list[Codes]:
    """Indices of the examples of each class; one class where there are no labels."""
    if isinstance(examples, int | np.integer):
        return [np.arange(int(examples), dtype=np.intp)]
    try:
        labels = np.asarray(examples)
        _, codes = np.unique(labels, return_inverse=True)
    except (TypeError, ValueError) as error:
        raise UsageError(f"`examples` has labels that cannot be sorted ({error}); expected one kind of them.") from None
    if labels.ndim != 1:
        raise UsageError(f"`examples` has shape {labels.shape}; expected their number, or one label for each.")
    order = np.argsort(codes, kind="stable").astype(np.intp)
    return np.split(order, np.cumsum(np.bincount(codes))[:-1])


def _apportioned(total: int, shares: NDArray[np.float64]) -> Codes:
    """Whole parts of the total in proportion to the shares, by largest remainders."""
    exact = total * shares
    parts = np.floor(exact + 1e-9).astype(np.intp)
    late = np.argsort(parts - exact, kind="stable")[: total - int(parts.sum())]
    parts[late] += 1
    return parts


def _splits(
    members: list[Codes], sizes: tuple[Codes, Codes | None], num: int, seed: int
) -> Iterator[tuple[Codes, Codes]]:
    train_sizes, test_sizes = sizes
    for index in range(num):
        rng = np.random.default_rng([seed, index])
        train, test = [], []
        for k, part in enumerate(members):
            drawn = rng.integers(part.size, size=train_sizes[k])
            left = np.delete(part, drawn)
            train.append(part[drawn])
            test.append(left if test_sizes is None else _some(left, int(test_sizes[k]), rng, (index, k)))
        if not sum(part.size for part in test):
            raise UsageError(f"Split {index}: every example was drawn for training; take fewer draws (n_train).")
        yield rng.permutation(np.concatenate(train)), np.sort(np.concatenate(test))


def _some(left: Codes, size: int, rng: np.random.Generator, where: tuple[int, int]) -> Codes:
    if size > left.size:
        raise UsageError(
            f"Split {where[0]}, class {where[1]}: {left.size} examples were not drawn for training, the test set needs "
            f"{size}. Take a smaller test set (n_test) or fewer draws (n_train)."
        )
    return rng.choice(left, size=size, replace=False)
