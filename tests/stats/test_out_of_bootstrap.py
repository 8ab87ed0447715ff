import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupel.stats.out_of_bootstrap import out_of_bootstrap


@given(st.integers(5, 60), st.integers(1, 80), st.integers(0, 5))
def test_train_and_test_never_share_an_example(n: int, n_train: int, seed: int) -> None:
    n_train = min(n_train, n - 1)  # something is left over for sure
    for train, test in out_of_bootstrap(n, num=3, n_train=n_train, seed=seed):
        assert train.size == n_train
        assert not np.intersect1d(train, test).size
        assert sorted(set(train.tolist()) | set(test.tolist())) == list(range(n))
        assert test.tolist() == sorted(set(test.tolist()))


def test_about_632_of_1000_examples_are_drawn() -> None:
    shares = [np.unique(train).size / 2000 for train, _ in out_of_bootstrap(2000, num=200)]
    expected = 1 - (1 - 1 / 2000) ** 2000
    assert expected == pytest.approx(0.632, abs=5e-4)
    assert np.mean(shares) == pytest.approx(expected, abs=4 * np.std(shares) / np.sqrt(200))


def test_every_example_is_drawn_equally_often() -> None:
    counts = sum(np.bincount(train, minlength=50) for train, _ in out_of_bootstrap(50, num=2000))
    chi_square = ((counts - 2000) ** 2 / 2000).sum()
    assert 20 < chi_square < 90  # 49 degrees of freedom


def test_sizes_are_kept_where_they_are_given() -> None:
    for train, test in out_of_bootstrap(500, num=20, n_train=300, n_test=100):
        assert (train.size, test.size) == (300, 100)
        assert not np.intersect1d(train, test).size


def test_classes_keep_their_shares() -> None:
    labels = np.array(["a"] * 60 + ["b"] * 30 + ["c"] * 10)
    labels = labels[np.random.default_rng(0).permutation(100)]
    for train, test in out_of_bootstrap(labels, num=20, n_train=50, n_test=20):
        assert [int((labels[train] == name).sum()) for name in "abc"] == [30, 15, 5]
        assert [int((labels[test] == name).sum()) for name in "abc"] == [12, 6, 2]
        assert not np.intersect1d(train, test).size


def test_parts_that_are_not_whole_go_to_the_largest_remainders() -> None:
    labels = [0] * 5 + [1] * 4 + [2] * 1
    train, _ = next(out_of_bootstrap(labels, num=1, n_train=7))
    assert np.bincount(np.asarray(labels)[train]).tolist() == [3, 3, 1]  # 3.5, 2.8 and 0.7 of 7


def test_the_same_seed_gives_the_same_bytes_and_more_splits_leave_the_first_alone() -> None:
    np.random.seed(0)  # noqa: NPY002 (the global generator must not be touched)
    before = np.random.get_state()[1].copy()  # noqa: NPY002 (the same)
    few, many = list(out_of_bootstrap(40, num=2, seed=3)), list(out_of_bootstrap(40, num=5, seed=3))
    for one, other in zip(few, many, strict=False):
        assert one[0].tobytes() == other[0].tobytes()
        assert one[1].tobytes() == other[1].tobytes()
    assert few[0][0].tobytes() != few[1][0].tobytes()
    assert next(out_of_bootstrap(40, num=1, seed=4))[0].tobytes() != few[0][0].tobytes()
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002 (the same)


def test_the_training_draws_are_not_in_the_order_of_the_classes() -> None:
    labels = np.repeat([0, 1], 100)
    train, _ = next(out_of_bootstrap(labels, num=1))
    assert np.count_nonzero(np.diff(labels[train])) > 50


def test_only_one_split_is_made_at_a_time() -> None:
    splits = out_of_bootstrap(10, num=10**12)
    assert next(splits)[0].size == 10


@pytest.mark.parametrize(
    ("examples", "options"),
    [
        (1, {"num": 1}), (10, {"num": 0}), (10, {"num": 1, "n_train": 0}), (10, {"num": 1, "n_test": 10}),
        (10, {"num": 1, "n_test": 0}), ([[1, 2], [3, 4]], {"num": 1}),
    ],
)  # fmt: skip
def test_sizes_that_cannot_be_are_refused_before_the_first_split(examples, options) -> None:
    with pytest.raises(ValueError, match="expected"):
        out_of_bootstrap(examples, **options)


def test_a_test_set_larger_than_what_is_left_is_refused_in_its_split() -> None:
    with pytest.raises(ValueError, match="were not drawn for training, the test set needs 9"):
        next(out_of_bootstrap(10, num=1, n_test=9))
    with pytest.raises(ValueError, match="every example was drawn"):
        next(out_of_bootstrap(2, num=1, n_train=50))
