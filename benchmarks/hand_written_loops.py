"""Each workload's rate against a straightforward training loop of the same model, written by hand, interleaved.

    python benchmarks/hand_written_loops.py [--size small] [--turns 5] [--seconds 3] [NAME ...]

Both train the same model (`build_model` of the workload) at the same sizes on one thread, in turns in one process, so
that drift of the machine falls on both. The loop is what one would write down: random data made once, the optimiser
with its defaults, forward, backward, update. Asked: the workload reaches at least 0.9 of the loop's rate.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch.nn import functional

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds
from cupel.spec.catalog import load_catalog
from cupel.tasks.data.collisions import NUM_FEATURES
from cupel.tasks.data.padded_documents import document_lengths

Loss = Callable[[Any], torch.Tensor]


def images(sizes: Any) -> Loss:
    """Classification of random images; models of `transformers` hand over an object."""
    x = torch.randn(sizes.batch, 3, sizes.image_px, sizes.image_px)
    y = torch.randint(sizes.num_classes, (sizes.batch,))

    def loss(model: Any) -> torch.Tensor:
        out = model(x)
        return functional.cross_entropy(getattr(out, "logits", out), y)

    return loss


def masked_words(sizes: Any) -> Loss:
    """Masked language modelling without special tokens."""
    ids = torch.randint(sizes.vocab_size, (sizes.batch, sizes.sequence))
    labels = ids.masked_fill(torch.rand(ids.shape) > 0.15, -100)
    return lambda model: model(input_ids=ids, labels=labels).loss


def next_words(sizes: Any) -> Loss:
    """Language modelling of whole rows, as long as the workload's padded ones; it counts what is no padding there."""
    ids = torch.randint(sizes.vocab_size, (sizes.batch, sizes.padded_to))
    return lambda model: model(input_ids=ids, labels=ids).loss


def _documents(sizes: Any) -> dict[str, int]:
    return {key: getattr(sizes, key) for key in ("batch", "shortest", "longest")}


def clicks(sizes: Any) -> Loss:
    """Uniform indices into the tables of the model."""
    dense, clicked = torch.randn(sizes.batch, 13), torch.randint(2, (sizes.batch,)).float()
    drawn: dict[int, torch.Tensor] = {}

    def loss(model: Any) -> torch.Tensor:
        if not drawn:
            shape = (sizes.batch, sizes.hots)
            drawn[0] = torch.stack([torch.randint(table.num_embeddings, shape) for table in model.tables])
        return functional.binary_cross_entropy_with_logits(model(dense, drawn[0]), clicked)

    return loss


def rows(sizes: Any) -> Loss:
    """Binary classification of random rows."""
    x, y = torch.randn(sizes.batch, NUM_FEATURES), torch.randint(2, (sizes.batch,)).float()
    return lambda model: functional.binary_cross_entropy_with_logits(model(x), y)


LOOPS: dict[str, tuple[Callable[[Any], Loss], Any, Callable[[Any], float]]] = {
    "resnet50": (images, torch.optim.SGD, lambda s: s.batch),
    "resnet152": (images, torch.optim.SGD, lambda s: s.batch),
    "convnext_large": (images, torch.optim.AdamW, lambda s: s.batch),
    "regnet_y_128gf": (images, torch.optim.SGD, lambda s: s.batch),
    "focalnet": (images, torch.optim.AdamW, lambda s: s.batch),
    "bert": (masked_words, torch.optim.AdamW, lambda s: s.batch),
    "llama": (next_words, torch.optim.AdamW, lambda s: sum(document_lengths(**_documents(s)))),
    "dlrm": (clicks, torch.optim.SGD, lambda s: s.batch),
    "ft_transformer": (rows, torch.optim.AdamW, lambda s: s.batch),
}
"""Name to the data and loss of the loop, its optimiser, and the items of a step."""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(LOOPS), metavar="NAME")
    parser.add_argument("--size", default="small")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print("| workload | loop, items/s | workload, items/s | workload / loop: median (least, most) |\n|---|---|---|---|")
    for name in args.names:
        steps = [_loop(name, args.size), _workload(name, args.size)]
        for step in steps:
            _rate(step, 1.0)
        turns = [[_rate(step, args.seconds) for step in steps] for _ in range(args.turns)]
        ratios = sorted(ours / loop for loop, ours in turns)
        loop, ours = (statistics.median(turn[k] for turn in turns) for k in (0, 1))
        spread = f"{statistics.median(ratios):.3f} ({ratios[0]:.3f}, {ratios[-1]:.3f})"
        print(f"| {name} | {loop:.4g} | {ours:.4g} | {spread} |", flush=True)


def _sizes(name: str, size: str) -> tuple[Any, Any, dict[str, Any]]:
    entry = load_catalog().find(name)
    module = importlib.import_module(entry.module)  # type: ignore[union-attr]
    settings = {key: values[0] for key, values in module.CARD.settings.items()}
    return module, SimpleNamespace(**module.CARD.sizes(size)), settings


def _workload(name: str, size: str) -> Callable[[], float]:
    module, sizes, settings = _sizes(name, size)
    step = module.setup(sizes, TorchSlot(device="cpu", settings=settings, threads=1), Seeds(0))
    return lambda: float(step().items)


def _loop(name: str, size: str) -> Callable[[], float]:
    module, sizes, _ = _sizes(name, size)
    make_loss, make_optimizer, items_of = LOOPS[name]
    model, loss_of = module.build_model(sizes), make_loss(sizes)
    optimizer = make_optimizer(model.parameters(), lr=1e-4)

    def step() -> float:
        loss = loss_of(model)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return float(items_of(sizes))

    return step


def _rate(step: Callable[[], float], seconds: float) -> float:
    """Items per second over some seconds."""
    start, items = time.perf_counter(), 0.0
    while time.perf_counter() - start < seconds:
        items += step()
    return items / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
