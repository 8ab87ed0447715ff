"""Lottery tickets against the paper's strategy written out, on a model from outside the package."""

from __future__ import annotations

import copy
import math

import pytest

torch = pytest.importorskip("torch", reason="these methods need torch")

from torch import nn
from torch.nn import functional

from cupel.methods.lottery_ticket import Schedule, lottery_ticket
from cupel.methods.pruners.magnitude import Magnitude
from cupel.methods.pruners.random_mask import RandomMask
from cupel.methods.weight_masks import MaskGuard, density, permuted
from cupel.spec.errors import UnknownNameError, UsageError

STEPS = 12


class UsersNet(nn.Module):
    """Convolution, batch normalisation and two linear layers of a user's own."""

    def __init__(self, seed=0):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.conv = nn.Conv2d(1, 4, 3)
            self.norm = nn.BatchNorm2d(4)
            self.hidden = nn.Linear(16, 20)
            self.out = nn.Linear(20, 3)
        self.double()

    def forward(self, x):
        return self.out(torch.tanh(self.hidden(functional.relu(self.norm(self.conv(x))).flatten(1))))


def batch(step):
    generator = torch.Generator().manual_seed(step)
    x = torch.randn(16, 1, 4, 4, generator=generator, dtype=torch.float64)
    return x, (x.mean((1, 2, 3)) > 0.1).long() + (x[:, 0, 0, 0] > 0.5)


def train(model, guard, optimizer=torch.optim.Adam, steps=STEPS):
    """The same batches each time; the loss of the last step."""
    moves = optimizer(model.parameters(), lr=0.01)
    for step in range(guard.start, steps):
        x, y = batch(step)
        moves.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        moves.step()
    return float(loss.detach())


def test_round_0_is_the_dense_run_bit_for_bit():
    dense = UsersNet()
    with MaskGuard(dense, {}) as guard:
        loss = train(dense, guard)
    free = UsersNet()
    moves = torch.optim.Adam(free.parameters(), lr=0.01)
    for step in range(STEPS):
        x, y = batch(step)
        moves.zero_grad()
        functional.cross_entropy(free(x), y).backward()
        moves.step()
    model = UsersNet()
    found = lottery_ticket(model, train, schedule=Schedule(rounds=0))
    assert found.rounds[0].result == loss
    assert found.density == 1.0
    for name, value in free.state_dict().items():
        assert torch.equal(value, dense.state_dict()[name])
        assert torch.equal(value, model.state_dict()[name])


def as_the_paper_writes_it(schedule, scope):
    """Strategy 1: f(x; m * theta) is trained by plain SGD, smallest |theta| pruned, theta reset to theta_0."""
    model = UsersNet()
    theta_0 = copy.deepcopy(model.state_dict())
    names = ["conv.weight", "hidden.weight", "out.weight"]
    m = {name: torch.ones_like(theta_0[name]) for name in names}
    history = []
    for number in range(schedule.rounds + 1):
        model.load_state_dict(theta_0)
        theta = dict(model.named_parameters())
        for step in range(STEPS):
            x, y = batch(step)
            product = {name: m[name] * p if name in m else p for name, p in theta.items()}
            loss = functional.cross_entropy(torch.func.functional_call(model, product, (x,)), y)
            slopes = torch.autograd.grad(loss, list(theta.values()))
            with torch.no_grad():
                for p, slope in zip(theta.values(), slopes, strict=True):
                    p.sub_(0.01 * slope)
        history.append(({name: mask.clone() for name, mask in m.items()}, float(loss.detach())))
        if number == schedule.rounds:
            return history, {name: (m[name] * theta[name]).detach() for name in names}
        for group in [[name] for name in names] if scope == "layer" else [names[:2], names[2:]]:
            share = schedule.shares.get(group[0], schedule.share)
            left = [(abs(float(theta[n].detach().flatten()[i])), n, i) for n in group for i in kept_places(m[n])]
            for _, name, place in sorted(left)[: round(share * len(left))]:
                m[name].view(-1)[place] = 0.0
    raise AssertionError


def kept_places(mask):
    return [i for i, kept in enumerate(mask.flatten().tolist()) if kept]


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_it_is_what_the_papers_strategy_says(scope):
    schedule = Schedule(rounds=3, share=0.3, shares={"out.weight": 0.15})
    history, weights = as_the_paper_writes_it(schedule, scope)
    model = UsersNet()
    found = lottery_ticket(
        model, lambda m, guard: train(m, guard, torch.optim.SGD), schedule=schedule, pruner=Magnitude(scope)
    )
    assert len(found.rounds) == len(history)
    for done, (masks, loss) in zip(found.rounds, history, strict=True):
        assert done.result == pytest.approx(loss, rel=1e-10)
        assert all(torch.equal(done.masks[name], mask.bool()) for name, mask in masks.items())
    for name, weight in weights.items():
        torch.testing.assert_close(model.get_parameter(name).detach(), weight, rtol=1e-10, atol=1e-12)


def test_densities_are_the_product_and_masks_nest():
    schedule = Schedule(rounds=6, share=0.2, shares={"out.weight": 0.1, "conv.weight": 0.0})
    found = lottery_ticket(UsersNet(), train, schedule=schedule)
    counts = {"conv.weight": 36, "hidden.weight": 320, "out.weight": 60}
    for number, (done, last) in enumerate(zip(found.rounds, (found.rounds[0], *found.rounds), strict=False)):
        assert done.density == pytest.approx(sum(counts.values()) / 416)
        assert done.density == density(done.masks)
        for name, mask in done.masks.items():
            assert int(mask.sum()) == counts[name]
            assert not (mask & ~last.masks[name]).any()
            share = schedule.shares.get(name, schedule.share)
            assert counts[name] == pytest.approx(
                mask.numel() * (1.0 - share) ** number, abs=0.5 / share if share else 0
            )
            counts[name] -= round(share * counts[name])


def test_pruned_weights_end_at_exactly_zero_and_the_start_is_kept_by_value():
    model = UsersNet()
    before = copy.deepcopy(model.state_dict())
    found = lottery_ticket(model, train, schedule=Schedule(rounds=2, share=0.5))
    for name, mask in found.masks.items():
        weight = model.get_parameter(name).detach()
        assert not weight[~mask].any()
        assert weight[mask].abs().min() > 0.0
    assert all(torch.equal(found.start[name], value) for name, value in before.items()), "running averages too"
    assert all(not torch.equal(model.state_dict()[name], before[name]) for name in found.masks)


def test_the_ticket_can_be_trained_again_and_controls_start_where_they_should():
    model = UsersNet()
    found = lottery_ticket(model, train, schedule=Schedule(rounds=2, share=0.5))
    for done in found.rounds:
        again = UsersNet(seed=9)
        with found.guard(again, masks=done.masks) as guard:
            assert train(again, guard) == done.result
    assert all(torch.equal(again.state_dict()[name], value) for name, value in model.state_dict().items())

    other = permuted(found.masks, generator=torch.Generator().manual_seed(1))
    control = UsersNet()
    with found.guard(control, masks=other):
        for name, mask in other.items():
            assert torch.equal(control.get_parameter(name).detach(), found.start[name] * mask)
    redrawn = UsersNet(seed=1)
    with MaskGuard(redrawn, found.masks) as guard:
        loss = train(redrawn, guard)
    assert loss != found.rounds[-1].result


def test_gradients_left_over_from_one_training_do_not_enter_the_next():
    def careless(model, guard):
        moves = torch.optim.SGD(model.parameters(), lr=0.1)
        for step in range(guard.start, STEPS):
            x, y = batch(step)
            functional.cross_entropy(model(x), y).backward()
            moves.step()
            if step < STEPS - 1:
                moves.zero_grad()

    model, again = UsersNet(), UsersNet()
    found = lottery_ticket(model, careless, schedule=Schedule(rounds=1, share=0.5))
    with found.guard(again) as guard:
        careless(again, guard)
    assert torch.equal(model.out.weight, again.out.weight)


def test_weights_go_back_to_a_later_step():
    rewind_step = 5
    early = UsersNet()
    with MaskGuard(early, {}) as guard:
        train(early, guard, steps=rewind_step)
    starts = []

    def watched(model, guard):
        starts.append((guard.start, copy.deepcopy(model.state_dict())))
        loss = train(model, guard)
        assert guard.num_steps == STEPS
        return loss

    found = lottery_ticket(UsersNet(), watched, schedule=Schedule(rounds=2, share=0.5, rewind_step=rewind_step))
    assert found.start_step == rewind_step
    assert [start for start, _ in starts] == [0, rewind_step, rewind_step]
    for name, value in early.state_dict().items():
        assert torch.equal(found.start[name], value)
        kept = found.masks.get(name, torch.ones((), dtype=torch.bool))
        assert torch.equal(starts[-1][1][name], value * kept)
    with pytest.raises(UsageError, match=f"to step 99; training ended after {STEPS} steps"):
        lottery_ticket(UsersNet(), train, schedule=Schedule(rounds=1, rewind_step=99))


def test_another_pruner_can_take_its_place():
    schedule = Schedule(rounds=2, share=0.5)
    found = lottery_ticket(
        UsersNet(), train, schedule=schedule, pruner=RandomMask(torch.Generator().manual_seed(0), "global")
    )
    by_size = lottery_ticket(UsersNet(), train, schedule=schedule)
    assert found.density == pytest.approx(by_size.density, abs=0.01)
    assert any(not torch.equal(found.masks[name], by_size.masks[name]) for name in found.masks)


def test_the_global_generator_is_untouched_and_the_same_seeds_give_the_same_bits():
    state = torch.get_rng_state()
    first, second = (lottery_ticket(UsersNet(), train, schedule=Schedule(rounds=2)) for _ in range(2))
    assert torch.equal(state, torch.get_rng_state())
    assert [done.result for done in first.rounds] == [done.result for done in second.rounds]
    assert all(torch.equal(first.masks[name], second.masks[name]) for name in first.masks)


class Reviver:
    def prune(self, weights, masks, *, shares):
        del weights, shares
        return {name: torch.rand(mask.shape, generator=self.generator) < 0.5 for name, mask in masks.items()}

    generator = torch.Generator().manual_seed(0)


def diverge(model, guard):
    del guard
    with torch.no_grad():
        model.out.weight.fill_(math.nan)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"schedule": {"shares": {"out.wieght": 0.1}}}, "Close: out.weight"),
        ({"schedule": {"shares": {"out.bias": 0.1}}}, "No weight that can be pruned named 'out.bias'"),
        ({"schedule": {"share": 1.0}}, "A share of 1.0 was to be pruned"),
        ({"schedule": {"shares": {"out.weight": -0.1}}}, "A share of -0.1"),
        ({"schedule": {"rounds": -1}}, "rounds=-1 and rewind_step=0"),
        ({"pruner": Reviver(), "schedule": {"rounds": 3}}, "The pruner brought"),
        ({"train": diverge}, "60 of 60 weights of out.weight that are left are not finite"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(changed, words):
    asked = {"rounds": 1, **changed.get("schedule", {})}
    with pytest.raises(UsageError) as caught:
        lottery_ticket(
            UsersNet(), changed.get("train", train), schedule=Schedule(**asked), pruner=changed.get("pruner")
        )
    assert words in str(caught.value)
    assert isinstance(caught.value, UnknownNameError) == ("out.wieght" in str(asked) or "out.bias" in str(asked))
