"""Masks and the guard that holds them: every optimiser, momentum that would revive weights, loops of one's own."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="these methods need torch")

from torch import nn
from torch.nn import functional
from torch.optim.optimizer import _global_optimizer_post_hooks

from cupel.methods.weight_masks import MaskGuard, all_kept, density, permuted, prunable_weights
from cupel.spec.errors import UnknownNameError, UsageError


class UsersNet(nn.Module):
    """A model from outside the package: convolution, normalisation, a weight used twice, a frozen one."""

    def __init__(self, seed=0):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.conv = nn.Conv2d(1, 4, 3)
            self.norm = nn.BatchNorm2d(4)
            self.middle = nn.Linear(16, 16)
            self.twice = nn.Linear(16, 16, bias=False)
            self.twice.weight = self.middle.weight
            self.frozen = nn.Linear(16, 16).requires_grad_(False)
            self.out = nn.Linear(16, 3)

    def forward(self, x):
        x = functional.relu(self.norm(self.conv(x))).flatten(1)
        return self.out(self.frozen(self.twice(torch.tanh(self.middle(x)))))


def data(seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(12, 1, 4, 4, generator=generator, dtype=torch.float64)
    return x, torch.randint(3, (12,), generator=generator)


def half(model, seed=3):
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.rand(weight.shape, generator=generator) < 0.5 for name, weight in prunable_weights(model).items()
    }


def step(model, optimizer, x, y):
    optimizer.zero_grad()
    functional.cross_entropy(model(x), y).backward()
    optimizer.step()


def test_biases_norms_and_frozen_weights_are_not_pruned_and_a_shared_weight_counts_once():
    assert list(prunable_weights(UsersNet())) == ["conv.weight", "middle.weight", "out.weight"]
    with pytest.raises(UsageError, match="no weights that can be pruned"):
        prunable_weights(nn.LayerNorm(3))


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda p: torch.optim.Adam(p, 0.01, amsgrad=True),
    "adam one by one": lambda p: torch.optim.Adam(p, 0.01, foreach=False),
    "adamw": lambda p: torch.optim.AdamW(p, 0.01),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.01, momentum=0.9, centered=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, 0.01),
    "rprop": lambda p: torch.optim.Rprop(p, 0.01),
    "lbfgs": lambda p: torch.optim.LBFGS(p, 0.01),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_pruned_weights_and_moments_are_zero_after_every_step_of_every_optimiser(name):
    model, (x, y) = UsersNet().double(), data()
    masks = half(model)
    optimizer = OPTIMIZERS[name](model.parameters())

    def closure():
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        return loss

    kept_before = model.middle.weight.detach()[masks["middle.weight"]].clone()
    with MaskGuard(model, masks) as guard:
        for _ in range(4):
            optimizer.step(closure)
            for weight, mask in ((p, masks[n]) for n, p in prunable_weights(model).items()):
                assert not weight.detach()[~mask].any()
                held = [v for v in optimizer.state[weight].values() if getattr(v, "shape", None) == weight.shape]
                assert all(not value[~mask].any() for value in held)
    assert guard.num_steps == 4
    assert not torch.equal(model.middle.weight.detach()[masks["middle.weight"]], kept_before)


def test_momentum_gathered_before_would_revive_weights_and_does_not_under_the_guard():
    for is_guarded in (False, True):
        model, (x, y) = UsersNet().double(), data()
        optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
        for _ in range(3):
            step(model, optimizer, x, y)
        masks = half(model)
        weight, gone = model.out.weight, ~masks["out.weight"]
        if not is_guarded:
            with torch.no_grad():
                weight.masked_fill_(gone, 0.0)
            step(model, optimizer, x, y)
            assert weight.detach()[gone].abs().min() > 0.0
            continue
        with MaskGuard(model, masks):
            step(model, optimizer, x, y)
            assert not weight.detach()[gone].any()
            assert not optimizer.state[weight]["momentum_buffer"][gone].any()


def test_training_under_the_guard_is_training_of_the_masked_product():
    """The paper's network is f(x; m * theta): its gradient by theta is masked too."""
    (x, y), model, other = data(), UsersNet().double(), UsersNet().double()
    masks = half(model)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    plain = dict(other.named_parameters())
    product = torch.optim.Adam(plain.values(), 0.01)
    with MaskGuard(model, masks):
        for _ in range(5):
            step(model, optimizer, x, y)
    for _ in range(5):
        product.zero_grad()
        masked = {name: p * masks[name] if name in masks else p for name, p in plain.items()}
        functional.cross_entropy(torch.func.functional_call(other, masked, (x,)), y).backward()
        product.step()
    for name, parameter in model.named_parameters():
        expected = plain[name].detach() * masks.get(name, torch.ones(()))
        torch.testing.assert_close(parameter.detach(), expected, rtol=1e-12, atol=1e-14)


def test_clipping_counts_only_gradients_of_what_is_kept():
    model, (x, y) = UsersNet().double(), data()
    masks = half(model)
    with MaskGuard(model, masks):
        functional.cross_entropy(model(x), y).backward()
        assert all(not p.grad[~masks[name]].any() for name, p in prunable_weights(model).items())
    model.zero_grad()
    functional.cross_entropy(model(x), y).backward()
    assert model.out.weight.grad[~masks["out.weight"]].any(), "after the block gradients are the model's own again"


def test_masks_that_keep_everything_change_no_bit():
    x, y = data()
    models = UsersNet().double(), UsersNet().double()
    for model, masks in zip(models, ({}, all_kept(prunable_weights(models[1]))), strict=True):
        optimizer = torch.optim.Adam(model.parameters(), 0.01)
        with MaskGuard(model, masks):
            for _ in range(3):
                step(model, optimizer, x, y)
    free = UsersNet().double()
    optimizer = torch.optim.Adam(free.parameters(), 0.01)
    for _ in range(3):
        step(free, optimizer, x, y)
    for name, value in free.state_dict().items():
        assert all(torch.equal(value, model.state_dict()[name]) for model in models)


def test_two_optimisers_of_one_model_make_one_step_and_strangers_none():
    model, (x, y) = UsersNet().double(), data()
    weights = [p for p in model.parameters() if p.dim() >= 2 and p.requires_grad]
    others = [p for p in model.parameters() if p.dim() < 2]
    stranger = torch.optim.SGD([torch.ones(1, requires_grad=True)], 0.1)
    both = torch.optim.SGD(weights, 0.1), torch.optim.SGD(others, 0.1)
    counted = []
    with MaskGuard(model, half(model), start=7, on_step=counted.append) as guard:
        for _ in range(2):
            functional.cross_entropy(model(x), y).backward()
            for optimizer in (*both, stranger):
                optimizer.step()
    assert (guard.start, guard.num_steps, counted) == (7, 9, [8, 9])
    step(model, both[0], x, y)
    assert counted == [8, 9], "after the block nothing is counted"


def test_a_loop_without_an_optimiser_must_say_when_it_steps():
    def update(model, guard, *, tells):
        functional.cross_entropy(model(x), y).backward()
        with torch.no_grad():
            for p in model.parameters():
                p.sub_(1.0)
        if tells:
            guard.after_step()

    x, y = data()
    model = UsersNet().double()
    masks = half(model)
    with MaskGuard(model, masks) as guard:
        update(model, guard, tells=True)
    assert not model.out.weight.detach()[~masks["out.weight"]].any()
    with pytest.raises(UsageError, match=r"pruned weights of conv\.weight are not zero after training"):
        train_badly(model, masks, update)


def train_badly(model, masks, update):
    with MaskGuard(model, masks) as guard:
        update(model, guard, tells=False)


def fail_in_training(model):
    with torch.no_grad():
        model.out.weight.fill_(1.0)
    raise RuntimeError("of the user's own")


def test_an_error_inside_the_block_is_not_hidden_and_leaves_no_hook():
    model = UsersNet().double()
    before = len(_global_optimizer_post_hooks)
    with pytest.raises(RuntimeError, match="of the user's own"), MaskGuard(model, half(model)):
        fail_in_training(model)
    assert len(_global_optimizer_post_hooks) == before
    assert not model.out.weight._backward_hooks


@pytest.mark.parametrize(
    ("masks", "words"),
    [
        ({"out.wieght": torch.ones(3, 16, dtype=torch.bool)}, "out.weight"),
        ({"out.weight": torch.ones(3, 16)}, "torch.float32 of shape (3, 16); expected torch.bool"),
        ({"out.weight": torch.ones(16, 3, dtype=torch.bool)}, "of shape (16, 3); expected torch.bool of shape (3, 16)"),
    ],
)
def test_masks_that_do_not_fit_are_refused_in_words(masks, words):
    with pytest.raises(UsageError) as caught, MaskGuard(UsersNet(), masks):
        pass
    assert words in str(caught.value)
    assert isinstance(caught.value, UnknownNameError) == ("out.wieght" in masks)


def test_permuted_masks_keep_the_density_of_each_layer_and_nothing_else():
    masks = half(UsersNet())
    state = torch.get_rng_state()
    found = permuted(masks, generator=torch.Generator().manual_seed(1))
    again = permuted(masks, generator=torch.Generator().manual_seed(1))
    other = permuted(masks, generator=torch.Generator().manual_seed(2))
    for name, mask in masks.items():
        assert found[name].sum() == mask.sum()
        assert torch.equal(found[name], again[name])
    big = masks["middle.weight"]
    assert not torch.equal(found["middle.weight"], other["middle.weight"])
    assert 0.3 < float((found["middle.weight"] & big).sum() / big.sum()) < 0.7, "overlap of independent halves"
    assert density(found) == density(masks)
    assert density({}) == 1.0
    assert torch.equal(state, torch.get_rng_state())


def test_a_gradient_that_is_not_finite_is_not_passed_over():
    model = UsersNet().double()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def diverge():
        with MaskGuard(model, half(model)):
            (model(data()[0]).sum() * float("inf")).backward()
            optimizer.step()

    with pytest.raises(UsageError, match="are not zero after training"):
        diverge()
