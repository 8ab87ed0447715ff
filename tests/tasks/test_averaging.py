"""The follower is the moving average of the model, and the check of it can fail."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch", reason="the weights are tensors")

from cupel.spec import WrongWorkError
from cupel.tasks.averaging import check_followed, follow, follower_of


def make_pair() -> tuple[torch.nn.Module, torch.nn.Module]:
    model = torch.nn.Linear(3, 2)
    follower = follower_of(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    return follower, model


def test_a_follower_is_a_copy_without_gradients():
    model = torch.nn.Linear(3, 2)
    follower = follower_of(model)
    assert torch.equal(follower.weight, model.weight)
    assert follower.weight is not model.weight
    assert not any(parameter.requires_grad for parameter in follower.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_each_weight_moves_by_its_share():
    follower, model = make_pair()
    old = copy.deepcopy(follower)
    follow(follower, model, momentum=0.9)
    torch.testing.assert_close(follower.weight, 0.9 * old.weight + 0.1 * model.weight)
    torch.testing.assert_close(follower.bias, old.bias + 0.1)
    check_followed("it", (follower, model), before=old, momentum=0.9)


@pytest.mark.parametrize(
    ("momentum", "message"), [(0.5, "weight of the average is .* off"), (1.0, "of the average is .* off")]
)
def test_the_check_finds_another_share(momentum, message):
    follower, model = make_pair()
    old = copy.deepcopy(follower)
    follow(follower, model, momentum=momentum)
    with pytest.raises(WrongWorkError, match=message):
        check_followed("it", (follower, model), before=old, momentum=0.9)


def test_the_check_finds_a_model_that_was_not_updated():
    model = torch.nn.Linear(3, 2)
    follower = follower_of(model)
    old = copy.deepcopy(follower)
    follow(follower, model, momentum=0.9)
    with pytest.raises(WrongWorkError, match="has not moved"):
        check_followed("it", (follower, model), before=old, momentum=0.9)
