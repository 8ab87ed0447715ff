"""Weight decay is for matrices and kernels only."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="this part needs torch")

from cupel.tasks.decay import decayed_apart


def test_vectors_do_not_decay_and_nothing_is_left_out():
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2))
    matrices, vectors = decayed_apart(model.parameters(), 0.05)
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (0.05, 0.0)
    assert [len(parameter.shape) for parameter in matrices["params"]] == [4, 2]
    assert [len(parameter.shape) for parameter in vectors["params"]] == [1, 1, 1, 1]
    optimizer = torch.optim.SGD([matrices, vectors], lr=1.0)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer.step()
    for parameter, was in zip(model.parameters(), before, strict=True):
        torch.testing.assert_close(parameter, was * (0.95 if was.ndim > 1 else 1.0))
