"""An output layer for very many outputs in O(d^2) an example, against computing all D outputs.

What is claimed: for squared error and the spherical softmax, the loss, the gradient for the layers below and the update
of the output weight W (D x d) are exact although no output is ever computed, and D / (4 d) times as fast. The statement
of speed asks for half of that.

Terms: D `outputs`, d `width`, a batch of m `batch`. `loss_error`, `weight_error`: the largest relative difference of
losses, and that of W at the end, from the naive update by autograd in the same float32; `gradient_error`: that of the
gradient for the layer below, at the same W, since two runs of the naive way drift apart too. The larger of both losses,
over `exact_updates` updates at a rate of 0.3. `runaway`: the weight's error where the factors are never set right.

What a reader should know
    The bar of the speed is 0.5 D / (4 d) - 1 for the D and d of `small` and `full`, the paper's typical ones; at `tiny`
    it means nothing. Timed are loss, gradient and update in squared error, the loss that makes the factors drift, with
    what sets them right. On a busy core of an EPYC two runs gave 66 and 63 times the speed of three dense products in
    place; D / 4d is 98. With d = 256, m = 64 it was some 79 of 195, with d = 128, m = 32 57 to 75 of 391, less than
    half: there some 150 small operations cost more than the arithmetic does.
    Ranks are no claim of the paper: what is exactness worth against the usual approximations? Their losses have no
    common unit; so it is the mean reciprocal rank of the true next word, after as many updates, the hidden layers under
    Adam, the last under SGD at a tuned rate. A first language, whose next class followed from a table of both last
    classes, was dropped, as no arm beat word counts in it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, TypeAlias

import torch
from torch import Tensor

from cupel.methods.dense_targets import DenseTargetsLayer
from cupel.methods.hierarchical_softmax import HierarchicalSoftmax
from cupel.methods.sampled_softmax import SampledSoftmax
from cupel.methods.sparse_targets import MAX_CONDITION, SparseTargetsLayer
from cupel.methods.spherical_losses import SphericalSoftmax, SquaredError
from cupel.spec.claim import Claim
from cupel.spec.errors import UsageError
from cupel.spec.outcome import Outcome
from cupel.spec.protocols import Done, Step
from cupel.spec.seeds import Seeds
from cupel.tasks.next_word import TwoWords, WholeSoftmax, next_word
from cupel.tasks.sparse_batches import naive_slopes, relative_error, sparse_batch, spherical_softmax, squared_error

CARD = Claim(
    says="For sparse targets of very many dimensions the exact loss, gradient and update cost O(d^2) an example, D / "
    "4d times less than the naive way.",
    source="Vincent, de Brebisson, Bouthillier: Efficient Exact Gradient Update for training Deep Networks with Very "
    "Large Sparse Targets (NIPS 2015, arXiv 1412.7091)",
    statements=(
        {"name": "speedup", "kind": "speed",
            "says": "With D = 200,000 and d = 512, loss, gradient and update are at least half of D / 4d times as fast "
            "as the dense way (48.8 times).",
            "metric": "rate", "better": "higher", "unit": "examples/s", "scale": "log", "bar": 47.828125},
        {"name": "weight_exact", "kind": "exact",
            "says": "After many updates in float32 the weight is that of the naive update, to a millionth.",
            "metric": "weight_error", "better": "lower", "bar": 1e-6},
        {"name": "gradient_exact", "kind": "exact",
            "says": "The gradient for the layer below is the naive one, to a millionth.",
            "metric": "gradient_error", "better": "lower", "bar": 1e-6},
        {"name": "loss_exact", "kind": "exact",
            "says": "The losses are those of the naive way, to a millionth.",
            "metric": "loss_error", "better": "lower", "bar": 1e-6},
        {"name": "stabilisation_needed", "kind": "exact",
            "says": "Where the factors are never set right, the weight is lost.",
            "metric": "runaway", "better": "higher", "bar": 0.01},
        {"name": "as_good_as_dense", "kind": "quality",
            "says": "It ranks the next word as the dense layer with the same loss does.",
            "metric": "mrr", "better": "higher", "sentence": "equivalence", "margin": 0.005},
        {"name": "against_sampled", "kind": "quality",
            "says": "At as many updates it ranks the next word higher than sampled softmax.",
            "metric": "mrr", "better": "higher", "rope": 0.005, "arms": ("method", "sampled")},
        {"name": "against_hierarchical", "kind": "quality",
            "says": "At as many updates it ranks the next word higher than hierarchical softmax.",
            "metric": "mrr", "better": "higher", "rope": 0.005, "arms": ("method", "hierarchical")},
        {"name": "against_softmax", "kind": "quality",
            "says": "At as many updates it ranks the next word no lower than the ordinary softmax.", "metric": "mrr",
            "better": "higher", "sentence": "non-inferiority", "margin": 0.01, "arms": ("method", "softmax")},
    ),
    published="Abstract: a speedup of D / 4d for the output layer, two orders of magnitude for typical sizes such as D "
    "= 200,000 and d = 500. The authors' timing example has D = 793,471, d = 512 and 200 examples.",
    kept="D = 200,000, d = 512 for speed; the algorithm, its inverse by Woodbury, its singular values set right.",
    smaller="A made-up language of 4,000 words (at full 40,000) in the place of a corpus; no ranks are claimed in the "
    "paper. Exactness on 1,000 outputs (at full 5,000), where the naive way is quick. One core at small.",
    arms={
        "method": "spherical softmax with factors, O(d^2)",
        "baseline": "the same loss with all outputs computed, O(D d)",
        "sampled": "sampled softmax, drawn words shared by a batch",
        "hierarchical": "hierarchical softmax over a Huffman tree",
        "softmax": "ordinary softmax, all outputs computed"},
    varies=("instance", "split", "init", "sampling"), tags=("language", "training"), needs=("torch",),
    tiny={"outputs": 400, "width": 8, "batch": 4, "words": 48, "classes": 4, "hidden": 8, "updates": 12, "context": 16,
        "sampled": 5, "held_out": 40, "exact_outputs": 60, "exact_width": 12, "exact_updates": 80},
    small={"outputs": 200_000, "width": 512, "batch": 128, "words": 4000, "classes": 16, "hidden": 64, "updates": 1000,
        "context": 64, "sampled": 100, "held_out": 2000, "exact_outputs": 1000, "exact_width": 32,
        "exact_updates": 200},
    full={"outputs": 200_000, "width": 512, "batch": 128, "words": 40_000, "classes": 50, "hidden": 512,
        "updates": 20_000, "context": 256, "sampled": 1000, "held_out": 20_000, "exact_outputs": 5000,
        "exact_width": 64, "exact_updates": 500},
    most_pairs={"small": 20}, memory_gib={"tiny": 0.5, "small": 2.0, "full": 4.0},
)  # fmt: skip

EXACT_RATE, SPEED_RATE = 0.3, 0.1
Hp: TypeAlias = Mapping[str, Any]
Layer: TypeAlias = SparseTargetsLayer | DenseTargetsLayer
LOSSES = ((SquaredError(), squared_error), (SphericalSoftmax(epsilon=1.0), spherical_softmax))


def task(sizes: Any, slot: Any, rng: Seeds) -> SimpleNamespace:
    """Texts of one language, and the sizes."""
    draw = torch.Generator().manual_seed(rng.seed("split"))
    texts = next_word(sizes, language=rng.seed("instance"), draw=draw, device=slot.device)
    return SimpleNamespace(sizes=sizes, texts=texts)


def space() -> dict[str, dict[str, tuple[float, ...]]]:
    """Learning rates of the last layer."""
    rates = {
        "method": (3.0, 10.0, 30.0, 100.0),
        "baseline": (3.0, 10.0, 30.0, 100.0),
        "sampled": (0.3, 1.0, 3.0, 10.0),
        "hierarchical": (0.03, 0.1, 0.3, 1.0),
        "softmax": (1.0, 3.0, 10.0, 30.0),
    }
    return {arm: {"lr": values} for arm, values in rates.items()}


def method(task: Any, slot: Any, rng: Seeds, hp: Hp) -> Outcome:
    """The factored layer."""
    d = task.sizes.hidden
    last = SparseTargetsLayer(d, task.sizes.words, initial=slot.generator(rng.seed("init", "last")))
    return _told(last, (task, slot, rng), hp=hp, macs=(8 * d + 5 * task.sizes.context + 3) * d)


def baseline(task: Any, slot: Any, rng: Seeds, hp: Hp) -> Outcome:
    """The dense layer with the same loss."""
    d, words = task.sizes.hidden, task.sizes.words
    last = DenseTargetsLayer(d, words, initial=slot.generator(rng.seed("init", "last")))
    return _told(last, (task, slot, rng), hp=hp, macs=3 * words * d)


def sampled(task: Any, slot: Any, rng: Seeds, hp: Hp) -> Outcome:
    """Sampled softmax."""
    d, num, draw = task.sizes.hidden, task.sizes.sampled, slot.generator(rng.seed("sampling"))
    last = SampledSoftmax(d, task.sizes.words, num_sampled=num, generator=draw, counts=task.texts.counts)
    return _told(last, (task, slot, rng), hp=hp, macs=3 * (num + 1) * d)


def hierarchical(task: Any, slot: Any, rng: Seeds, hp: Hp) -> Outcome:
    """Hierarchical softmax."""
    counts, d = task.texts.counts, task.sizes.hidden
    last = HierarchicalSoftmax(d, task.sizes.words, counts=counts)
    turns = float((last.turn.abs().sum(1) * counts).sum()) / float(counts.sum())
    return _told(last, (task, slot, rng), hp=hp, macs=3 * turns * d)


def softmax(task: Any, slot: Any, rng: Seeds, hp: Hp) -> Outcome:
    """Ordinary softmax."""
    d, words = task.sizes.hidden, task.sizes.words
    last = WholeSoftmax(d, words, slot.generator(rng.seed("init", "last")))
    return _told(last, (task, slot, rng), hp=hp, macs=3 * words * d)


def _told(last: Any, given: tuple[Any, Any, Seeds], *, hp: Hp, macs: float) -> Outcome:
    """Train, and rank the words that follow; `macs` are the last layer's, an example."""
    task, slot, rng = given
    texts, is_spherical = task.texts, isinstance(last, Layer)
    body = TwoWords(task.sizes.words, task.sizes.hidden, slot.generator(rng.seed("init", "body")))
    rate = hp.get("lr", 10.0 if is_spherical else 1.0)
    texts.fit(last, body, batch=task.sizes.context, rate=rate, step=last.step if is_spherical else None)

    def score(context: Tensor) -> Tensor:
        scores = last.scores(body(context))
        return torch.as_tensor(scores.square() if is_spherical else scores)  # the spherical softmax orders by squares

    valid, test = (texts.mean_reciprocal_rank(text, score) for text in (texts.valid, texts.test))
    samples = len(texts.train.following)
    return Outcome({"mrr": test}, {"macs": macs * samples, "samples": samples}, selection=valid)


def method_step(task: Any, slot: Any, rng: Seeds, hp: Hp) -> Step:  # noqa: ARG001 - nothing to tune
    """Loss, gradient and update by factors."""
    d, outputs, initial = task.sizes.width, task.sizes.outputs, slot.generator(rng.seed("init"))
    return _step(SparseTargetsLayer(d, outputs, initial=initial, loss=SquaredError()), task, slot, rng)


def baseline_step(task: Any, slot: Any, rng: Seeds, hp: Hp) -> Step:  # noqa: ARG001 - nothing to tune
    """Loss, gradient and update of all outputs."""
    d, outputs, initial = task.sizes.width, task.sizes.outputs, slot.generator(rng.seed("init"))
    return _step(DenseTargetsLayer(d, outputs, initial=initial, loss=SquaredError()), task, slot, rng)


def _step(layer: Layer, task: Any, slot: Any, rng: Seeds) -> Step:
    """One update with the next of a few batches."""
    sizes, draw = task.sizes, slot.generator(rng.seed("instance"))
    batches = itertools.cycle([sparse_batch((sizes.batch,), sizes.width, sizes.outputs, draw) for _ in range(20)])

    def step() -> Done:
        hidden, index = next(batches)
        loss = layer(hidden, index).mean()
        torch.autograd.grad(loss, hidden)
        layer.step(SPEED_RATE)
        return Done(len(hidden), loss.detach())

    return step


def instance(sizes: Any, rng: Seeds) -> SimpleNamespace:
    """A first weight, and batches with one or three targets of any value, which may fall on the same place."""
    draw = torch.Generator().manual_seed(rng.seed("instance"))
    d, outputs = sizes.exact_width, sizes.exact_outputs
    shape = (d // 2, 1 + 2 * int(torch.randint(2, (), generator=draw)))
    return SimpleNamespace(
        weight=torch.randn(outputs, d, generator=draw) / math.sqrt(d),
        batches=[sparse_batch(shape, d, outputs, draw) for _ in range(sizes.exact_updates)],
        values=0.5 + torch.rand(shape, generator=draw),
    )


def check(instance: SimpleNamespace) -> Outcome:
    """Run the factored layer beside the naive update, in each loss, and once without setting the factors right."""
    found = [_errors(instance, pair) for pair in LOSSES]
    try:
        runaway = _errors(instance, LOSSES[0], max_condition=math.inf)["weight_error"]
    except UsageError:  # what is left is not finite
        runaway = math.inf
    errors = {name: max(each[name] for each in found) for name in found[0]}
    return Outcome({**errors, "runaway": math.inf if math.isnan(runaway) else runaway})


def _errors(instance: SimpleNamespace, losses: Any, max_condition: float = MAX_CONDITION) -> dict[str, float]:
    """Largest relative errors over all updates, of a pair of the factored and the dense loss."""
    outputs, d = instance.weight.shape
    layer = SparseTargetsLayer(d, outputs, initial=instance.weight, loss=losses[0], max_condition=max_condition)
    weight, found = instance.weight, {"loss_error": 0.0, "gradient_error": 0.0}
    for update, (hidden, index) in enumerate(instance.batches):
        asked: Any = {"index": index, "values": instance.values, "loss": losses[1]}
        expected, by_weight, _ = naive_slopes(weight, hidden, **asked)
        weight = weight - EXACT_RATE * by_weight
        own = layer(hidden, index, instance.values)
        (by_hidden,) = torch.autograd.grad(own.mean(), hidden)
        found["loss_error"] = max(found["loss_error"], relative_error(own.detach(), expected))
        if update % 10 == 0:
            error = relative_error(by_hidden, naive_slopes(layer.weight(), hidden, **asked)[2])
            found["gradient_error"] = max(found["gradient_error"], error)
        layer.step(EXACT_RATE)
    return {**found, "weight_error": relative_error(layer.weight(), weight)}
