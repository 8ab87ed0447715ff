"""Handwritten digits shared out to clients by label: each client has much of some digits and little of others.

For each digit the clients' shares of its images are drawn from a Dirichlet law: near 0 its concentration gives a digit
to few clients, a large one gives all clients the same mixture.

Source: Hsu, Qi, Brown: Measuring the Effects of Non-Identical Data Distribution for Federated Visual Classification
(2019, arXiv 1909.06335), here with the shares drawn by class rather than by client, as Yurochkin et al. (ICML 2019) do.
"""

from __future__ import annotations

import numpy as np
import torch

from cupel.spec import UsageError
from cupel.tasks.data.digits import NUM_IMAGES, Split, digits_split
from cupel.tasks.data.federated_synthetic import shared_out

NUM_CLASSES = 10
LEAST_IMAGES = 10
"""Images that each client has at least."""
TRIES = 200


def digit_clients(seed: int, *, concentration: float, num_clients: int = 20) -> list[Split]:
    """Share the digits out.

    Args:
        seed: of the shares and of the order of images.
        concentration: of the Dirichlet law, above 0.
        num_clients: as many; each gets at least ten images, for which the shares are drawn anew where they must be.

    Returns:
        For each client images (n, 64), float32, and digits (n,), int64, as `Split`. The images are standardised by one
        mean and one deviation over all pixels of what is trained on.

    Raises:
        UsageError: a number is out of range, or no draw in two hundred gives each client ten images.
    """
    if concentration <= 0.0 or not 1 <= num_clients <= NUM_IMAGES // LEAST_IMAGES:
        raise UsageError(
            f"Digits for {num_clients} clients at a concentration of {concentration} were asked; expected 1 to "
            f"{NUM_IMAGES // LEAST_IMAGES} clients and a concentration above 0."
        )
    images, digits = digits_split(seed, num_train=NUM_IMAGES).train
    rng = np.random.default_rng(seed)
    owners = _owners(digits.numpy(), rng, concentration, num_clients)
    clients = [
        shared_out(images[idx], digits[idx]) for idx in (np.flatnonzero(owners == k) for k in range(num_clients))
    ]
    seen = torch.cat([client.train[0] for client in clients])
    mean, deviation = seen.mean(), seen.std()
    return [
        Split(*(((x - mean) / deviation, y) for x, y in (client.train, client.valid, client.test)))
        for client in clients
    ]


def _owners(digits: np.ndarray, rng: np.random.Generator, concentration: float, num_clients: int) -> np.ndarray:
    """The client that each image goes to."""
    for _ in range(TRIES):
        owners = np.empty(len(digits), np.int64)
        for digit in range(NUM_CLASSES):
            places = np.flatnonzero(digits == digit)
            shares = rng.dirichlet(np.full(num_clients, concentration))
            bounds = np.round(np.cumsum(shares)[:-1] * len(places)).astype(np.int64)
            owners[places] = np.repeat(np.arange(num_clients), np.diff([0, *bounds, len(places)]))
        if np.bincount(owners, minlength=num_clients).min() >= LEAST_IMAGES:
            return owners
    raise UsageError(
        f"No draw of {TRIES} at a concentration of {concentration} gives each of {num_clients} clients {LEAST_IMAGES} "
        "images; expected fewer clients or a higher concentration."
    )
