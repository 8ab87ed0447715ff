"""The file that `cupel new claim` writes."""

TEMPLATE = '''\
"""NAME: my optimiser against Adam (a template: put yours in, keep the shape).

A small network learns a made-up function of ten numbers. What the engine owns: seeds, pairs, tuning, when to stop.
"""

import torch
from torch import nn

from cupel.spec import Claim, Outcome

CARD = Claim(
    says="My optimiser reaches a lower loss than Adam in as many steps.",
    source="say which paper or idea this is from",
    statements=(  # the first is the headline
        {"name": "lower_loss", "kind": "quality", "says": "After as many steps its loss is lower by 1 % or more.",
         "metric": "loss", "better": "lower", "scale": "log", "bar": 0.01, "rope": 0.01},
        {"name": "no_worse", "kind": "quality", "says": "Its loss is at most 5 % above Adam's.",
         "metric": "loss", "better": "lower", "scale": "log", "sentence": "non-inferiority", "margin": 0.05},
    ),
    arms={"method": "my optimiser", "baseline": "Adam"},
    varies=("split", "init", "order"),
    needs=("torch",),
    tiny={"samples": 64, "width": 8, "steps": 20},
    small={"samples": 512, "width": 32, "steps": 500},
    full={"samples": 4096, "width": 256, "steps": 20000},
)  # fmt: skip


def task(sizes, slot, rng):
    """What both arms get alike, made anew for each trial; every seed comes from rng."""
    inputs = torch.randn(3, sizes.samples, 10, generator=torch.Generator().manual_seed(rng.seed("split")))
    order = torch.Generator().manual_seed(rng.seed("order"))
    batches = torch.randint(sizes.samples, (sizes.steps, 32), generator=order)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(rng.seed("init"))
        model = nn.Sequential(nn.Linear(10, sizes.width), nn.Tanh(), nn.Linear(sizes.width, 1))
    wanted = torch.sin(inputs.cumsum(-1)).mean(-1, keepdim=True)
    return model.to(slot.device), inputs.to(slot.device), wanted.to(slot.device), batches


def trained(task, make_optimizer):
    """Train on the first third; the second is chosen by, the last is judged by."""
    model, inputs, wanted, batches = task
    optimizer = make_optimizer(model.parameters())
    for idx in batches:
        optimizer.zero_grad()
        nn.functional.mse_loss(model(inputs[0, idx]), wanted[0, idx]).backward()
        optimizer.step()
    with torch.no_grad():
        _, valid, test = ((model(x) - y).square().mean().item() for x, y in zip(inputs, wanted, strict=True))
    return Outcome(value={"loss": test}, costs={"steps": len(batches)}, selection=valid)


def method(task, slot, rng, hp):
    """Put your optimiser here."""
    return trained(task, lambda weights: torch.optim.SGD(weights, lr=hp["lr"], momentum=0.9, nesterov=True))


def baseline(task, slot, rng, hp):
    """What it has to beat."""
    return trained(task, lambda weights: torch.optim.Adam(weights, lr=hp["lr"]))


def space():
    """What is tuned, ascending; each arm gets as many trials, and a best on an edge is gone beyond."""
    return {"method": {"lr": (0.003, 0.01, 0.03, 0.1)}, "baseline": {"lr": (0.001, 0.003, 0.01, 0.03)}}
'''
