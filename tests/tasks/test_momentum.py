"""SGD with momentum: as torch's plain one, and safe where loss scaling skips an update."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="this part needs torch")

from cupel.tasks.momentum import momentum_sgd


def test_it_updates_as_the_plain_optimiser_does():
    weights = [torch.randn(5, requires_grad=True) for _ in range(2)]
    plain = [weight.detach().clone().requires_grad_() for weight in weights]
    ours = momentum_sgd(weights, lr=0.1, weight_decay=1e-4)
    theirs = torch.optim.SGD(plain, lr=0.1, momentum=0.9, weight_decay=1e-4)
    for _ in range(4):
        for parameters, optimizer in ((weights, ours), (plain, theirs)):
            sum(weight.pow(3).sum() for weight in parameters).backward()
            optimizer.step()
            optimizer.zero_grad()
    torch.testing.assert_close(weights, plain)


def test_an_update_that_loss_scaling_skips_leaves_the_momentum_at_zero():
    weight = torch.ones(1000, requires_grad=True)
    optimizer = momentum_sgd([weight], lr=0.1, weight_decay=1e-4)
    scaler = torch.amp.GradScaler("cpu")
    scaler.scale((weight * float("inf")).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    assert float(optimizer.state[weight]["momentum_buffer"].abs().sum()) == 0.0
    assert torch.equal(weight, torch.ones(1000))
