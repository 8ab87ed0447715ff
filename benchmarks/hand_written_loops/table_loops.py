"""Hand-written loops of the entries that learn from tables, series and fields."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import lightgbm
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.tasks.data.click_logs import click_batch, table_rows
from cupel.tasks.data.collisions import NUM_FEATURES, collisions
from interleaved import Step
from plain_training import training


def dlrm(entry: Any, sizes: Any) -> Step:
    """Batches in rotation by the entry's law: which rows are looked up decides how well caches work."""
    model, generator = entry.build_model(sizes), torch.Generator()
    law = {"rows": table_rows(sizes.max_rows), "hots": sizes.hots, "exponent": sizes.exponent}
    batches = itertools.cycle(
        [click_batch(batch=sizes.batch, generator=generator, **law) for _ in range(sizes.batches)]
    )

    def loss_of() -> Tensor:
        dense, indices, clicked = next(batches)
        return F.binary_cross_entropy_with_logits(model(dense, indices), clicked)

    return training(model, torch.optim.SGD(model.parameters(), lr=0.1), loss_of, items=sizes.batch)


def ft_transformer(entry: Any, sizes: Any) -> Step:
    """Binary classification of random rows."""
    model = entry.build_model(sizes)
    rows, labels = torch.randn(sizes.batch, NUM_FEATURES), torch.randint(2, (sizes.batch,)).float()

    def loss_of() -> Tensor:
        return F.binary_cross_entropy_with_logits(model(rows), labels)

    return training(model, torch.optim.AdamW(model.parameters(), lr=1e-4), loss_of, items=sizes.batch)


def gradient_boosting(entry: Any, sizes: Any) -> Step:
    """`lightgbm.train`, all rounds in one call, the loss on the training rows worked out after each."""
    del entry
    features, labels = collisions(sizes.rows, 0)
    parameters = {
        "objective": "binary",
        "metric": "binary_logloss",
        "learning_rate": 0.1,
        "num_leaves": sizes.leaves,
        "max_bin": sizes.bins,
        "min_data_in_leaf": 1,
        "min_sum_hessian_in_leaf": sizes.min_hessian,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    table = lightgbm.Dataset(features, labels, params=parameters).construct()

    def step() -> float:
        lightgbm.train(parameters, table, num_boost_round=sizes.rounds, valid_sets=[table])
        return float(sizes.rows * sizes.rounds)

    return step


def patchtst(entry: Any, sizes: Any) -> Step:
    """Windows of random series, the last value repeated for a stride."""
    model = entry.build_model(sizes)
    series = torch.randn(sizes.length, sizes.channels)
    steps = torch.arange(sizes.look_back + sizes.horizon)

    def loss_of() -> Tensor:
        starts = torch.randint(len(series) - len(steps) + 1, (sizes.batch, 1))
        windows = series[starts + steps]
        past, future = windows[:, : sizes.look_back], windows[:, sizes.look_back :]
        past = torch.cat([past, past[:, -1:].repeat(1, sizes.stride, 1)], dim=1)
        return F.mse_loss(model(past_values=past).prediction_outputs, future)

    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    return training(model, optimizer, loss_of, items=sizes.batch * sizes.channels)


def fno(entry: Any, sizes: Any) -> Step:
    """Random fields, the relative error of each."""
    model = entry.build_model(sizes)
    shown, wanted = torch.randn(2, sizes.batch, sizes.side_px, sizes.side_px)

    def loss_of() -> Tensor:
        error: Tensor = (model(shown) - wanted).flatten(1).norm(dim=1)
        relative: Tensor = error / wanted.flatten(1).norm(dim=1)
        return relative.mean()

    return training(model, torch.optim.Adam(model.parameters(), lr=1e-4), loss_of, items=sizes.batch)


LOOPS: dict[str, Callable[[Any, Any], Step]] = {
    "dlrm": dlrm,
    "ft_transformer": ft_transformer,
    "gradient_boosting": gradient_boosting,
    "patchtst": patchtst,
    "fno": fno,
}
