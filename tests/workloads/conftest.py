"""Workloads are tested on one thread and from the same seed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def one_thread_one_seed() -> Iterator[None]:
    torch = pytest.importorskip("torch", reason="these workloads need torch")
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(num_threads)
