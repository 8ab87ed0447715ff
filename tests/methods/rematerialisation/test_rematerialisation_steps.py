"""Training steps of users' models under schedules: gradients to the last bit, and tensors counted one by one."""

from __future__ import annotations

import copy
import math

import pytest

torch = pytest.importorskip("torch", reason="these methods need torch")

from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from cupel.methods.rematerialisation.live_bytes import LiveBytes
from cupel.methods.rematerialisation.schedule import Schedule, keep_all
from cupel.methods.rematerialisation.segments import leanest_segments, segment_schedule
from cupel.methods.rematerialisation.solve import SolverOptions, cheapest_schedule
from cupel.methods.rematerialisation.training_step import TrainingStep
from cupel.spec.errors import UsageError


class Residual(nn.Module):
    """Convolutions around which results go: batch norm, in-place functions, pooling, dropout."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.second, self.norm2 = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.act, self.drop, self.last = nn.ReLU(inplace=True), nn.Dropout(0.3), nn.Linear(4, 5)

    def forward(self, x):
        x = self.act(self.norm(self.first(x)))
        x = self.act(self.norm2(self.second(x)) + x)
        return self.last(self.drop(functional.max_pool2d(x, 2)).mean((2, 3)))


class Tied(nn.Module):
    """Two layers with one weight, one that is frozen, one that is never used, and a tensor that is no parameter."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.out, self.spare = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3), nn.Linear(2, 2)
        self.two.weight = self.one.weight
        self.out.bias.requires_grad_(False)
        self.shift = torch.linspace(0, 1, 6)

    def forward(self, x):
        return self.out(torch.tanh(self.two(torch.relu(self.one(x) + self.shift))))


class Forked(nn.Module):
    """A small U: what goes down is joined, by concatenation, with what comes up; parts are cut out of a whole."""

    def __init__(self):
        super().__init__()
        self.down, self.deep, self.up = nn.Linear(6, 8), nn.Linear(4, 4), nn.Linear(12, 6)

    def forward(self, x):
        left, right = functional.gelu(self.down(x)).chunk(2, dim=-1)
        deep = torch.sigmoid(self.deep(right)) * left
        return self.up(torch.cat([left, deep, right], dim=-1)).softmax(-1)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells, self.out = nn.LSTM(6, 5, batch_first=True), nn.Linear(5, 6)

    def forward(self, x):
        return self.out(self.cells(x)[0])


def squares(model, x, y):
    return (model(x) - y).square().mean()


def entropy(model, x, y):
    return functional.cross_entropy(model(x), y)


def in_half(model, x, y):
    with torch.autocast("cpu", torch.bfloat16):
        return squares(model, x, y)


def made(seed, kind, *shapes):
    """A model and its inputs, from a seed."""
    torch.manual_seed(seed)
    return kind(), [torch.randn(shape) for shape in shapes]


def attention():
    return nn.TransformerEncoderLayer(8, 2, 12, dropout=0.2, batch_first=True)


def plain():
    return nn.Sequential(*[m for _ in range(4) for m in (nn.Linear(6, 6), nn.Tanh())])


MODELS = {
    "plain": (plain, squares, [(8, 6), (8, 6)]),
    "plain under autocast": (plain, in_half, [(8, 6), (8, 6)]),
    "tied": (Tied, squares, [(8, 6), (8, 3)]),
    "forked": (Forked, squares, [(8, 6), (8, 6)]),
    "attention": (attention, squares, [(2, 5, 8), (2, 5, 8)]),
    "recurrent": (Recurrent, squares, [(3, 4, 6), (3, 4, 6)]),
    "residual": (Residual, entropy, [(6, 3, 8, 8)]),
}


def case(name):
    kind, loss, shapes = MODELS[name]
    model, inputs = made(0, kind, *shapes)
    return model, loss, inputs if len(shapes) > 1 else [*inputs, torch.arange(6) % 5]


def by_autograd(model, loss, inputs, seed=5):
    """Loss, gradients, generator afterwards and most bytes alive, of an ordinary step on a copy."""
    model = copy.deepcopy(model)
    torch.manual_seed(seed)
    with LiveBytes() as live:
        value = loss(model, *inputs)
        value.backward()
    gradients = {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
    peak = live.peak_bytes(but=[value, *(g for g in gradients.values() if g is not None)])
    return model, value.detach(), gradients, torch.get_rng_state(), peak


def planned(model, loss, inputs):
    """A step whose bytes are known, with costs that are the same each time."""
    step = TrainingStep(model, loss, inputs)
    return step.sized(*inputs) if step.has_unknown_sizes else step


def some_schedules(graph):
    """Keeping all, the leanest by segments, one between, and where it is quick one by the program."""
    lean = leanest_segments(graph)
    found = [keep_all(graph), lean, segment_schedule(graph, [graph.num_forward // 2])]
    if graph.num_ops <= 12:
        options = SolverOptions(gap=0.1, recompute="forward")
        found.append(cheapest_schedule(graph, lean.peak_bytes, options=options).schedule)
    return found


@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_autograds_and_counted_bytes_are_the_schedules(name):
    model, loss, inputs = case(name)
    expected, value, gradients, generator, _ = by_autograd(model, loss, inputs)
    step, before = planned(model, loss, inputs), copy.deepcopy(model.state_dict())
    for units in (step, step.in_units(12)):
        for schedule in some_schedules(units.graph):
            model.load_state_dict(before)
            torch.manual_seed(5)
            with LiveBytes() as live:
                ran = units.run_under(schedule, *inputs)
            assert torch.equal(ran.loss, value)
            assert ran.gradients.keys() == gradients.keys()
            for key, gradient in gradients.items():
                assert (gradient is None) == (ran.gradients[key] is None)
                assert gradient is None or torch.equal(gradient, ran.gradients[key]), key
            assert torch.equal(torch.get_rng_state(), generator)
            for one, other in zip(model.buffers(), expected.buffers(), strict=True):
                assert torch.equal(one, other)
            given = [ran.loss, *(g for g in ran.gradients.values() if g is not None)]
            unknown = 4 * 20 if name == "recurrent" else 0  # torch takes two bias gradients of a kernel for one tensor
            assert 0 <= live.peak_bytes(but=given) - schedule.peak_bytes <= unknown


def test_keeping_all_holds_what_autograd_holds():
    for name in ("plain", "residual", "forked"):
        model, loss, inputs = case(name)
        peak = by_autograd(model, loss, inputs)[4]
        assert 0.6 * peak < keep_all(TrainingStep(model, loss, inputs).graph).peak_bytes <= peak


def test_a_schedule_holds_less_than_torchs_own_checkpointing_can_show():
    model, inputs = made(1, plain, (64, 6), (64, 6))
    halves = model[:4], model[4:]

    def checkpointed(model, x, y):
        del model
        x = checkpoint(halves[0], x, use_reentrant=False)
        return (checkpoint(halves[1], x, use_reentrant=False) - y).square().mean()

    with LiveBytes() as live:
        checkpointed(model, *inputs).backward()
    theirs = live.peak_bytes(but=[p.grad for p in model.parameters()])
    assert leanest_segments(TrainingStep(model, squares, inputs).graph).peak_bytes < theirs


def test_dropout_draws_the_same_when_it_is_computed_again():
    model, loss, inputs = case("residual")
    step = TrainingStep(model, loss, inputs)
    graph = step.graph
    drawing = [i for i, name in enumerate(graph.names) if "bernoulli_" in name]
    assert drawing
    lean = leanest_segments(graph)
    order = [*range(graph.num_forward), *range(graph.num_forward), *range(graph.num_forward, graph.num_ops)]
    assert all(order.count(i) == 2 for i in drawing)
    torch.manual_seed(5)
    once = step.run_under(keep_all(graph), *inputs)
    torch.manual_seed(5)
    twice = step.run_under(Schedule(graph, order), *inputs)
    other = step.run_under(lean, *inputs)
    assert all(torch.equal(once.gradients[k], twice.gradients[k]) for k in once.gradients)
    assert not torch.equal(once.loss, other.loss)  # the next draw


def test_planning_leaves_the_model_and_the_generators_alone():
    model, loss, inputs = case("residual")
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    step = TrainingStep(model, loss, inputs).measured(*inputs, repeats=1)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(x, before[k]) for k, x in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert model.training
    assert all(0 <= cost < math.inf for cost in step.graph.costs)
    assert step.graph.total_cost > 0


def test_gradients_have_memory_of_their_own():
    model = nn.Linear(3, 1)
    x = torch.ones(2, 3)
    step = TrainingStep(model, lambda model, x: model(x).sum() + (model.weight * x).sum(), [x])
    loss, gradients = step.run_under(keep_all(step.graph), x)
    for gradient in gradients.values():
        gradient.mul_(0.0)
    assert torch.equal(x, torch.ones(2, 3))
    assert float(loss) != 0.0


def test_fewer_units_are_the_same_step_with_less_to_choose():
    model, loss, inputs = case("attention")
    step = TrainingStep(model, loss, inputs)
    sizes = [step.in_units(most).graph for most in (60, 20, 8)]
    assert [graph.num_ops for graph in sizes] == [60, 20, 8]
    for graph in sizes:
        assert graph.total_cost == pytest.approx(step.graph.total_cost)
        assert graph.floor_bytes >= step.graph.floor_bytes
        assert leanest_segments(graph).peak_bytes >= step.graph.floor_bytes
    assert step.results_bytes == 4 * (1 + sum(p.numel() for p in model.parameters()))


def test_costs_are_the_products_and_the_bytes_that_are_moved():
    model = nn.Sequential(nn.Linear(10, 20, bias=False))
    step = TrainingStep(model, lambda model, x: model(x).sum(), [torch.ones(5, 10)])
    product = next(c for c, name in zip(step.graph.costs, step.graph.names, strict=True) if name == "mm")
    assert product == 2 * 5 * 10 * 20 + 10.0 * 4 * (5 * 10 + 10 * 20 + 5 * 20)


class Averaging(nn.Module):
    """Its result depends on a buffer that it writes."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 6)
        self.register_buffer("mean", torch.zeros(6))

    def forward(self, x):
        self.mean.mul_(0.9).add_(x.mean(0).detach(), alpha=0.1)
        return self.layer(x - self.mean)


class Counting(nn.Module):
    """It writes a buffer that its result does not depend on."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 6)
        self.register_buffer("mean", torch.zeros(6))

    def forward(self, x):
        x = torch.tanh(self.layer(x))
        self.mean.mul_(0.9).add_(x.mean(0).detach(), alpha=0.1)
        return x


def test_a_kernel_that_keeps_more_than_torch_says_is_found_out():
    model, loss, inputs = case("recurrent")
    step = TrainingStep(model, loss, inputs)
    assert step.has_unknown_sizes
    with pytest.raises(UsageError, match=r"was planned to make 0 bytes and made .* Plan from"):
        step.run_under(keep_all(step.graph), *inputs)
    assert not TrainingStep(*case("plain")).has_unknown_sizes


def test_running_averages_of_ones_own_move_once():
    model, inputs = made(2, Counting, (4, 6), (4, 6))
    expected = by_autograd(model, squares, inputs)[0].mean
    step = TrainingStep(model, squares, inputs)
    graph = step.graph
    step.run_under(
        Schedule(
            graph, [*range(graph.num_forward), *range(graph.num_forward), *range(graph.num_forward, graph.num_ops)]
        ),
        *inputs,
    )
    assert torch.equal(model.mean, expected)


@pytest.mark.parametrize(
    ("kind", "loss", "words"),
    [
        (Averaging, squares, "writes into the buffer 'mean' and its result depends on it"),
        (plain, lambda m, x, y: squares(m, x.mul_(2.0), y), "in place; expected writes into buffers alone"),
        (plain, lambda m, x, y: squares(m, x, y) if m(x).sum().item() > 0 else x.sum(), "do not depend on values"),
        (plain, lambda m, x, y: m(x)[y > 0].sum(), "do not depend on values"),
        (plain, lambda m, x, y: m(x) - y, "The loss gave (4, 6); expected a tensor with one element"),
        (plain, lambda *given: given[2].sum(), "could not be written down"),
        (plain, lambda *given: float(len(given)), "The loss gave float"),
    ],
)
def test_steps_that_cannot_be_scheduled_are_refused_in_words(kind, loss, words):
    model, inputs = made(3, kind, (4, 6), (4, 6))
    with pytest.raises(UsageError) as caught:
        TrainingStep(model, loss, inputs)
    assert words in str(caught.value)


def test_a_step_is_run_only_as_it_was_planned():
    model, inputs = made(3, Residual, (4, 3, 8, 8))
    inputs.append(torch.arange(4))
    step = TrainingStep(model, entropy, inputs)
    schedule = keep_all(step.graph)
    with pytest.raises(UsageError, match="another graph"):
        step.run_under(keep_all(step.in_units(5).graph), *inputs)
    with pytest.raises(UsageError, match="input 0"):
        step.run_under(schedule, inputs[0][:2], inputs[1])
    model.eval()
    with pytest.raises(UsageError, match="in training: True; found False"):
        step.run_under(schedule, *inputs)
    model.train()
    model.last.weight.requires_grad_(False)
    with pytest.raises(UsageError, match=r"parameter last\.weight"):
        step.run_under(schedule, *inputs)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    with pytest.raises(UsageError, match="No parameter of the model requires a gradient"):
        TrainingStep(model, entropy, inputs)
    with pytest.raises(UsageError, match="inputs holds a list"):
        TrainingStep(plain(), squares, [[1.0], inputs[0]])


def test_bytes_alive_are_counted_from_first_to_last_reference():
    with LiveBytes() as live:
        kept = torch.zeros(10)
        view = kept[2:]
        gone = kept + 1.0
        del gone, kept
        more = view * 2.0
    assert live.peak_bytes() == 80
    assert live.peak_bytes(but=[more]) == 80
    assert live.peak_bytes(but=[view]) == 40
