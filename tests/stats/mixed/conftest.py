"""A small unbalanced table for recorded values of R, a naive mixed model, and where the reference data lie."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cupel.stats.mixed.model_data import ModelData
from cupel.stats.mixed.random_terms import RandomTerm

Table = dict[str, list[Any]]


def integers() -> Iterator[int]:
    """Whole numbers below 2^16 by a linear congruence: the same on every machine, in every version."""
    state = 20_241_125
    while True:
        state = (1_103_515_245 * state + 12_345) % 2**31
        yield state >> 15


def survey(n: int = 96) -> Table:
    """Unbalanced: factors a (3), b (2), t (truth values), o (4, in order), numbers x, k (3 values), groups g, h."""
    draw = integers()

    def below(size: int) -> int:
        return next(draw) % size

    def near_normal() -> float:
        return round(sum(next(draw) for _ in range(6)) / 2**16 - 3.0, 3) * 1.5

    effects_g, effects_h = [near_normal() for _ in range(8)], [near_normal() for _ in range(5)]
    slopes = [near_normal() for _ in range(8)]
    table: Table = {name: [] for name in ("y", "a", "b", "t", "o", "x", "k", "g", "h")}
    for _ in range(n):
        a, b, t, o, k, g, h = below(3), below(2), below(2), below(4), below(3), below(8), below(5)
        x = round(near_normal() + 2.0, 3)
        y = 10 + 0.8 * a - 0.5 * b + 0.3 * o + (0.4 + 0.3 * slopes[g]) * x + effects_g[g] + 0.5 * effects_h[h]
        row = (round(y + near_normal(), 3), "pqr"[a], "uv"[b], bool(t), f"o{o + 1}", x, k * k, f"g{g}", f"h{h}")
        for name, value in zip(table, row, strict=True):
            table[name].append(value)
    return table


def rows_where(table: Table, keep: Callable[[dict[str, Any]], bool]) -> Table:
    """The rows for which `keep` holds."""
    rows = [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]
    return {name: [row[name] for row in rows if keep(row)] for name in table}


@pytest.fixture(name="survey")
def survey_fixture() -> Table:
    return survey()


@pytest.fixture
def survey_without_cell() -> Table:
    """The survey without the combination a = r, b = v."""
    return rows_where(survey(), lambda row: not (row["a"] == "r" and row["b"] == "v"))


def dense_columns(term: RandomTerm) -> np.ndarray:
    """(n, L * k) the columns of a random term, level by level."""
    z = np.ones((term.codes.size, 1)) if term.z is None else term.z
    out = np.zeros((term.codes.size, term.num_levels * term.k))
    for j in range(term.k):
        out[np.arange(term.codes.size), term.codes * term.k + j] = z[:, j]
    return out


def dense_deviance(
    fixed: np.ndarray, y: np.ndarray, parts: list[tuple[np.ndarray, np.ndarray]], *, reml: bool
) -> SimpleNamespace:
    """The profiled deviance written down as it stands, with matrices of a row and a column per measurement.

    Args:
        fixed: (n, p) fixed columns.
        y: (n,) response.
        parts: for each term its (n, L * k) columns and its (k, k) relative factor.
        reml: whether the likelihood is restricted.
    """
    n, p = fixed.shape
    v = np.eye(n)
    for columns, factor in parts:
        levels = columns.shape[1] // len(factor)
        v += columns @ np.kron(np.eye(levels), factor @ factor.T) @ columns.T
    inverse = np.linalg.inv(v)
    information = fixed.T @ inverse @ fixed
    beta = np.linalg.solve(information, fixed.T @ inverse @ y) if p else np.zeros(0)
    rest = y - fixed @ beta
    free = n - p if reml else n
    variance = float(rest @ inverse @ rest) / free
    deviance = np.linalg.slogdet(v)[1] + free * (1 + np.log(2 * np.pi * variance))
    if reml and p:
        deviance += np.linalg.slogdet(information)[1]
    return SimpleNamespace(
        deviance=float(deviance), beta=beta, variance=variance, information=information, inverse=inverse, rest=rest
    )


def dense_of(data: ModelData, factors: list[np.ndarray], *, reml: bool) -> SimpleNamespace:
    """The same on what a model is fitted to: orthonormal fixed columns, standardised rest of the response."""
    y = data.variables[data.formula.response]
    rest = (y - data.q @ data.start) / data.scale
    parts = [(dense_columns(term), factor) for term, factor in zip(data.terms, factors, strict=True)]
    return dense_deviance(data.q, rest, parts, reml=reml)


@pytest.fixture(scope="session")
def naive() -> SimpleNamespace:
    """The naive transcription: `columns`, `deviance`, `of`."""
    return SimpleNamespace(columns=dense_columns, deviance=dense_deviance, of=dense_of)


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Folder of reference data, or a skip that says what is absent."""
    folder = Path(os.environ.get("CUPEL_REFERENCE_DATA", Path(__file__).parents[4] / "shared" / "data"))
    if not (folder / "mixed_models").is_dir():
        pytest.skip(f"no reference data at {folder} (set CUPEL_REFERENCE_DATA)")
    return folder
