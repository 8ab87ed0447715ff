"""Synthetic(alpha, beta): clients whose models and inputs differ, by as much as two numbers say.

Client k has n_k samples of x with 60 features and y among 10 classes:

    y = argmax(W_k x + b_k),  elements of W_k and b_k ~ N(u_k, 1),  u_k ~ N(0, alpha^2)
    x ~ N(v_k, diag(j^-1.2)),  elements of v_k ~ N(B_k, 1),  B_k ~ N(0, beta^2)
    n_k = 50 + floor of a log-normal number of location 4 and scale 2

alpha is meant to say how much the clients' true models differ, beta how much their inputs do. As in the authors'
program W_k and b_k have the same u_k, and alpha and beta are deviations, where the paper's text has them for variances
(the same at 1). What the paper does not say: u_k adds the same number to the scores of all classes, so that alpha
changes no label. Clients' models differ by the unit variance of W_k alone, at any alpha; only beta makes clients differ
more.

Source: Li, Sahu, Zaheer, Sanjabi, Talwalkar, Smith (MLSys 2020, arXiv 1812.06127), section 5.1, after Shamir, Srebro,
Zhang (ICML 2014).
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import Tensor

from cupel.spec import UsageError
from cupel.tasks.data.digits import Split

NUM_FEATURES = 60
NUM_CLASSES = 10
LEAST_SAMPLES = 50
LOCATION, SCALE = 4.0, 2.0
"""Of the log-normal law of the samples above the least."""
DECAY = 1.2
"""Power by which the variance of a feature falls with its number."""


def synthetic_clients(
    seed: int, *, alpha: float, beta: float, num_clients: int = 30, most_samples: int | None = None
) -> list[Split]:
    """Draw the clients.

    Args:
        seed: of everything.
        alpha: deviation of u_k, at least 0; changes no label (above), and is here for the name of the data set.
        beta: how much inputs differ, at least 0.
        num_clients: as many.
        most_samples: samples of a client at most, which takes the tail of the log-normal law away; None for no limit.

    Returns:
        For each client inputs (n, 60), float32, and classes (n,), int64; a tenth of them to test by, a tenth to
        validate by.

    Raises:
        UsageError: a number is out of range.
    """
    if alpha < 0.0 or beta < 0.0 or num_clients < 1 or (most_samples is not None and most_samples < LEAST_SAMPLES):
        raise UsageError(
            f"synthetic({alpha}, {beta}) of {num_clients} clients with at most {most_samples} samples was asked; "
            f"expected alpha and beta of at least 0, a client, and {LEAST_SAMPLES} samples."
        )
    rng = np.random.default_rng(seed)
    counts = LEAST_SAMPLES + rng.lognormal(LOCATION, SCALE, num_clients).astype(np.int64)
    counts = np.minimum(counts, counts.max() if most_samples is None else most_samples)
    of_model, of_inputs = rng.normal(0.0, alpha, num_clients), rng.normal(0.0, beta, num_clients)
    deviations = np.arange(1, NUM_FEATURES + 1) ** (-DECAY / 2.0)
    clients = []
    for num, u, b in zip(counts, of_model, of_inputs, strict=True):
        mean = rng.normal(b, 1.0, NUM_FEATURES)
        weights, offsets = rng.normal(u, 1.0, (NUM_FEATURES, NUM_CLASSES)), rng.normal(u, 1.0, NUM_CLASSES)
        inputs = mean + deviations * rng.normal(size=(num, NUM_FEATURES))
        classes = (inputs @ weights + offsets).argmax(1)
        clients.append(shared_out(torch.from_numpy(inputs).float(), torch.from_numpy(classes)))
    return clients


def shared_out(inputs: Tensor, classes: Tensor) -> Split:
    """Samples in a random order as a client's three sets.

    The last tenth is to test by, the tenth before it to validate by; each has at least one sample.
    """
    num = len(inputs)
    part = max(num // 10, 1)
    cuts = [0, num - 2 * part, num - part, num]
    train, valid, test = ((inputs[a:b], classes[a:b]) for a, b in itertools.pairwise(cuts))
    return Split(train, valid, test)
