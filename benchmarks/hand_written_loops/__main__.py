"""Each entry's rate against a straightforward loop of the same model, written by hand, interleaved.

    python benchmarks/hand_written_loops [--size small] [--turns 5] [--seconds 3] [NAME ...]

Both work on the same model (`build_model` of the entry) at the same sizes on one thread, in slices of a tenth of a
second by turns in one process, so that drift of the machine falls on both; both are made anew twice a turn, in either
order. The loop is what one would write down without Cupel: data made once, the optimiser with torch's defaults,
forward, backward, update; for texts a loop with the library's cache; for parts of the machine the plain call. What
belongs to the method (clipped gradients, a teacher's average, a centre) the loop does too. Asked: at least 0.9 of the
loop's rate.

Not here: `collective` and `host_to_device`, for which one process on a CPU has no work. `resnet152_lightning` stands
against the plain loop of its network: what is missing to 1 is Lightning's own.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
from types import SimpleNamespace
from typing import Any

import torch

import graph_loops
import image_loops
import micro_loops
import policy_loops
import speech_loops
import table_loops
import text_loops
import writing_loops
from cupel.measure.flop import flop_per_item
from cupel.run.slot import TorchSlot
from cupel.spec import Done, Seeds
from interleaved import Step, rates

LOOPS = {
    **image_loops.LOOPS,
    **text_loops.LOOPS,
    **speech_loops.LOOPS,
    **writing_loops.LOOPS,
    **graph_loops.LOOPS,
    **policy_loops.LOOPS,
    **table_loops.LOOPS,
    **micro_loops.LOOPS,
}
ALTERED: dict[str, dict[str, Any]] = {"dataloader": {"workers": 0}}
"""Sizes set otherwise, for both: processes of two loaders would stand in each other's way."""
WARM_UP_S = 0.5
HEADER = "| entry | loop, items/s | entry, items/s | entry / loop: median (least, most) | FLOP per item, entry / loop |"


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(LOOPS), metavar="NAME")
    parser.add_argument("--size", default="small")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if unknown := sorted(set(args.names) - set(LOOPS)):
        parser.error(f"There is no loop for {', '.join(unknown)}. There is one for: {', '.join(LOOPS)}.")
    print(f"{HEADER}\n|---|---|---|---|---|")
    for name in args.names:
        turns = [turn(name, args.size, args.seconds) for _ in range(args.turns)]
        ratios = sorted(ours / loop for loop, ours in turns)
        loop, ours = (statistics.median(one[idx] for one in turns) for idx in (0, 1))
        spread = f"{statistics.median(ratios):.3f} ({ratios[0]:.3f}, {ratios[-1]:.3f})"
        print(f"| {name} | {loop:.4g} | {ours:.4g} | {spread} | {share_of_flop(name, args.size)} |", flush=True)


def turn(name: str, size: str, seconds: float) -> list[float]:
    """The rates of loop and entry, made anew in either order: memory that is asked for later may be 10 % faster."""
    halves = []
    for is_loop_first in (True, False):
        steps = both(name, size, is_loop_first=is_loop_first)
        rates(steps, WARM_UP_S)
        halves.append(rates(steps, seconds / 2))
    return [statistics.mean(rate) for rate in zip(*halves, strict=True)]


def share_of_flop(name: str, size: str) -> str:
    """The entry's operations per item over those of the loop, counted in a step of each; a dash where none count."""

    def counted(step: Step) -> float | None:
        step()
        return flop_per_item(lambda: Done(items=step()))

    loop, ours = map(counted, both(name, size, is_loop_first=True))
    return f"{ours / loop:.3f}" if loop and ours else "–"


def both(name: str, size: str, *, is_loop_first: bool) -> list[Step]:
    """The loop's step and the entry's own, the first value of each setting taken, made in this order."""
    module: Any = importlib.import_module(f"cupel.workloads.{name}")
    settings = {key: values[0] for key, values in module.CARD.settings.items()}
    sizes = SimpleNamespace(**{**module.CARD.sizes(size), **ALTERED.get(name, {})})

    def loop() -> Step:
        made: Step = LOOPS[name](module, sizes)
        return made

    def entry() -> Step:
        step = module.setup(sizes, TorchSlot(device="cpu", settings=settings, threads=1), Seeds(0))
        return lambda: float(step().items)

    if is_loop_first:
        return [loop(), entry()]
    return [entry(), loop()][::-1]


if __name__ == "__main__":
    main()
