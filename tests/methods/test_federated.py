"""Federated training against the papers' algorithms written out, closed forms, and models from outside the package."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="these methods need torch")

from torch import nn
from torch.nn import functional

from cupel.methods.federated import FederatedTrainer, Fleet, Participation, Rule, fed_avg, fed_prox
from cupel.spec.errors import UsageError
from cupel.spec.seeds import Seeds

RATE = 0.05


class UsersNet(nn.Module):
    """A user's own model: two layers, normalisation with running averages, and a part that is frozen."""

    def __init__(self, seed=0):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.first = nn.Linear(4, 6)
            self.norm = nn.BatchNorm1d(6)
            self.frozen = nn.Linear(6, 6).requires_grad_(False)
            self.out = nn.Linear(6, 3)
        self.double()

    def forward(self, x):
        return self.out(torch.tanh(self.frozen(self.norm(self.first(x)))))


def loss(model, batch):
    return functional.cross_entropy(model(batch[0]), batch[1])


def some_clients(sizes=(8, 20, 12, 6, 10), seed=0):
    generator = torch.Generator().manual_seed(seed)
    shifts = torch.randn(len(sizes), generator=generator, dtype=torch.float64)
    return [
        (
            torch.randn(n, 4, generator=generator, dtype=torch.float64) + shift,
            torch.randint(3, (n,), generator=generator),
        )
        for n, shift in zip(sizes, shifts, strict=True)
    ]


def trained(rule, rounds, *, clients=None, model=None, seed=7):
    model = UsersNet() if model is None else model
    trainer = FederatedTrainer(model, some_clients() if clients is None else clients, loss=loss, rule=rule, seed=seed)
    return model, [trainer.round(who) for who in rounds]


def same(left, right):
    return all(torch.equal(a, b) for a, b in zip(left.state_dict().values(), right.state_dict().values(), strict=True))


FLEET = {"num_clients": 5, "clients_per_round": 4, "passes": 3}


def test_mu_0_without_stragglers_is_fedavg_to_the_last_bit():
    rounds = Fleet(**FLEET).rounds(4, seed=1)
    prox, its = trained(fed_prox(RATE, mu=0.0, batch_size=4), rounds)
    average, theirs = trained(fed_avg(RATE, batch_size=4), rounds)
    assert same(prox, average)
    assert its == theirs
    assert not same(prox, UsersNet())
    pulled, _ = trained(fed_prox(RATE, mu=0.1, batch_size=4), rounds)
    assert not same(pulled, average)


def test_stragglers_are_dropped_by_fedavg_and_averaged_by_fedprox():
    fleet = Fleet(**FLEET, straggler_frac=0.5)
    who = fleet.rounds(1, seed=2)[0]
    fast = [client for client, slow in zip(who.clients, who.is_straggler, strict=True) if not slow]
    assert len(fast) == 2
    average, (report,) = trained(fed_avg(RATE, batch_size=4), [who])
    only = Participation(0, tuple(fast), (3, 3), (False, False))
    assert same(average, trained(fed_prox(RATE, mu=0.0, batch_size=4), [only])[0])
    sizes = [len(x) for x, _ in some_clients()]
    assert report.clients == tuple(fast)
    assert report.num_samples == sum(sizes[client] for client in fast)
    assert report.gradients == sum(3 * -(-sizes[client] // 4) for client in fast)
    _, (report,) = trained(fed_prox(RATE, mu=0.0, batch_size=4), [who])
    assert report.clients == who.clients
    assert report.gradients == sum(n * -(-sizes[k] // 4) for k, n in zip(who.clients, who.passes, strict=True))


def test_a_round_of_nothing_but_stragglers_leaves_fedavg_where_it_is():
    who = Fleet(**FLEET, straggler_frac=1.0).rounds(1, seed=0)
    model, (report,) = trained(fed_avg(RATE), who)
    assert same(model, UsersNet())
    assert (report.clients, report.num_samples, report.gradients) == ((), 0, 0)
    moved, (report,) = trained(fed_prox(RATE, mu=0.1), who)
    assert not same(moved, UsersNet())
    assert len(report.clients) == 4


def as_the_paper_writes_it(clients, rounds, rule, seed):
    """Algorithm 2 on softmax regression in numpy, the gradient by hand, stragglers kept or dropped."""
    w = np.random.default_rng(0).normal(size=(5, 3))
    start = w.copy()
    for who in rounds:
        parts = []
        for k, passes, slow in zip(who.clients, who.passes, who.is_straggler, strict=True):
            if slow and not rule.keeps_partial_work:
                continue
            x = np.column_stack([clients[k][0].numpy(), np.ones(len(clients[k][0]))])
            y = np.eye(3)[clients[k][1].numpy()]
            local = w.copy()
            orders = torch.Generator().manual_seed(Seeds(seed).seed("order", who.number, k))
            for _ in range(passes):
                order = torch.randperm(len(x), generator=orders).numpy()
                for first in range(0, len(x), rule.batch_size):
                    idx = order[first : first + rule.batch_size]
                    odds = np.exp(x[idx] @ local)
                    slope = x[idx].T @ (odds / odds.sum(1, keepdims=True) - y[idx]) / len(idx)
                    local = local - rule.learning_rate * (slope + rule.mu * (local - w))
            parts.append((len(x), local))
        w = sum(n * local for n, local in parts) / sum(n for n, _ in parts)
    return start, w


@pytest.mark.parametrize(
    "rule", [fed_avg(RATE, batch_size=4), fed_prox(RATE, mu=0.0, batch_size=4), fed_prox(RATE, mu=1.0, batch_size=3)]
)
def test_it_is_what_the_papers_algorithm_says(rule):
    clients = some_clients()
    rounds = Fleet(**FLEET, straggler_frac=0.5).rounds(5, seed=3)
    start, expected = as_the_paper_writes_it(clients, rounds, rule, 7)
    model = nn.Linear(4, 3).double()
    with torch.no_grad():
        model.weight.copy_(torch.tensor(start[:4].T))
        model.bias.copy_(torch.tensor(start[4]))
    trained(rule, rounds, clients=clients, model=model)
    np.testing.assert_allclose(model.weight.detach().numpy(), expected[:4].T, rtol=1e-12)
    np.testing.assert_allclose(model.bias.detach().numpy(), expected[4], rtol=1e-12)


def test_one_pass_over_all_samples_of_all_clients_is_a_step_of_gradient_descent():
    clients = some_clients()
    model, other = nn.Linear(4, 3).double(), nn.Linear(4, 3).double()
    other.load_state_dict(model.state_dict())
    who = Fleet(num_clients=5, clients_per_round=5, passes=1).rounds(1, seed=0)
    trained(fed_avg(RATE, batch_size=None), who, clients=clients, model=model)
    x, y = (torch.cat(parts) for parts in zip(*clients, strict=True))
    functional.cross_entropy(other(x), y).backward()
    for after, before in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(after.detach(), before.detach() - RATE * before.grad, rtol=1e-12, atol=1e-14)


class Point(nn.Module):
    """Nothing but a weight."""

    def __init__(self, values):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(values, dtype=torch.float64))


def quadratic(model, batch):
    """(w - a)' H (w - a) / 2 of one sample, which holds a and the diagonal of H."""
    a, diagonal = batch[0][0], batch[1][0]
    return (diagonal * (model.w - a) ** 2).sum() / 2


def wells(seed=0, num=3):
    rng = np.random.default_rng(seed)
    return [
        (torch.tensor(rng.normal(size=(1, 2))), torch.tensor(rng.uniform(0.5, 2.0, size=(1, 2)))) for _ in range(num)
    ]


@pytest.mark.parametrize("is_exact", [False, True])
@pytest.mark.parametrize("mu", [0.0, 0.3, 4.0])
def test_a_quadratic_client_ends_at_the_proximal_problems_closed_form(mu, is_exact):
    start = [1.0, -2.0]
    model, clients = Point(start), wells()
    rule = fed_prox(0.2, mu=mu, batch_size=None, is_exact=is_exact)
    trainer = FederatedTrainer(model, clients, loss=quadratic, rule=rule, seed=0)
    trainer.round(Fleet(num_clients=3, clients_per_round=3, passes=250).rounds(1, seed=0)[0])
    w_t = torch.tensor(start, dtype=torch.float64)
    solved = [(h[0] * a[0] + mu * w_t) / (h[0] + mu) for a, h in clients]
    torch.testing.assert_close(model.w.detach(), sum(solved) / 3, rtol=1e-10, atol=1e-10)


def test_clients_stay_nearer_the_larger_mu_is_and_do_not_move_in_the_limit():
    who = Fleet(num_clients=3, clients_per_round=3, passes=50).rounds(1, seed=0)[0]

    def moved(rule):
        model = Point([1.0, -2.0])
        FederatedTrainer(model, wells(), loss=quadratic, rule=rule, seed=0).round(who)
        return float((model.w.detach() - torch.tensor([1.0, -2.0], dtype=torch.float64)).norm())

    distances = [moved(fed_prox(0.1, mu=mu, batch_size=None, is_exact=True)) for mu in (0.0, 0.1, 1.0, 10.0, 1e3, 1e9)]
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > 0.5
    assert distances[-1] < 1e-8
    assert moved(fed_prox(1e-9, mu=1e9, batch_size=None)) < 1e-8, "by its gradient, at a rate that does not overshoot"
    with pytest.raises(UsageError, match="expected at most 1"):
        fed_prox(0.1, mu=1e9)


def test_clients_are_weighted_by_their_samples():
    model = Point([0.0, 0.0])
    clients = [(torch.ones(30, 2, dtype=torch.float64),), (-torch.ones(10, 2, dtype=torch.float64),)]
    trainer = FederatedTrainer(
        model,
        clients,
        loss=lambda model, batch: ((model.w - batch[0]) ** 2).sum(1).mean() / 2,
        rule=fed_avg(1.0, batch_size=None),
        seed=0,
    )
    trainer.round(Fleet(num_clients=2, clients_per_round=2, passes=1).rounds(1, seed=0)[0])
    torch.testing.assert_close(model.w.detach(), torch.tensor([0.5, 0.5], dtype=torch.float64))  # 0.75 - 0.25


def test_running_averages_are_averaged_and_frozen_weights_stay():
    clients = some_clients()
    who = Participation(0, (1, 3), (2, 2), (False, False))
    both, _ = trained(fed_avg(RATE), [who])
    alone = [trained(fed_avg(RATE), [Participation(0, (k,), (2,), (False,))])[0] for k in who.clients]
    n = [len(clients[k][0]) for k in who.clients]
    for name in ("norm.running_mean", "norm.running_var", "first.weight", "norm.weight", "out.bias"):
        expected = sum(m * net.state_dict()[name] for m, net in zip(n, alone, strict=True)) / sum(n)
        torch.testing.assert_close(both.state_dict()[name], expected, rtol=1e-12, atol=1e-14)
    assert torch.equal(both.frozen.weight, UsersNet().frozen.weight)
    assert both.training


def test_batches_are_those_of_the_round_and_the_client_whoever_else_takes_part():
    seen = []

    def watched(model, batch):
        seen.append(batch[0][:, 0].tolist())
        return loss(model, batch)

    def batches(rule, who):
        seen.clear()
        FederatedTrainer(UsersNet(), some_clients(), loss=watched, rule=rule, seed=7).round(who)
        return list(seen)

    long = batches(fed_avg(RATE, batch_size=4), Participation(5, (2,), (4,), (False,)))
    short = batches(fed_prox(RATE, mu=1.0, batch_size=4), Participation(5, (2,), (2,), (True,)))
    assert short == long[:6], "a straggler's passes are the first of those it would have made"
    with_others = batches(fed_avg(RATE, batch_size=4), Participation(5, (0, 2), (1, 4), (False, False)))
    assert with_others[2:] == long
    assert batches(fed_avg(RATE, batch_size=4), Participation(6, (2,), (4,), (False,))) != long
    flat = [sorted(value for batch in long[3 * i : 3 * i + 3] for value in batch) for i in range(4)]
    assert flat == [sorted(some_clients()[2][0][:, 0].tolist())] * 4, "each pass sees each sample once"
    assert [len(batch) for batch in long[:3]] == [4, 4, 4]


def test_a_round_that_fails_leaves_the_servers_model():
    calls = []

    def failing(model, batch):
        calls.append(1)
        if len(calls) > 5:
            raise RuntimeError("out of memory")
        return loss(model, batch)

    model = UsersNet()
    model.eval()
    trainer = FederatedTrainer(model, some_clients(), loss=failing, rule=fed_avg(RATE), seed=0)
    with pytest.raises(RuntimeError, match="out of memory"):
        trainer.round(Fleet(**FLEET).rounds(1, seed=0)[0])
    assert same(model, UsersNet())


def test_the_global_generators_are_untouched_and_the_same_seeds_give_the_same_bits():
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002 (what must not move)
    rounds = Fleet(**FLEET, straggler_frac=0.5).rounds(3, seed=1)
    assert rounds == Fleet(**FLEET, straggler_frac=0.5).rounds(3, seed=1)
    rule = fed_prox(RATE, mu=0.1, batch_size=4)
    assert same(trained(rule, rounds)[0], trained(rule, rounds)[0])
    assert not same(trained(rule, rounds)[0], trained(rule, rounds, seed=8)[0])
    with torch.no_grad():
        assert same(trained(rule, rounds)[0], trained(rule, rounds)[0]), "gradients are taken inside no_grad too"
    assert torch.equal(torch_state, torch.get_rng_state())
    assert all(np.array_equal(a, b) for a, b in zip(numpy_state, np.random.get_state(), strict=True))  # noqa: NPY002


@settings(max_examples=40, deadline=None)
@given(
    num=st.integers(1, 30),
    data=st.data(),
    passes=st.integers(2, 20),
    fracs=st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)),
    seed=st.integers(0, 2**40),
)
def test_fleets_of_more_stragglers_have_the_same_clients_and_keep_those_that_straggle(num, data, passes, fracs, seed):
    asked = data.draw(st.integers(1, num))
    few, many = (
        Fleet(num_clients=num, clients_per_round=asked, passes=passes, straggler_frac=frac).rounds(3, seed=seed)
        for frac in sorted(fracs)
    )
    for less, more, frac in zip(few, many, [min(fracs)] * 3, strict=True):
        assert less.clients == more.clients
        assert len(set(less.clients)) == asked
        assert sum(less.is_straggler) == asked - round(asked * (1.0 - frac))
        for slow, part, slow_too, part_too in zip(
            less.is_straggler, less.passes, more.is_straggler, more.passes, strict=True
        ):
            assert (1 <= part < passes) if slow else part == passes
            assert not slow or (slow_too and part_too == part)


def test_clients_stragglers_and_their_passes_are_uniform():
    rounds = Fleet(num_clients=10, clients_per_round=4, passes=6, straggler_frac=0.5).rounds(3000, seed=0)
    selected = Counter(client for who in rounds for client in who.clients)
    slow = Counter(c for who in rounds for c, is_slow in zip(who.clients, who.is_straggler, strict=True) if is_slow)
    parts = Counter(n for who in rounds for n, is_slow in zip(who.passes, who.is_straggler, strict=True) if is_slow)
    for counts, values, draws in ((selected, range(10), 12000), (slow, range(10), 6000), (parts, range(1, 6), 6000)):
        share = 1.0 / len(values)
        deviation = (draws * share * (1.0 - share)) ** 0.5
        assert set(counts) == set(values)
        assert max(abs(counts[value] - draws * share) for value in values) < 4.0 * deviation


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: Fleet(num_clients=3, clients_per_round=4), "4 clients were asked for in a round; expected 1 to 3"),
        (lambda: Fleet(num_clients=30, straggler_frac=1.5), "straggler_frac=1.5"),
        (lambda: Fleet(num_clients=30, passes=1, straggler_frac=0.5), "2 or more where some finish only a part"),
        (lambda: Fleet(num_clients=30, passes=0), "passes=0"),
        (lambda: fed_avg(0.0), "learning_rate=0.0"),
        (lambda: fed_prox(0.1, mu=-1.0), "mu=-1.0"),
        (lambda: fed_avg(0.1, batch_size=0), "batch_size=0"),
        (lambda: Rule(learning_rate=float("nan")), "learning_rate=nan"),
        (lambda: trained(fed_avg(0.1), [], clients=[]), "There are 0 clients"),
        (lambda: trained(fed_avg(0.1), [], model=UsersNet().requires_grad_(False)), "0 parameters"),
        (lambda: trained(fed_avg(0.1), [], clients=[(torch.ones(2), torch.ones(3))]), "Client 0 has tensors of [2, 3]"),
        (lambda: trained(fed_avg(0.1), [], clients=[(torch.ones(0, 3),)]), "tensors of [0] rows"),
        (lambda: trained(fed_avg(0.1), [Participation(2, (9,), (1,), (False,))]), "Round 2 asks 1 passes of client 9"),
        (lambda: trained(fed_avg(0.1), [Participation(2, (1,), (0,), (False,))]), "asks 0 passes of client 1"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(made, words):
    with pytest.raises(UsageError) as caught:
        made()
    assert words in str(caught.value)


def test_a_loss_per_sample_is_refused():
    trainer = FederatedTrainer(
        UsersNet(),
        some_clients(),
        loss=lambda model, batch: functional.cross_entropy(model(batch[0]), batch[1], reduction="none"),
        rule=fed_avg(0.1, batch_size=4),
        seed=0,
    )
    with pytest.raises(UsageError, match=r"shape \(4,\); expected a scalar"):
        trainer.round(Participation(0, (0,), (1,), (False,)))
