"""Sums and extremes at nodes agree with loops over messages."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="message passing is written in torch")

from cupel.tasks.models.message_passing import count_at, extreme_at, sum_at

NODE = torch.tensor([0, 2, 2, 0, 4, 2])
NUM = 5


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_they_agree_with_loops_and_are_zero_where_nothing_arrives(dtype):
    message = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)).to(dtype)
    total = sum_at(message, NODE, num_nodes=NUM)
    largest = extreme_at(message, NODE, num_nodes=NUM, is_max=True)
    smallest = extreme_at(message, NODE, num_nodes=NUM, is_max=False)
    for node in range(NUM):
        near = message[node == NODE].float()
        zero = torch.zeros(3)
        torch.testing.assert_close(total[node], near.sum(0))
        torch.testing.assert_close(largest[node], near.amax(0) if len(near) else zero)
        torch.testing.assert_close(smallest[node], near.amin(0) if len(near) else zero)
    assert total.dtype == largest.dtype == torch.float32
    assert count_at(NODE, num_nodes=NUM).flatten().tolist() == [2, 0, 3, 0, 1]
