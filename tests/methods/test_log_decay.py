"""Log-decays: the penalty's value, and logs that neither overflow nor let training diverge."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="these methods need torch")

from torch import nn

from cupel.methods.log_decay import LogDecay
from cupel.spec.errors import UsageError


def layers():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1)).double()


@pytest.mark.parametrize(("per", "sizes"), [("weight", [6, 2, 2, 1]), ("tensor", [1, 1, 1, 1]), ("model", [1])])
def test_the_penalty_is_half_the_decayed_squares(per, sizes):
    model = layers()
    decay = LogDecay(model.parameters(), per=per, start=0.0)
    assert [log.numel() for log in decay.logs] == sizes
    with torch.no_grad():
        for index, log in enumerate(decay.logs):
            log.add_(0.1 * index + 0.01 * torch.arange(log.numel(), dtype=log.dtype).view(log.shape))
    logs = [log.detach() for log in (decay.logs * 4 if per == "model" else decay.logs)]
    weights = [parameter.detach() for parameter in model.parameters()]
    expected = 0.5 * sum(float((log.exp() * w * w).sum()) for log, w in zip(logs, weights, strict=True))
    assert float(decay.penalty().detach()) == pytest.approx(expected, rel=1e-12)
    slope = torch.autograd.grad(decay.penalty(), list(model.parameters()))
    torch.testing.assert_close(
        slope, tuple(log.exp() * w for log, w in zip(logs, weights, strict=True)), rtol=1e-12, atol=0.0
    )


def test_frozen_weights_have_no_decay():
    model = layers()
    model[0].requires_grad_(False)
    assert [tuple(log.shape) for log in LogDecay(model.parameters()).logs] == [(1, 2), (1,)]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_log_that_would_overflow_counts_as_the_highest(dtype):
    weight = torch.full((3,), 2.0, dtype=dtype, requires_grad=True)
    decay = LogDecay(weight, start=0.0)
    with torch.no_grad():
        decay.logs[0].copy_(torch.tensor([1e4, -1e4, decay.highest]))
    penalty = decay.penalty()
    slopes = torch.autograd.grad(penalty, [weight, decay.logs[0]])
    assert bool(penalty.isfinite())
    assert all(bool(slope.isfinite().all()) for slope in slopes)
    assert float(decay.logs[0][0].detach().exp()) == math.inf, "without the clamp it does overflow"
    decay.clamp_()
    clamped = decay.logs[0].detach()
    assert float(clamped.max()) == pytest.approx(decay.highest, rel=0.01)
    assert float(clamped.min()) == pytest.approx(decay.lowest, rel=0.01)
    by_log = torch.autograd.grad(decay.penalty(), decay.logs[0])[0]
    assert bool(by_log[0]), "a log at the end of its range can come back"


def test_the_highest_decay_still_trains_and_a_little_above_twice_it_does_not():
    def trained(extra):
        weight = torch.ones(1, dtype=torch.float64, requires_grad=True)
        decay = LogDecay(weight, start=0.0, learning_rate=0.1)
        with torch.no_grad():
            decay.logs[0].fill_(decay.highest + extra)
        decay.highest += extra
        for _ in range(200):
            slope = torch.autograd.grad(decay.penalty(), weight)[0]
            with torch.no_grad():
                weight.sub_(0.1 * slope)
        return abs(float(weight.detach()))

    assert trained(0.0) < 1e-12
    assert trained(math.log(2.0) + 0.1) > 1e6


def test_clamping_leaves_logs_in_range_alone():
    decay = LogDecay(layers().parameters(), start=-3.0)
    before = [log.detach().clone() for log in decay.logs]
    decay.clamp_()
    assert all(torch.equal(a, b) for a, b in zip(before, decay.logs, strict=True))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"per": "layer"}, "per='layer' was asked; expected 'weight', 'tensor' or 'model'"),
        ({"learning_rate": 0.0}, "learning_rate=0.0 was asked"),
        ({"start": 1.0, "learning_rate": 1.0}, "expected a log-decay from -355 to 0,"),
        ({"start": float("nan")}, "start=nan was asked"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(changed, words):
    with pytest.raises(UsageError) as caught:
        LogDecay(layers().parameters(), **changed)
    assert words in str(caught.value).replace("-0,", "0,")
