"""A new workload or claim from a template that runs as it is."""

from __future__ import annotations

import argparse
import keyword
import re
from pathlib import Path

from cupel.cli._claim_template import TEMPLATE as CLAIM
from cupel.spec.catalog import load_catalog
from cupel.spec.errors import UsageError

WORKLOAD = '''\
"""NAME: training steps of a small classifier (a template: replace the work, keep the shape).

Random inputs and labels; SGD; random weights. What the harness owns: the clock, precision, compilation, the device.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError

CARD = Workload(
    measures="training throughput",
    unit="samples",
    better="higher",
    source="say which paper or specification the work is from",
    tags=("training",),
    needs=("torch",),
    settings={"precision": ("fp32", "bf16", "fp16")},
    optimizer="SGD, lr 0.01",
    tiny={"batch": 64, "width": 64, "num_classes": 10, "num_loops": 4},
    small={"batch": 256, "width": 512, "num_classes": 10, "num_loops": 4},
    full={"batch": 4096, "width": 4096, "num_classes": 1000, "num_loops": 1},
    memory_gib={"tiny": 0.1, "small": 0.2, "full": 2.0},
)


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """Build model and data, untimed; the step that is returned is what is timed."""
    torch.manual_seed(rng.seed("init"))
    layers = [nn.Linear(sizes.width, sizes.width), nn.ReLU(), nn.Linear(sizes.width, sizes.num_classes)]
    model = slot.prepare(nn.Sequential(*layers), lambda parameters: torch.optim.SGD(parameters, lr=0.01))
    generator = slot.generator(rng.seed("data"))
    inputs = torch.randn(sizes.batch, sizes.width, device=slot.device, generator=generator)
    labels = torch.randint(sizes.num_classes, (sizes.batch,), device=slot.device, generator=generator)

    def step() -> Done:
        # A step should take a millisecond or more: loop inside it where the work is short.
        for _ in range(sizes.num_loops):
            with slot.autocast():
                loss = nn.functional.cross_entropy(model(inputs), labels)
            slot.step(loss)
        return Done(items=sizes.batch * sizes.num_loops, loss=loss.detach())

    return step


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """The first loss is near that of guessing, and it falls on data seen again."""
    step = setup(sizes, slot, rng)
    losses = [float(step().loss) for _ in range(20)]
    guessing = math.log(sizes.num_classes)
    if not abs(losses[0] - guessing) < 1:
        raise WrongWorkError(f"The first loss is {losses[0]:.3f}; guessing would give about {guessing:.3f}.")
    if not losses[-1] < losses[0]:
        raise WrongWorkError(f"The loss went from {losses[0]:.3f} to {losses[-1]:.3f} in 20 steps; it should fall.")
'''
TEMPLATES = {"workload": WORKLOAD, "claim": CLAIM}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `cupel new` takes."""
    parser.add_argument("kind", choices=sorted(TEMPLATES), help="what to make")
    parser.add_argument("name", metavar="NAME", help="its name: lower-case letters, digits and _; a claim: a_vs_b")
    parser.add_argument("--dir", default=".", metavar="DIR", help="folder for NAME.py (default: here)")


def main(args: argparse.Namespace) -> int:
    """Write the file and say what to do next."""
    name, folder = args.name, Path(args.dir)
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise UsageError(f"{name!r} was asked; expected a name of lower-case letters, digits and _, no word of Python.")
    catalog = load_catalog()
    if name in {*catalog.entries, *catalog.claims, *catalog.suites, *catalog.broken}:
        raise UsageError(f"The name {name!r} is taken (cupel show {name}); a name means one thing, so take another.")
    if not folder.is_dir():
        raise UsageError(f"The folder {args.dir!r} is not there; make it, or give another with --dir.")
    path = folder / f"{name}.py"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATES[args.kind].replace("NAME", name))
    except FileExistsError:
        raise UsageError(f"{path} is there already and stays as it is; take another name or remove it.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from None
    shown = str(path) if path.is_absolute() else f"./{path}"
    print(f"Wrote {path}. Next:\n  cupel run {shown} --size tiny")
    return 0
