"""Gradients by scan are those of backward(), for chains and cells of the user's own."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="these methods need torch")

from torch import nn

from cupel.methods.jacobian_scan import SCANS
from cupel.methods.parallel_scan_backprop import chain_gradient, gradient_from_states, recurrent_gradient
from cupel.spec.errors import UsageError

DOUBLE = torch.float64


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


def made(module, seed=0):
    """A module with weights of a seed, without a draw from the global generator."""
    for number, parameter in enumerate(module.double().parameters()):
        parameter.data = normal(*parameter.shape, seed=seed + number) / math.sqrt(parameter.shape[-1])
    return module


def linear(*sizes, seed=0):
    with torch.random.fork_rng():
        return made(nn.Linear(*sizes), seed)


def agree(found, parameters, *, tolerance=1e-11):
    """The gradients found are those in `.grad`."""
    pairs = {id(parameter): gradient for parameter, gradient in found.parameters}
    assert set(pairs) == {id(parameter) for parameter in parameters}
    for parameter in parameters:
        torch.testing.assert_close(pairs[id(parameter)], parameter.grad, rtol=tolerance, atol=tolerance)


class Readout(nn.Module):
    """A user's loss with weights of its own."""

    def __init__(self, width):
        super().__init__()
        self.out = linear(width, 1, seed=50)

    def forward(self, state):
        return self.out(state[0] if isinstance(state, tuple) else state).square().mean()


@pytest.mark.parametrize("scan", SCANS)
def test_a_chain_of_many_widths_with_shared_and_frozen_parts(scan):
    shared = linear(4, 4, seed=20)
    net = [linear(3, 5), nn.Tanh(), linear(5, 4, seed=7), shared, torch.sin, shared, linear(4, 2, seed=9)]
    net[2].bias.requires_grad_(False)
    loss, x = Readout(2), normal(6, 3, seed=1).requires_grad_()
    found = chain_gradient(net, x, loss=loss, scan=scan)
    nodes = [x]
    for step in net:
        nodes.append(step(nodes[-1]))
        nodes[-1].retain_grad()
    value = loss(nodes[-1])
    value.backward()
    torch.testing.assert_close(found.loss, value.detach())
    for mine, node in zip(found.nodes, nodes, strict=True):
        torch.testing.assert_close(mine, node.grad, rtol=1e-11, atol=1e-13)
    modules = nn.ModuleList([step for step in net if isinstance(step, nn.Module)] + [loss])
    agree(found, [parameter for parameter in modules.parameters() if parameter.requires_grad])


def test_a_convolutional_chain():
    with torch.random.fork_rng():
        net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Softplus(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3))
    net, x = made(net), normal(4, 1, 6, 6, seed=2)
    y = torch.tensor([0, 2, 1, 1])
    found = chain_gradient(net, x, loss=lambda scores: nn.functional.cross_entropy(scores, y))
    nn.functional.cross_entropy(net(x), y).backward()
    agree(found, list(net.parameters()))
    assert [tuple(node.shape) for node in found.nodes] == [
        (4, 1, 6, 6), (4, 2, 4, 4), (4, 2, 4, 4), (4, 2, 2, 2), (4, 8), (4, 3)
    ]  # fmt: skip
    assert found.steps == 2 * math.ceil(math.log2(5))


class Leaky(nn.Module):
    """A user's recurrent cell over letters."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            self.letters = nn.Embedding(5, 4)
        self.mix = linear(4, 4)
        made(self)

    def forward(self, letter, state):
        return 0.9 * state + 0.3 * torch.tanh(self.mix(state) * state + self.letters(letter))


def cell_of(kind):
    with torch.random.fork_rng():
        return made(kind(3, 4))


@pytest.mark.parametrize("scan", SCANS)
@pytest.mark.parametrize("kind", [nn.RNNCell, nn.GRUCell, nn.LSTMCell], ids=lambda kind: kind.__name__)
def test_cells_of_torch(kind, scan):
    cell, inputs = cell_of(kind), normal(13, 2, 3, seed=3).requires_grad_()
    state = normal(2, 4, seed=4)
    if kind is nn.LSTMCell:
        state = (state, normal(2, 4, seed=5))
    loss = Readout(4)
    found = recurrent_gradient(cell, inputs, state=state, loss=loss, scan=scan)
    now, states = state, []
    for each in inputs:
        now = cell(each, now)
        states.append(torch.cat(now, -1) if isinstance(now, tuple) else now)
        states[-1].retain_grad()
        now = states[-1].split(4, dim=-1) if isinstance(now, tuple) else states[-1]
    value = loss(now)
    value.backward()
    torch.testing.assert_close(found.loss, value.detach())
    agree(found, [*cell.parameters(), *loss.parameters()])
    torch.testing.assert_close(found.inputs, inputs.grad, rtol=1e-11, atol=1e-14)
    for mine, node in zip(found.nodes[1:], states, strict=True):
        torch.testing.assert_close(mine, node.grad, rtol=1e-11, atol=1e-14)


def test_a_users_own_cell_learns_by_it():
    cell, letters = Leaky(), torch.randint(5, (20, 3), generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.SGD(cell.parameters(), lr=0.1)
    seen = []
    for _ in range(15):
        optimizer.zero_grad()
        found = recurrent_gradient(
            cell, letters, state=torch.zeros(3, 4, dtype=DOUBLE), loss=lambda h: (h - 1.0).square().sum()
        )
        found.add_to_grads()
        optimizer.step()
        seen.append(float(found.loss))
    assert found.inputs is None  # letters have no gradient
    assert seen[-1] < 0.1 * seen[0]
    state = torch.zeros(3, 4, dtype=DOUBLE)
    cell.zero_grad()
    for each in letters:
        state = cell(each, state)
    (state - 1.0).square().sum().backward()
    again = recurrent_gradient(
        cell, letters, state=torch.zeros(3, 4, dtype=DOUBLE), loss=lambda h: (h - 1.0).square().sum()
    )
    agree(again, list(cell.parameters()))


def test_gradients_add_up_and_nothing_else_is_changed():
    cell, inputs = cell_of(nn.GRUCell), normal(4, 2, 3)
    state, weights = torch.get_rng_state(), [parameter.detach().clone() for parameter in cell.parameters()]
    with torch.no_grad():
        found = recurrent_gradient(cell, inputs, state=normal(2, 4), loss=torch.sum)
    assert all(parameter.grad is None for parameter in cell.parameters())
    found.add_to_grads()
    found.add_to_grads()
    for parameter, gradient in found.parameters:
        torch.testing.assert_close(parameter.grad, 2.0 * gradient)
    assert all(torch.equal(a, b) for a, b in zip(weights, cell.parameters(), strict=True))
    assert torch.equal(state, torch.get_rng_state())


class Closed(nn.RNNCell):
    """A cell that knows its Jacobian."""

    def state_jacobian(self, inputs, state, next_state):
        assert inputs.shape[:1] == state.shape[:1]
        return (1.0 - next_state.square())[:, :, None] * self.weight_hh


def test_a_cells_own_jacobian_is_used():
    cell, inputs = cell_of(Closed), normal(9, 2, 3)
    found = recurrent_gradient(cell, inputs, state=normal(2, 4), loss=torch.sum)
    state = normal(2, 4)
    for each in inputs:
        state = cell(each, state)
    state.sum().backward()
    agree(found, list(cell.parameters()))
    cell.state_jacobian = lambda *_: torch.zeros(18, 4, 4, dtype=DOUBLE)
    assert not bool(recurrent_gradient(cell, inputs, state=normal(2, 4), loss=torch.sum).nodes[0].any())


def test_states_of_a_fused_kernel_do_as_well():
    with torch.random.fork_rng():
        fused, cell = made(nn.RNN(3, 4)), nn.RNNCell(3, 4)
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        setattr(cell, name, getattr(fused, f"{name}_l0"))
    inputs, loss = normal(11, 2, 3, seed=3), Readout(4)
    outputs, _ = fused(inputs)
    loss(outputs[-1]).backward()
    states = torch.cat([torch.zeros(1, 2, 4, dtype=DOUBLE), outputs])
    found = gradient_from_states(cell, inputs, states=states, loss=loss)
    agree(found, [*fused.parameters(), *loss.parameters()])


def test_the_parallel_part_is_parallel():
    """Beyond the forward pass, a cell is called as often whatever the number of time steps."""
    calls = []

    class Counting(nn.RNNCell):
        def forward(self, given, state):
            calls.append(len(state))
            return super().forward(given, state)

    cell = cell_of(Counting)
    for num in (3, 30):
        calls.clear()
        recurrent_gradient(cell, normal(num, 2, 3), state=normal(2, 4), loss=torch.sum)
        assert len(calls) == num + 2


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (lambda: chain_gradient([], normal(2, 3), loss=torch.sum), "empty chain"),
        (lambda: chain_gradient([linear(3, 2)], normal(2, 3), loss=lambda y: y), "The loss is a tensor (2, 2)"),
        (lambda: chain_gradient([linear(3, 2)], normal(2, 3), loss=lambda _: 1.0), "The loss is float"),
        (lambda: chain_gradient([nn.Dropout(0.5)], normal(8, 9), loss=torch.sum), "gave other values"),
        (
            lambda: chain_gradient([lambda x: x - x.mean(0)], normal(4, 3), loss=torch.sum),
            "treat examples apart",
        ),
        (
            lambda: recurrent_gradient(nn.RNNCell(3, 4), normal(0, 2, 3), state=normal(2, 4), loss=torch.sum),
            "0 inputs and 1 states",
        ),
        (
            lambda: gradient_from_states(cell_of(nn.RNNCell), normal(3, 2, 3), states=normal(4, 2, 4), loss=torch.sum),
            "gave other values",
        ),
        (
            lambda: recurrent_gradient(
                lambda x, h: torch.tanh(h + x - h.mean(0)), normal(3, 2, 4), state=normal(2, 4), loss=torch.sum
            ),
            "gave other values",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(asked, words):
    with torch.random.fork_rng(), pytest.raises(UsageError) as caught:
        asked()
    assert words in str(caught.value)
