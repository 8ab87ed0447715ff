"""Linear algebra on one thread, for many small steps.

numpy and scipy each bring a pool of threads. Where a computation goes back and forth between them in small steps, the
pools wait for each other's cores, and the same fit takes ten times as long on two threads as on one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold the pools of this process at one thread; afterwards they are as before."""
    with _controller().limit(limits=1, user_api="blas"):
        yield


@cache
def _controller() -> ThreadpoolController:
    """Found once: the libraries stay where they are."""
    import scipy.linalg  # noqa: F401  its pool must be loaded to be found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
