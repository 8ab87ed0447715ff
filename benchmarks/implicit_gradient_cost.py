"""What a million hyperparameters by implicit gradient cost beside plain training.

    OMP_NUM_THREADS=1 python benchmarks/implicit_gradient_cost.py [--turns 7] [--starts 3] [NETWORK ...]

Plain training is forward, backward and update with one fixed weight decay. Beside it the same network is trained with a
decay for each weight as a hyperparameter, and one hyperparameter step by the implicit gradient per ten training steps.
Wall time: blocks of ten training steps of every way, in turns in one process. Memory: how far a process's resident
memory rises at most while it trains, from where it was once the same had been done with a network of a few weights
(the first use of a library's code takes memory that no training needs); one way in a process, the median of some
starts. Asked: at most 4 times plain training, both.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import psutil
import torch
from torch import nn
from torch.nn import functional

from cupel.measure.memory import peak_rss_bytes
from cupel.methods.hyper_optimizer import HyperOptimizer
from cupel.methods.inverse_hessian import Identity, InverseHessian, Neumann
from cupel.methods.log_decay import LogDecay

EVERY = 10
RATE = 0.05
WAYS: dict[str, InverseHessian | None] = {
    "plain training": None,
    "identity": Identity(RATE),
    "Neumann, 5 terms": Neumann(terms=5),
    "Neumann, 10 terms": Neumann(terms=10),
    "Neumann, 20 terms": Neumann(terms=20),
}
"""Ways of training; 5 terms are the default of `HyperOptimizer`."""


def dense(width: int) -> tuple[nn.Module, torch.Tensor]:
    """Three layers, batches of 264 vectors: weights outweigh what a batch needs."""
    sizes = (12 * width, 12 * width, 8 * width)
    layers = [part for k in (0, 1) for part in (nn.Linear(sizes[k], sizes[k + 1]), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(sizes[2], 10)), torch.randn(4 * width, sizes[0])


def convolutional(width: int) -> tuple[nn.Module, torch.Tensor]:
    """Four convolutions, batches of 33 images of 32 x 32: what a batch needs outweighs the weights."""
    sizes = (3, width, 2 * width, 4 * width, 4 * width)
    layers = [
        part
        for k in range(4)
        for part in (nn.Conv2d(sizes[k], sizes[k + 1], 3, stride=1 + (k > 0), padding=1), nn.ReLU())
    ]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(sizes[-1], 10)]
    return nn.Sequential(*layers, *head), torch.randn(width // 2, 3, 32, 32)


NETWORKS = {"dense": dense, "convolutional": convolutional}
WIDTH = 66


def block_of(network: str, way: str, width: int = WIDTH) -> Callable[[], int]:
    """Ten training steps, and a hyperparameter step where there are any; returns the number of hyperparameters."""
    torch.manual_seed(0)
    model, x = NETWORKS[network](width)
    y, yv = (torch.randint(10, (len(x),)) for _ in range(2))
    xv, parameters, inverse = torch.randn_like(x), list(model.parameters()), WAYS[way]
    fixed_decay = 0.0 if inverse is not None else 3e-4
    optimizer = torch.optim.SGD(parameters, lr=RATE, momentum=0.9, weight_decay=fixed_decay)
    decay = None if inverse is None else LogDecay(parameters, learning_rate=RATE)

    def train_loss() -> torch.Tensor:
        loss = functional.cross_entropy(model(x), y)
        return loss if decay is None else loss + decay.penalty()

    hyper = None
    if decay is not None and inverse is not None:
        steps = torch.optim.RMSprop(decay.logs, lr=0.01)
        hyper = HyperOptimizer(parameters, steps, every=EVERY, inverse=inverse, after_step=decay.clamp_)

    def block() -> int:
        for _ in range(EVERY):
            optimizer.zero_grad()
            train_loss().backward(inputs=parameters)
            optimizer.step()
            if hyper is not None:
                hyper.step(train_loss, lambda: functional.cross_entropy(model(xv), yv))
        return 0 if decay is None else sum(log.numel() for log in decay.logs)

    return block


def grown_bytes(network: str, way: str) -> int:
    """How far this process's resident memory rises while it trains."""
    block_of(network, way, width=2)()
    before = psutil.Process().memory_info().rss
    block = block_of(network, way)
    for _ in range(2):
        block()
    peak = peak_rss_bytes()
    assert peak is not None, "this system does not tell the peak of a process's memory"
    return peak - before


def in_its_own_process(network: str, way: str) -> int:
    """`grown_bytes` of a fresh process."""
    command = [sys.executable, __file__, network, "--memory-of", way]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def timed(block: Callable[[], int]) -> float:
    """Seconds of a block."""
    start = time.perf_counter()
    block()
    return time.perf_counter() - start


def main() -> None:
    """Measure, and print a table per network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=list(NETWORKS), metavar="NETWORK")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--memory-of", metavar="WAY", help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.memory_of:
        print(grown_bytes(args.networks[0], args.memory_of))
        return
    print("| network | way | hyperparameters | s per ten steps | x plain: median (least, most) | MB | x plain |")
    print("|---|---|---|---|---|---|---|")
    for network in args.networks:
        blocks = {way: block_of(network, way) for way in WAYS}
        numbers = {way: block() for way, block in blocks.items()}
        turns = [{way: timed(block) for way, block in blocks.items()} for _ in range(args.turns)]
        memory = {way: statistics.median(in_its_own_process(network, way) for _ in range(args.starts)) for way in WAYS}
        plain = next(iter(WAYS))
        for way in WAYS:
            ratios = sorted(turn[way] / turn[plain] for turn in turns)
            spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}, {ratios[-1]:.2f})"
            seconds = statistics.median(turn[way] for turn in turns)
            grown = f"{memory[way] / 1e6:.0f} | {memory[way] / memory[plain]:.2f}"
            print(f"| {network} | {way} | {numbers[way]:,} | {seconds:.3f} | {spread} | {grown} |", flush=True)


if __name__ == "__main__":
    main()
