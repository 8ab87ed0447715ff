"""Spans are hidden as often as their probability says, and have their length."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the masks are made by torch")

from cupel.tasks.data import masked_spans


def draw(start_frac: float, span: int = 10) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return masked_spans.masked_spans(shape=(200, 500), start_frac=start_frac, span=span, generator=generator)


def test_the_share_that_is_hidden_is_that_of_the_formula():
    is_hidden = draw(0.05)
    assert is_hidden.dtype == torch.bool
    assert float(is_hidden[:, 10:].float().mean()) == pytest.approx(1 - 0.95**10, abs=0.01)
    assert float(is_hidden[:, 0].float().mean()) == pytest.approx(0.05, abs=0.05)


def test_they_are_those_of_a_slow_loop():
    starts = torch.rand((200, 500), generator=torch.Generator().manual_seed(0)) < 0.02
    expected = torch.zeros_like(starts)
    for row, start in starts.nonzero().tolist():
        expected[row, start : start + 7] = True
    assert torch.equal(draw(0.02, span=7), expected)


def test_nothing_is_hidden_where_nothing_begins():
    assert not bool(draw(0.0).any())
