"""The ring keeps the newest rows and draws from all of them."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the buffer is on a device")

from cupel.tasks.replay_buffer import Experience, ReplayBuffer


def rows(first: int, num: int = 2) -> Experience:
    number = torch.arange(first, first + num)
    return Experience(number[:, None].float(), number, number.float(), number[:, None] + 0.5, number % 2 == 0)


def make(num_writes: int, capacity: int = 6) -> ReplayBuffer:
    buffer = ReplayBuffer(capacity, 1, device=torch.device("cpu"))
    for write in range(num_writes):
        buffer.add(rows(2 * write))
    return buffer


@pytest.mark.parametrize(("num_writes", "kept"), [(1, {0, 1}), (3, set(range(6))), (5, {4, 5, 6, 7, 8, 9})])
def test_the_newest_rows_are_kept_and_all_are_drawn(num_writes, kept):
    drawn = make(num_writes).draw(300, torch.Generator().manual_seed(0))
    assert set(drawn.action_M.tolist()) == kept
    assert torch.equal(drawn.state_MS[:, 0], drawn.action_M.float())
    assert torch.equal(drawn.reached_MS[:, 0], drawn.action_M + 0.5)
    assert torch.equal(drawn.terminated_M, drawn.action_M % 2 == 0)


def test_a_write_that_does_not_fit_the_ring_is_refused():
    with pytest.raises(ValueError, match="a capacity that is a multiple"):
        make(1, capacity=5)
