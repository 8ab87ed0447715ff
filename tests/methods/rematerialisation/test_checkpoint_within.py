"""Training within a budget, and the largest batch that fits, on a model from outside the package."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch", reason="these methods need torch")

from torch import nn

from cupel.methods.rematerialisation import SolverOptions, TrainingStep, checkpoint_within, keep_all
from cupel.methods.rematerialisation.largest_batch import bisect_largest, largest_batch
from cupel.methods.rematerialisation.live_bytes import LiveBytes
from cupel.methods.rematerialisation.segments import leanest_segments
from cupel.spec.errors import UsageError

QUICK = SolverOptions(seconds=1.0, gap=0.2, nodes=1, recompute="forward")


class Skipping(nn.Module):
    """Wide and narrow layers in turn, with results that go around them."""

    def __init__(self):
        super().__init__()
        self.enter, self.wide = nn.Linear(6, 12), nn.Linear(12, 12)
        self.back, self.drop = nn.Linear(12, 6), nn.Dropout(0.1)

    def forward(self, x):
        x = x + self.back(torch.tanh(self.wide(torch.tanh(self.enter(x)))))
        return self.drop(x)


def squares(model, x, y):
    return (model(x) - y).square().mean()


def batch(rows=32):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(rows, 6, generator=generator) for _ in range(2)]


def test_training_within_a_budget_is_the_same_training():
    torch.manual_seed(0)
    model, inputs = Skipping(), batch()
    other = copy.deepcopy(model)
    most = keep_all(TrainingStep(model, squares, inputs).graph).peak_bytes
    budget = 0.8 * most
    step = checkpoint_within(model, squares, inputs=inputs, budget_bytes=budget, options=QUICK)
    assert step.schedule.peak_bytes <= budget
    assert step.schedule.extra_cost > 0
    ours, theirs = (torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9) for m in (model, other))
    for turn in range(3):
        ours.zero_grad(set_to_none=turn == 1)
        theirs.zero_grad(set_to_none=turn == 1)
        torch.manual_seed(turn)
        with LiveBytes() as live:
            loss = step.backward(*inputs)
        torch.manual_seed(turn)
        expected = squares(other, *inputs)
        expected.backward()
        ours.step()
        theirs.step()
        assert torch.equal(loss, expected.detach())
        results = [loss, *(p.grad for p in model.parameters())]
        if turn == 1:  # gradients became the parameters' own, so that they can be told apart
            assert live.peak_bytes(but=results) <= budget
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_gradients_are_added_to_those_there_are():
    model, inputs = Skipping().eval(), batch()
    step = checkpoint_within(model, squares, inputs=inputs, budget_bytes=1e9)
    assert step.schedule.num_recomputed == 0
    step.backward(*inputs)
    once = [p.grad.clone() for p in model.parameters()]
    step.backward(*inputs)
    for gradient, parameter in zip(once, model.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, 2 * gradient)


def test_what_does_not_fit_is_said_with_what_would():
    model, inputs = Skipping(), batch()
    graph = TrainingStep(model, squares, inputs).graph
    with pytest.raises(UsageError) as caught:
        checkpoint_within(model, squares, inputs=inputs, budget_bytes=graph.floor_bytes / 2, options=QUICK)
    for number in (graph.floor_bytes / 2, keep_all(graph).peak_bytes, graph.floor_bytes):
        assert f"{number:,.0f}" in str(caught.value)
    with pytest.raises(UsageError, match="budget_bytes is -1"):
        checkpoint_within(model, squares, inputs=inputs, budget_bytes=-1)


def test_the_largest_batch_fits_and_is_not_below_that_of_segments():
    model, budget = Skipping(), 20_000.0
    data = torch.randn(1000, 6)

    def inputs_of(rows):
        return [data[:rows], torch.zeros(rows, 6)]

    found = largest_batch(model, squares, inputs_of=inputs_of, budget_bytes=budget, options=QUICK)
    assert found.segments_batch <= found.batch <= found.bound
    assert found.input_bytes == found.batch * 2 * 6 * 4
    assert found.input_bytes + found.peak_bytes <= budget
    everything = TrainingStep(model, squares, inputs_of(found.batch)).graph
    assert keep_all(everything).peak_bytes + found.input_bytes > budget  # autograd could not
    assert found.extra_cost <= everything.forward_cost / everything.total_cost
    above = TrainingStep(model, squares, inputs_of(found.segments_batch + 1)).graph
    most = above.total_cost + above.forward_cost
    taken = (found.segments_batch + 1) * 2 * 6 * 4
    assert leanest_segments(above, most_cost=most).peak_bytes + taken > budget
    beyond = TrainingStep(model, squares, inputs_of(found.bound + 1)).graph
    assert beyond.floor_bytes + (found.bound + 1) * 2 * 6 * 4 > budget
    with pytest.raises(UsageError, match="a batch of 1 takes"):
        largest_batch(model, squares, inputs_of=inputs_of, budget_bytes=100.0)


def test_bisection_finds_the_edge_with_few_questions():
    asked = []

    def fits(number):
        asked.append(number)
        return number <= 700

    assert bisect_largest(fits, 3, 1000) == 700
    assert len(asked) <= 10
    assert bisect_largest(fits, 5, 5) == 5
    assert bisect_largest(lambda _: False, 0, 9) == 0
    assert 686 <= bisect_largest(fits, 3, 1000, precision=0.02) <= 700
