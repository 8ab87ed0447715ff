"""What holds for every optimiser with Kronecker factors: as one of torch's, and in odd situations."""

from __future__ import annotations

import copy
import warnings
from functools import partial

import pytest

torch = pytest.importorskip("torch", reason="these methods need torch")

from torch import distributed, nn

from cupel.methods.kronecker_factors import eigenbasis
from cupel.methods.kronecker_optimizer import Preconditioning
from cupel.methods.optimizers.ekfac import EKFAC
from cupel.methods.optimizers.kfac import KFAC
from cupel.spec.errors import UnknownNameError, UsageError

KINDS = {
    "kfac": KFAC,
    "kfac_pi": partial(KFAC, damping="pi"),
    "ekfac": EKFAC,
    "ekfac_ra": partial(EKFAC, running_average=0.9),
}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def network(seed=1):
    """Linear, normalised, linear; in double precision, from a generator of our own."""
    model = nn.Sequential(nn.Linear(4, 5), nn.LayerNorm(5), nn.Tanh(), nn.Linear(5, 3)).double()
    with torch.no_grad():
        for index, p in enumerate(model.parameters()):
            p.copy_(random(*p.shape, seed=seed + index) * 0.5 + (index == 2))  # the normalisation's scale about 1
    return model


def backward(model, x, share=1.0):
    (share * (model(x) - 1.0).square().sum(1).mean()).backward()


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def trained(kind, steps=5, seed=0, **options):
    model = network()
    optimizer = kind(model, lr=0.05, options=Preconditioning(every=2, **options))
    for step in range(steps):
        optimizer.zero_grad()
        backward(model, random(8, 4, seed=seed + step))
        optimizer.step()
    return model, optimizer


@every_kind
def test_micro_batches_make_the_step_of_the_whole_batch(kind):
    found = []
    for parts in (1, 4):
        model = network()
        optimizer = kind(model, lr=0.1)
        for _ in range(3):
            for x in random(12, 4).chunk(parts):
                backward(model, x, 1.0 / parts)
            optimizer.step()
            optimizer.zero_grad()
        found.append(weights(model))
    torch.testing.assert_close(*found, rtol=1e-9, atol=1e-11)


@every_kind
def test_eval_mode_makes_the_same_step(kind):
    found = []
    for is_training in (True, False):
        model = network().train(is_training)
        optimizer = kind(model)
        backward(model, random(12, 4))
        optimizer.step()
        found.append(weights(model))
    assert torch.equal(*found)


@every_kind
def test_other_parameters_get_sgd_with_momentum(kind):
    model, twin = network(), network()
    optimizer = kind(model, lr=0.05, options=Preconditioning(momentum=0.8))
    sgd = torch.optim.SGD(twin[1].parameters(), lr=0.05, momentum=0.8)
    for step in range(4):
        optimizer.zero_grad()
        backward(model, random(8, 4, seed=step))
        for p, other in zip(twin[1].parameters(), model[1].parameters(), strict=True):
            p.grad = other.grad.clone()
        optimizer.step()
        sgd.step()
    for p, other in zip(twin[1].parameters(), model[1].parameters(), strict=True):
        torch.testing.assert_close(p, other, rtol=1e-13, atol=1e-14)
    assert optimizer.preconditioned == ("0", "3")
    assert optimizer.plain == ("1.weight", "1.bias")


@every_kind
def test_layers_left_out_get_it_too(kind):
    model = network()
    optimizer = kind(model, lr=0.05, options=Preconditioning(momentum=0.0, leave_out=("3",)))
    backward(model, random(8, 4))
    before, gradient = model[3].weight.detach().clone(), model[3].weight.grad.clone()
    optimizer.step()
    torch.testing.assert_close(model[3].weight, before - 0.05 * gradient, rtol=1e-14, atol=1e-15)
    assert "3.weight" in optimizer.plain


@every_kind
def test_momentum_and_decay_act_on_the_direction_found(kind):
    options = Preconditioning(momentum=0.7, weight_decay=0.1, kl_clip=None)
    model, bare = network(), network()
    optimizer = kind(model, lr=0.05, options=options)
    velocity, expected = torch.zeros_like(weights(model)), weights(model)
    alone = kind(bare, lr=1.0, options=Preconditioning(momentum=0.0, kl_clip=None))
    for step in range(3):
        with torch.no_grad():
            torch.nn.utils.vector_to_parameters(expected.clone(), bare.parameters())
        for one, net in ((optimizer, model), (alone, bare)):
            one.zero_grad()
            backward(net, random(8, 4, seed=step))
            one.step()
        velocity = 0.7 * velocity + expected - weights(bare)
        expected = expected * (1 - 0.05 * 0.1) - 0.05 * velocity
        torch.testing.assert_close(weights(model), expected, rtol=1e-11, atol=1e-12)


@every_kind
def test_the_clip_shortens_the_step_of_all_layers_together(kind):
    moved, agreement = [], []
    for clip in (None, 1e-4, 1e9):
        model = network()
        optimizer = kind(model, lr=0.1, options=Preconditioning(momentum=0.0, kl_clip=clip))
        backward(model, random(8, 4))
        before = [p.detach().clone() for layer in (model[0], model[3]) for p in layer.parameters()]
        gradient = [p.grad.clone() for layer in (model[0], model[3]) for p in layer.parameters()]
        optimizer.step()
        after = [p.detach() for layer in (model[0], model[3]) for p in layer.parameters()]
        moved.append(torch.cat([(b - a).flatten() for a, b in zip(before, after, strict=True)]))
        agreement.append(-float(moved[-1] @ torch.cat([g.flatten() for g in gradient])))
    assert agreement[0] * 0.1 > 1e-4  # lr^2 <grad, G> is over the clip
    assert float(moved[1].norm() / moved[0].norm()) == pytest.approx((1e-4 / (0.1 * agreement[0])) ** 0.5)
    torch.testing.assert_close(moved[1] / moved[1].norm(), moved[0] / moved[0].norm())
    assert torch.equal(moved[0], moved[2])


@every_kind
def test_a_stored_state_goes_on_as_if_nothing_had_been(kind):
    model, optimizer = trained(kind, steps=3, decay=0.5)
    twin = copy.deepcopy(model)
    other = kind(twin, lr=9.9, eps=9.9, options=optimizer.options)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for step in range(3):
        for one, net in ((optimizer, model), (other, twin)):
            one.zero_grad()
            backward(net, random(8, 4, seed=20 + step))
            one.step()
        assert torch.equal(weights(model), weights(twin))


@every_kind
def test_weights_in_bfloat16_have_factors_in_single_precision_stored_ones_too(kind):
    model = network().to(torch.bfloat16)
    optimizer = kind(model)
    backward(model, random(8, 4).bfloat16())
    optimizer.step()
    other = kind(copy.deepcopy(model))
    other.load_state_dict(optimizer.state_dict())
    state = other.state[other.param_groups[0]["params"][0]]
    assert state["factor_in"].dtype == state["vectors_out"].dtype == torch.float32
    assert torch.equal(state["factor_in"], optimizer.state[model[0].weight]["factor_in"])
    assert state["momentum_buffer"].dtype == torch.bfloat16


@every_kind
def test_frozen_parameters_stand_still(kind):
    model = network()
    model[0].weight.requires_grad_(requires_grad=False)
    model[3].bias.requires_grad_(requires_grad=False)
    optimizer = kind(model, options=Preconditioning(every=1))
    before = [p.detach().clone() for p in model.parameters()]
    backward(model, random(8, 4))
    optimizer.step()
    moved = [not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)]
    assert moved == [False, True, True, True, True, False]
    assert "0.bias" in optimizer.plain
    assert optimizer.approximation("3").shape == (15, 15)
    model[0].weight.requires_grad_()
    model[3].bias.requires_grad_()
    optimizer.zero_grad()
    backward(model, random(8, 4))
    model[1].weight.requires_grad_(requires_grad=False)  # has a gradient, but is frozen now
    now = model[1].weight.detach().clone()
    optimizer.step()
    assert torch.equal(now, model[1].weight)
    assert optimizer.approximation("3").shape == (18, 18)
    assert optimizer.approximation("0").shape == (25, 25)


@every_kind
def test_schedulers_and_closures_work_as_with_torchs_own(kind):
    model = network()
    optimizer = kind(model, lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)

    def closure():
        optimizer.zero_grad()
        loss = (model(random(8, 4)) - 1.0).square().sum(1).mean()
        loss.backward()
        return loss.item()

    losses = []
    for _ in range(3):
        losses.append(optimizer.step(closure))
        scheduler.step()
    assert losses == sorted(losses, reverse=True)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 / 8)


@every_kind
def test_it_draws_nothing_and_repeats_itself(kind):
    state = torch.get_rng_state()
    model = network()
    optimizer = kind(model)
    backward(model, random(8, 4))
    before = torch.get_rng_state()
    optimizer.step()
    assert torch.equal(before, torch.get_rng_state())
    torch.set_rng_state(state)
    assert torch.equal(weights(trained(kind)[0]), weights(trained(kind)[0]))
    assert not torch.equal(weights(trained(kind)[0]), weights(trained(kind, seed=1)[0]))


class Twice(nn.Module):
    """A user's model that uses one layer two times."""

    def __init__(self):
        super().__init__()
        self.again = nn.Linear(4, 4).double()
        self.out = nn.Linear(4, 3).double()

    def forward(self, x):
        return self.out(self.again(self.again(x)))


def test_a_layer_used_twice_is_refused_before_anything_moves_and_can_be_left_out():
    model = Twice()
    optimizer = EKFAC(model)
    backward(model, random(8, 4))
    before = weights(model)
    with pytest.raises(UsageError, match="'again' ran more than once"):
        optimizer.step()
    assert torch.equal(before, weights(model))
    rest = EKFAC(model, options=Preconditioning(leave_out=("again",)))
    rest.zero_grad()
    backward(model, random(8, 4))
    rest.step()
    assert not torch.equal(before, weights(model))


def test_gradients_that_no_recorded_pass_made_are_refused():
    model = network()
    optimizer = EKFAC(model)
    backward(model, random(8, 4))
    optimizer.step()
    with pytest.raises(UsageError, match="'0' has a gradient, but no forward pass of it was recorded"):
        optimizer.step()


def test_values_that_are_not_finite_are_refused():
    model = network()
    optimizer = KFAC(model)
    backward(model, random(8, 4) * float("inf"))
    with pytest.raises(UsageError, match="layer '0' has values that are not finite"):
        optimizer.step()


def test_several_processes_are_refused(monkeypatch):
    model = network()
    optimizer = KFAC(model)
    backward(model, random(8, 4))
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 4)
    with pytest.raises(UsageError, match="one of 4 processes"):
        optimizer.step()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"eps": 0.0}, "eps=0.0 was asked; expected a number above 0"),
        ({"lr": -1.0}, "lr=-1.0 was asked"),
        ({"running_average": 1.0}, "running_average=1.0 was asked"),
        ({"model": nn.LayerNorm(3)}, "LayerNorm has no layer to precondition"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(asked, words):
    with pytest.raises(UsageError, match=words):
        EKFAC(**{"model": nn.Linear(2, 2), **asked})


@pytest.mark.parametrize(
    "asked", [{"every": 0}, {"decay": 1.0}, {"momentum": 1.0}, {"weight_decay": -0.1}, {"kl_clip": 0.0}]
)
def test_options_that_cannot_be_meant_are_refused_in_words(asked):
    ((name, value),) = asked.items()
    with pytest.raises(UsageError, match=f"{name}={value} was asked; expected"):
        Preconditioning(**asked)


def test_an_approximation_is_there_after_a_step():
    optimizer = EKFAC(network())
    with pytest.raises(UsageError, match=r"before its first step\(\)"):
        optimizer.approximation("3")
    with pytest.raises(UnknownNameError, match="No layer named 'three'"):
        optimizer.approximation("three")


def test_a_factor_that_defeats_single_precision_is_decomposed_in_double(monkeypatch):
    plain = torch.linalg.eigh

    def fails_in_single(matrix):
        if matrix.dtype == torch.float32:
            raise torch.linalg.LinAlgError("did not converge")
        return plain(matrix)

    factor = random(4, 4).float()
    factor = factor @ factor.T
    expected = eigenbasis(factor)
    monkeypatch.setattr(torch.linalg, "eigh", fails_in_single)
    found = eigenbasis(factor)
    assert found.values.dtype == found.vectors.dtype == torch.float32
    torch.testing.assert_close(found.values, expected.values)


def test_a_compiled_model_is_recorded_as_the_model_itself_is():
    model, twin = network(), network()
    optimizer, other = EKFAC(model), EKFAC(twin)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, on its way
        backward(torch.compile(model, backend="eager"), random(8, 4))
    backward(twin, random(8, 4))
    for one in (optimizer, other):
        one.step()
    assert torch.equal(weights(model), weights(twin))
