"""The scans against a plain loop, against the paper's own sweeps, and their steps counted."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="these methods need torch")

from cupel.methods.jacobian_scan import SCANS, scan_jacobians
from cupel.spec.errors import UsageError


def chain(num, *, batch=2, width=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    jacobians = torch.randn(num, batch, width, width, generator=generator, dtype=torch.float64) / math.sqrt(width)
    return jacobians, torch.randn(batch, width, generator=generator, dtype=torch.float64)


def by_loop(jacobians, last):
    found = [last]
    for jacobian in reversed(jacobians):
        found.append(torch.stack([j.T @ g for j, g in zip(jacobian, found[-1], strict=True)]))
    return torch.stack(found[::-1])


@pytest.mark.parametrize("scan", SCANS)
@pytest.mark.parametrize("num", [0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 100])
def test_every_scan_is_the_loop(scan, num):
    jacobians, last = chain(num)
    found = scan_jacobians(jacobians, last, scan=scan)
    torch.testing.assert_close(found.gradients, by_loop(jacobians, last), rtol=1e-11, atol=1e-14)


@settings(max_examples=60, deadline=None)
@given(
    num=st.integers(1, 40),
    batch=st.integers(1, 3),
    width=st.integers(1, 4),
    seed=st.integers(0, 99),
    scan=st.sampled_from(sorted(SCANS)),
)
def test_any_chain_agrees(num, batch, width, seed, scan):
    jacobians, last = chain(num, batch=batch, width=width, seed=seed)
    found = scan_jacobians(jacobians, last, scan=scan)
    torch.testing.assert_close(found.gradients, by_loop(jacobians, last), rtol=1e-9, atol=1e-12)


def papers_sweeps(jacobians, last):
    """The paper's modified Blelloch scan of [grad x_n, J_n^T, ..., J_1^T], with A <> B = B A and identities to fill up.

    Only the down-sweep's operands are the other way round than in the textbook, since the product does not commute. A
    column stands for the gradient.
    """
    items = [last[:, None], *[jacobian.T for jacobian in reversed(jacobians)]]
    size = 1 << math.ceil(math.log2(len(items)))
    identity = torch.eye(len(last), dtype=last.dtype)
    a = items + [identity] * (size - len(items))
    depth = int(math.log2(size))
    for d in range(depth):
        for i in range(0, size, 2 ** (d + 1)):
            left, right = i + 2**d - 1, i + 2 ** (d + 1) - 1
            a[right] = a[right] @ a[left]
    a[-1] = None  # the identity, whichever side it stands on
    for d in reversed(range(depth)):
        for i in range(0, size, 2 ** (d + 1)):
            left, right = i + 2**d - 1, i + 2 ** (d + 1) - 1
            a[left], a[right] = a[right], a[left] if a[right] is None else a[left] @ a[right]
    return torch.stack([column[:, 0] for column in a[1 : len(items)]])  # gradients at x_n, ..., x_1


@pytest.mark.parametrize("num", [1, 3, 6, 7, 8])
def test_it_is_what_the_papers_sweeps_give(num):
    jacobians, last = chain(num, batch=1)
    expected = papers_sweeps(jacobians[:, 0], last[0])
    torch.testing.assert_close(scan_jacobians(jacobians, last).gradients[:, 0].flip(0)[:num], expected)


def test_products_keep_their_order():
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    shear = torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    jacobians = torch.stack([turn, shear, turn])[:, None]
    expected = turn.T @ shear.T @ turn.T @ torch.tensor([1.0, 2.0])
    for scan in SCANS:
        assert torch.equal(scan_jacobians(jacobians, torch.tensor([[1.0, 2.0]]), scan=scan).gradients[0, 0], expected)


@pytest.mark.parametrize("num", [*range(1, 20), 63, 64, 65, 1000])
def test_steps_are_logarithmic(num):
    jacobians, last = chain(num, batch=1, width=1)
    log = math.ceil(math.log2(num))
    assert scan_jacobians(jacobians, last).steps == max(2 * log, 1) <= 2 * math.ceil(math.log2(num + 1))
    assert scan_jacobians(jacobians, last, scan="hillis-steele").steps == log + 1
    assert scan_jacobians(jacobians, last, scan="sequential").steps == num


def test_work_is_counted():
    num, batch, width = 16, 2, 3
    jacobians, last = chain(num, batch=batch, width=width)
    matrix, vector = batch * width**3, batch * width**2
    assert scan_jacobians(jacobians, last, scan="sequential").macs == num * vector
    assert scan_jacobians(jacobians, last).macs == (num - 1) * matrix + num * vector
    assert scan_jacobians(jacobians, last, scan="hillis-steele").macs == (15 + 14 + 12 + 8) * matrix + num * vector


def test_what_does_not_fit_is_refused():
    jacobians, last = chain(4)
    with pytest.raises(UsageError, match=r"expected \(T, B, d, d\)"):
        scan_jacobians(jacobians, last[:1])
    with pytest.raises(UsageError, match="blelloch"):
        scan_jacobians(jacobians, last, scan="bleloch")
