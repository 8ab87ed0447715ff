import pytest
import scipy.linalg  # noqa: F401  its pool must be loaded to be seen
from threadpoolctl import threadpool_info

from cupel.stats.one_thread import one_thread


def threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_pools_are_held_at_one_thread_and_given_back() -> None:
    before = threads()
    with one_thread():
        assert set(threads()) == {1}
        with one_thread():
            assert set(threads()) == {1}
        assert set(threads()) == {1}
    assert threads() == before


def test_pools_are_given_back_after_an_error() -> None:
    before = threads()
    with pytest.raises(ArithmeticError), one_thread():
        _fail()
    assert threads() == before


def _fail() -> None:
    raise ArithmeticError
