"""Back-propagation through time by a parallel scan, against the fused kernel that goes back step by step.

What is claimed: the gradient of a chain of T steps needs about 2 log2(T) dependent products in place of T, is the same
to rounding, and takes less time where processors are idle for want of parallel work.

Terms: T `steps`, B `batch`, h `hidden`. `gradient_error`: the largest relative difference from autograd, in float64, of
the gradients at all nodes, of parameters and of inputs, of RNN, GRU and LSTM cells and both scans. `steps_share`:
dependent products as a share of 2 ceil(log2(T + 1)). Timed are gradients of one batch. `method` and `baseline` go back
alone: the states of the forward pass are there. `training` and `fused_training` run forward as well, both by the fused
kernel. `crowded` has 16 examples at once. `own_cell` is a cell that no fused kernel knows, where autograd goes back
through a Python loop; both run it forward in one.

What a reader should know
    Work grows from T B h^2 to T B h^3, so what is shown holds for narrow layers and few examples. The closed form of
    the Jacobian is used, as in the paper, but for `own_cell`. The fused kernel is cuDNN's on a GPU, and on a CPU
    torch's loop in C++ with its autograd. On one core of an EPYC (h = 20, T = 1000) nothing runs in parallel, and what
    is gained is the cost of a thousand small calls: two runs here gave 2.0 and 2.8 times the speed going back with 2
    examples, 2.0 and 1.8 with the forward pass, 2.6 twice for the own cell, but 0.4 and 0.3 with 16 examples, where
    arithmetic counts. At `full` the same is asked of an accelerator, for which the claim was made; a CPU is refused
    there. The paper's ratios are "up to".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from cupel.methods.parallel_scan_backprop import gradient_from_states, recurrent_gradient
from cupel.spec.claim import Claim
from cupel.spec.errors import UnsupportedError
from cupel.spec.outcome import Outcome
from cupel.spec.protocols import Done, Step
from cupel.spec.seeds import Seeds
from cupel.tasks.bit_streams import NUM_CLASSES, bit_streams, drawn_module
from cupel.tasks.sparse_batches import relative_error
from cupel.tasks.through_time import gradients_through_time, squares

CARD = Claim(
    says="Back-propagation as a parallel scan gives the same gradient in some 2 log2(T) dependent steps, and in less "
    "time.",
    source="Wang, Bai, Pekhimenko: BPPSA: Scaling Back-propagation by Parallel Scan Algorithm (MLSys 2020, arXiv "
    "1907.10134)",
    statements=(
        {"name": "same_gradient", "kind": "exact",
            "says": "Gradients by scan are those of autograd in float64.",
            "metric": "gradient_error", "better": "lower", "bar": 1e-10},
        {"name": "logarithmic_steps", "kind": "exact",
            "says": "No more than 2 ceil(log2(T + 1)) products wait for one another.",
            "metric": "steps_share", "better": "lower", "bar": 1.0},
        {"name": "backward_faster", "kind": "speed",
            "says": "Going back by scan is faster than fused back-propagation through time.",
            "metric": "rate", "better": "higher", "unit": "examples/s", "scale": "log"},
        {"name": "training_faster", "kind": "speed",
            "says": "So it is with the forward pass.",
            "metric": "rate", "better": "higher", "unit": "examples/s", "scale": "log",
            "arms": ("training", "fused_training")},
        {"name": "crowded_faster", "kind": "speed",
            "says": "Going back by scan is faster for 16 examples at once, too.",
            "metric": "rate", "better": "higher", "unit": "examples/s", "scale": "log",
            "arms": ("crowded", "fused_crowded")},
        {"name": "own_cell_faster", "kind": "speed",
            "says": "For a cell that no fused kernel knows, forward and back by scan is faster than autograd.",
            "metric": "rate", "better": "higher", "unit": "examples/s", "scale": "log",
            "arms": ("own_cell", "own_cell_autograd")},
    ),
    published="RNN on streams of bits, hidden 20, one GPU: up to 2.75x overall and 8.8x in the backward pass (abstract "
    "in the proceedings), 2.75x and 108x (abstract of arXiv v3).",
    kept="A vanilla RNN of 20 hidden units on streams of bits of ten classes; the scan with its operator the other way "
    "round; T = 1000 with a batch of 2 and of 16.",
    smaller="One core in the place of a GPU at small; at full T = 10,000 on an accelerator. No CUDA kernel: products "
    "are batched ones of torch. GRU on IRMAS and pruned VGG-11 are left out.",
    arms={
        "method": "back by scan from the fused forward pass",
        "baseline": "fused back-propagation through time, backward alone",
        "training": "fused forward pass, and back by scan",
        "fused_training": "fused forward and backward pass",
        "crowded": "back by scan, 16 examples",
        "fused_crowded": "fused backward alone, 16 examples",
        "own_cell": "a cell of one's own forward in a loop, and back by scan",
        "own_cell_autograd": "the same cell by autograd"},
    varies=("instance", "init"), tags=("training", "recurrent"), needs=("torch",),
    tiny={"steps": 30, "batch": 2, "crowd": 3, "hidden": 4, "needs_accelerator": 0, "exact_steps": 20},
    small={"steps": 1000, "batch": 2, "crowd": 16, "hidden": 20, "needs_accelerator": 0, "exact_steps": 150},
    full={"steps": 10_000, "batch": 2, "crowd": 16, "hidden": 20, "needs_accelerator": 1, "exact_steps": 1000},
    memory_gib={"tiny": 0.5, "small": 1.0, "full": 4.0},
)  # fmt: skip

CELLS: Any = (nn.RNNCell, nn.GRUCell, nn.LSTMCell)
SCANS: Any = ("blelloch", "hillis-steele")
Hp: TypeAlias = Mapping[str, Any]


class TanhCell(nn.RNNCell):
    """A cell of a vanilla RNN that knows its Jacobian."""

    def state_jacobian(self, inputs: Tensor, state: Tensor, next_state: Tensor) -> Tensor:  # noqa: ARG002
        """diag(1 - h_t^2) W, for N steps."""
        return (1.0 - next_state.square())[:, :, None] * self.weight_hh


class LeakyCell(nn.RNNCell):
    """A cell of one's own: units that forget at rates which they learn."""

    def forward(self, inputs: Tensor, state: Tensor) -> Tensor:  # type: ignore[override]
        """The next state."""
        keep, given = self.bias_hh.sigmoid(), functional.linear(inputs, self.weight_ih, self.bias_ih)
        return keep * state + (1.0 - keep) * torch.tanh(given + functional.linear(state, self.weight_hh))


def task(sizes: Any, slot: Any, rng: Seeds) -> Any:  # noqa: ARG001 - streams are drawn by the steps
    """The sizes; refused where they are none for a CPU."""
    if sizes.needs_accelerator and slot.device.type == "cpu":
        raise UnsupportedError(
            f"{sizes.steps:,} time steps at once want an accelerator; this is a CPU, which has no processors to spare. "
            "Take --size small, or --device cuda:0."
        )
    return sizes


def _model(sizes: Any, slot: Any, rng: Seeds, kind: type[nn.RNNCell] = TanhCell) -> SimpleNamespace:
    """A recurrent network by the fused kernel, a cell with the same weights, a batch, its first state, and the loss."""
    draw, init = (slot.generator(rng.seed(name)) for name in ("instance", "init"))
    streams, classes = bit_streams(sizes.batch, sizes.steps, draw)
    fused, cell = drawn_module(nn.RNN, 1, sizes.hidden, draw=init), drawn_module(kind, 1, sizes.hidden, draw=init)
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        setattr(cell, name, getattr(fused, f"{name}_l0"))
    readout = drawn_module(nn.Linear, sizes.hidden, NUM_CLASSES, draw=init)
    state = streams.new_zeros(sizes.batch, sizes.hidden)

    def loss(end: Tensor) -> Tensor:
        return functional.cross_entropy(readout(end), classes)

    return SimpleNamespace(fused=fused, cell=cell, streams=streams, state=state, loss=loss)


def _forward(model: SimpleNamespace) -> Tensor:
    """All T + 1 states, (T + 1, B, h), by the fused kernel."""
    return torch.cat([model.state[None], model.fused(model.streams)[0]])


def _step(batch: int, gradient: Callable[[], Tensor]) -> Step:
    """A step of one gradient of a batch; of W, whose length is told in the place of a loss."""
    return lambda: Done(batch, gradient().norm())


def method_step(task: Any, slot: Any, rng: Seeds, hp: Hp) -> Step:  # noqa: ARG001 - nothing to tune, here and below
    """Back by scan."""
    model = _model(task, slot, rng)
    with torch.no_grad():
        states = _forward(model)
    return _step(task.batch, lambda: _by_scan(model, states))


def _by_scan(model: SimpleNamespace, states: Tensor) -> Tensor:
    found = gradient_from_states(model.cell, model.streams, states=states, loss=model.loss)
    return dict(found.parameters)[model.cell.weight_hh]


def baseline_step(task: Any, slot: Any, rng: Seeds, hp: Hp) -> Step:  # noqa: ARG001
    """Back by the fused kernel."""
    model = _model(task, slot, rng)
    value, parameters = model.loss(_forward(model)[-1]), _parameters(model.fused)
    return _step(task.batch, lambda: torch.autograd.grad(value, parameters, retain_graph=True)[0])


def crowded_step(task: Any, slot: Any, rng: Seeds, hp: Hp) -> Step:
    """Back by scan, more examples."""
    return method_step(SimpleNamespace(**{**vars(task), "batch": task.crowd}), slot, rng, hp)


def fused_crowded_step(task: Any, slot: Any, rng: Seeds, hp: Hp) -> Step:
    """Back by the fused kernel, more examples."""
    return baseline_step(SimpleNamespace(**{**vars(task), "batch": task.crowd}), slot, rng, hp)


def training_step(task: Any, slot: Any, rng: Seeds, hp: Hp) -> Step:  # noqa: ARG001
    """Forward by the fused kernel, back by scan."""
    model = _model(task, slot, rng)

    def gradient() -> Tensor:
        with torch.no_grad():
            states = _forward(model)
        return _by_scan(model, states)

    return _step(task.batch, gradient)


def fused_training_step(task: Any, slot: Any, rng: Seeds, hp: Hp) -> Step:  # noqa: ARG001
    """Forward and back by the fused kernel."""
    model = _model(task, slot, rng)
    parameters = _parameters(model.fused)
    return _step(task.batch, lambda: torch.autograd.grad(model.loss(_forward(model)[-1]), parameters)[0])


def own_cell_step(task: Any, slot: Any, rng: Seeds, hp: Hp) -> Step:  # noqa: ARG001
    """A cell of one's own, by scan."""
    model = _model(task, slot, rng, LeakyCell)

    def gradient() -> Tensor:
        found = recurrent_gradient(model.cell, model.streams, state=model.state, loss=model.loss)
        return dict(found.parameters)[model.cell.weight_hh]

    return _step(task.batch, gradient)


def own_cell_autograd_step(task: Any, slot: Any, rng: Seeds, hp: Hp) -> Step:  # noqa: ARG001
    """A cell of one's own, by autograd."""
    model = _model(task, slot, rng, LeakyCell)
    parameters = _parameters(model.cell)

    def gradient() -> Tensor:
        state = model.state
        for each in model.streams:
            state = model.cell(each, state)
        return torch.autograd.grad(model.loss(state), parameters)[0]

    return _step(task.batch, gradient)


def _parameters(module: nn.Module) -> list[nn.Parameter]:
    """Parameters, W first."""
    return [p for _, p in sorted(module.named_parameters(), key=lambda named: "weight_hh" not in named[0])]


def instance(sizes: Any, rng: Seeds) -> SimpleNamespace:
    """A cell of torch, inputs and a first state, of any small size."""
    draw = torch.Generator().manual_seed(rng.seed("instance"))
    kind, steps, batch, hidden = (int(torch.randint(n, (), generator=draw)) for n in (3, sizes.exact_steps, 3, 6))
    cell = drawn_module(CELLS[kind], 2, hidden + 1, draw=draw, dtype=torch.float64)
    inputs = torch.randn(steps + 1, batch + 1, 2, generator=draw, dtype=torch.float64)
    parts = torch.randn(2, batch + 1, hidden + 1, generator=draw, dtype=torch.float64)
    return SimpleNamespace(cell=cell, inputs=inputs, state=tuple(parts) if kind == 2 else parts[0])


def check(instance: SimpleNamespace) -> Outcome:
    """Compare both scans with autograd through all time steps."""
    asked: Any = {"state": instance.state, "loss": squares}
    expected = gradients_through_time(instance.cell, instance.inputs, **asked)
    found = [recurrent_gradient(instance.cell, instance.inputs, scan=scan, **asked) for scan in SCANS]
    given: Any = [[torch.stack(each.nodes), each.inputs, *dict(each.parameters).values()] for each in found]
    errors = [relative_error(*pair) for each in given for pair in zip(each, expected, strict=True)]
    share = found[0].steps / (2 * math.ceil(math.log2(len(instance.inputs) + 1)))
    return Outcome({"gradient_error": max(errors), "steps_share": share}, {"steps": found[0].steps})
