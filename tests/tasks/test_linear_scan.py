"""The scan in chunks is the loop over steps, with its gradient."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the scan is written in torch")

from cupel.tasks.linear_scan import linear_scan


def naive_scan(a, b):
    state, states = torch.zeros_like(b[:, 0]), []
    for step in range(a.shape[1]):
        state = a[:, step] * state + b[:, step]
        states.append(state)
    return torch.stack(states, dim=1)


@pytest.mark.parametrize("num_steps", [1, 2, 7, 12, 36, 50])
def test_it_is_the_loop_over_steps(num_steps):
    generator = torch.Generator().manual_seed(num_steps)
    a, b = torch.randn(2, 3, num_steps, 2, 4, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(linear_scan(a, b), naive_scan(a, b))


@pytest.mark.parametrize("num_steps", [1, 7, 12])
def test_gradients_are_those_of_the_loop(num_steps):
    a, b = (torch.randn(2, num_steps, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    weight = torch.randn(2, num_steps, 3, dtype=torch.float64)
    found = torch.autograd.grad((linear_scan(a, b) * weight).sum(), (a, b))
    expected = torch.autograd.grad((naive_scan(a, b) * weight).sum(), (a, b))
    torch.testing.assert_close(found, expected)


def test_arguments_are_left_alone():
    a, b = torch.full((1, 12, 1), 0.5), torch.ones(1, 12, 1)
    linear_scan(a, b)
    assert (a == 0.5).all()
    assert (b == 1).all()


def test_numbers_far_apart_do_not_overflow():
    """Products of many small factors vanish; nothing is divided by them."""
    a, b = torch.full((1, 1024, 1), 1e-3), torch.ones(1, 1024, 1)
    assert linear_scan(a, b)[0, -1].item() == pytest.approx(1 / (1 - 1e-3))
