"""Two learners on splits that overlap: what the corrected t, the plain t, Dietterich's t and the combined F keep.

The learners classify by the midpoint between the class means of one feature each. The features have the same law, so
the learners are equally good for any number of training examples; a planted effect separates the classes of the first
feature further.
"""

from collections.abc import Iterator

import numpy as np
import pytest
from scipy.special import bdtr, stdtr

from cupel.stats.corrected_t import corrected_t
from cupel.stats.five_by_two import five_by_two

N = 100


def learned(rng: np.random.Generator, tests: np.ndarray, law: str, effect: float = 0.0) -> np.ndarray:
    """(draws, resamples) difference of accuracies on fresh data sets, all split in the same way.

    Args:
        rng: source of the data.
        tests: (resamples, N) which examples are tested on.
        law: of the features: `normal`, or `skewed` (exponential).
        effect: how much further apart the classes are for the first learner.
    """
    draws = 50
    label = np.arange(N) % 2
    noise = rng.normal(size=(draws, N, 2)) if law == "normal" else rng.exponential(size=(draws, N, 2)) - 1
    x = noise + label[:, None] * np.array([1.0 + effect, 1.0])
    train = ~tests
    means = [(train * (label == c)) @ x / (train * (label == c)).sum(axis=1)[:, None] for c in (0, 1)]
    is_one = x[:, None] > ((means[0] + means[1]) / 2)[:, :, None, :]
    is_right = is_one == (label == 1)[:, None]
    accuracy = (is_right * tests[:, :, None]).sum(axis=2) / tests.sum(axis=1)[:, None]
    return accuracy[:, :, 0] - accuracy[:, :, 1]


def shuffled(rng: np.random.Generator, num: int, test: int) -> np.ndarray:
    """(num, N) random splits with so many test examples."""
    return rng.permuted(np.tile(np.arange(N) < test, (num, 1)), axis=1)


def folds(rng: np.random.Generator, repeats: int, k: int) -> np.ndarray:
    """(repeats k, N) folds of repeated cross-validation."""
    fold = rng.permuted(np.tile(np.arange(N) % k, (repeats, 1)), axis=1)
    return (fold[:, None, :] == np.arange(k)[:, None]).reshape(-1, N)


def drawn(rng: np.random.Generator, num: int, law: str, how: str, effect: float = 0.0) -> Iterator[np.ndarray]:
    """Differences over resamples of so many data sets; every 50 of them are split alike."""
    for _ in range(num // 50):
        splits = {"15 x 90/10": shuffled(rng, 15, 10), "10-fold": folds(rng, 1, 10), "10 x 10-fold": folds(rng, 10, 10)}
        tests = folds(rng, 5, 2) if how == "5 x 2" else splits[how]
        yield from learned(rng, tests, law, effect)


@pytest.mark.parametrize("law", ["normal", "skewed"])
@pytest.mark.parametrize(("how", "plain_at_least"), [("15 x 90/10", 0.15), ("10-fold", 0.03), ("10 x 10-fold", 0.45)])
def test_the_corrected_t_keeps_its_level_and_the_plain_one_does_not(how: str, plain_at_least: float, law: str) -> None:
    draws = 500 if how == "10 x 10-fold" else 2000
    false_alarms = plain = covered = 0
    for d in drawn(np.random.default_rng(1), draws, law, how):
        found = corrected_t(d, n_train=90, n_test=10)
        false_alarms += found.p is not None and found.p <= 0.05
        covered += found.interval is None or found.interval.contains(0.0)  # without spread nothing is claimed
        se = d.std(ddof=1) / np.sqrt(d.size)
        plain += bool(se > 0 and 2 * stdtr(d.size - 1, -abs(d.mean()) / se) <= 0.05)
    promised = 0.05 if law == "normal" else 0.063  # it breaks its level where features are skewed, and says so
    assert bdtr(false_alarms - 1, draws, promised) < 0.999, f"corrected {false_alarms / draws:.3f}"
    assert covered == draws - false_alarms
    assert plain / draws > plain_at_least, f"plain {plain / draws:.3f}"


def test_the_corrected_t_finds_a_planted_difference_and_its_posterior_says_how_large() -> None:
    found = [
        corrected_t(d, n_train=90, n_test=10, rope=0.02)
        for d in drawn(np.random.default_rng(2), 100, "normal", "15 x 90/10", effect=2.0)
    ]  # 93 % against 69 % right
    assert np.mean([x.p is not None and x.p <= 0.05 for x in found]) > 0.75
    assert np.mean([x.p_above is not None and x.p_above > 0.9 for x in found]) > 0.85


@pytest.mark.parametrize("law", ["normal", "skewed"])
def test_five_by_two_keeps_its_level(law: str) -> None:
    draws = 1000
    found = [five_by_two(d.reshape(5, 2)) for d in drawn(np.random.default_rng(3), draws, law, "5 x 2")]
    by_f = sum(x.p is not None and x.p <= 0.05 for x in found)
    by_t = sum(x.p_t is not None and x.p_t <= 0.05 for x in found)
    covered = sum(x.interval is not None and x.interval.contains(0.0) for x in found)
    assert bdtr(by_f - 1, draws, 0.05) < 0.999
    assert bdtr(by_t - 1, draws, 0.05) < 0.999
    assert bdtr(covered, draws, 0.95) > 0.001


def test_five_by_two_finds_a_planted_difference() -> None:
    found = [five_by_two(d.reshape(5, 2)) for d in drawn(np.random.default_rng(4), 100, "normal", "5 x 2", effect=2.0)]
    assert np.mean([x.p is not None and x.p <= 0.05 for x in found]) > 0.8
    truth = 0.2417  # normal law: Phi(1.5) - Phi(0.5), what both lose by learning is equal
    assert np.mean([x.interval is not None and x.interval.contains(truth) for x in found]) > 0.9
