"""Residuals far smaller than the groups: what sums can tell, and what no residual is."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cupel.spec.errors import UsageError
from cupel.stats.mixed.contrasts import contrasts
from cupel.stats.mixed.deviance import Profile
from cupel.stats.mixed.mixed_model import mixed_model
from cupel.stats.mixed.model_data import model_data

NESTED = "value ~ method + (1 | task) + (1 | task:method) + (1 | task:seed)"
CROSSED = "value ~ method + (1 | task) + (1 | seed) + (1 | task:method)"


def table(seed: int, noise: float, offset: float = 0.0, kind: str = "sums"):
    """Two methods, nine tasks, five seeds, some rows missing: task, task by method and task by seed, and noise."""
    rng = np.random.default_rng(seed)
    m, t, s = np.indices((2, 9, 5)).reshape(3, -1)
    keep = rng.random(m.size) < 0.92
    of_task, suits, of_seed = rng.normal(size=9)[t], rng.normal(size=(9, 2))[t, m], rng.normal(size=(9, 5))[t, s]
    values = {
        "sums": of_task + suits + of_seed,
        "wins": 1.0 * (of_seed > 0),
        "steps": np.round(of_task + suits),
    }[kind] + noise * rng.normal(size=m.size)
    parts = {"method": m, "task": t, "seed": s}
    return {name: [f"{name[0]}{k}" for k in part[keep]] for name, part in parts.items()} | {
        "value": (offset + values[keep]).tolist()
    }


@pytest.mark.parametrize("formula", [NESTED, CROSSED])
@pytest.mark.parametrize("sd", [1e-2, 1e-3, 1e-4])
def test_the_deviance_is_that_of_dense_matrices_in_long_numbers(formula, sd):
    if np.finfo(np.longdouble).eps > 1e-18:
        pytest.skip("no numbers longer than doubles here")
    data = model_data(formula, table(3, sd))
    profile = Profile(data.sums, reml=True)
    theta = np.full(3, 1 / sd)
    deviance, rss = dense(data, theta)
    here = profile.at(theta)
    assert here.rss == pytest.approx(rss, rel=10 * np.finfo(float).eps / sd**2)
    assert here.deviance == pytest.approx(deviance, abs=3e-5)
    step = 1e-3 * theta * np.eye(3)
    slope = [(dense(data, theta + d)[0] - dense(data, theta - d)[0]) / (2e-3 / sd) for d in step]
    assert here.gradient == pytest.approx(slope, rel=1e-3, abs=1e-3 * sd)


def dense(data, theta):
    """REML deviance and residual sum of squares, by Cholesky of V, in long doubles."""
    long = np.longdouble
    v = np.eye(data.n, dtype=long)
    for size, term in zip(theta, data.terms, strict=True):
        v += long(size) ** 2 * (term.codes[:, None] == term.codes[None, :])
    y = data.variables[data.formula.response]
    rest = (y - data.q @ (data.q.T @ y)) / data.scale
    root = lower(v)
    whitened = forward(root, np.column_stack([data.q, rest]).astype(long))
    products = whitened.T @ whitened
    p = data.q.shape[1]
    fixed = lower(products[:p, :p])
    along = forward(fixed, products[:p, p:])
    rss = products[p, p] - (along**2).sum()
    free = data.n - p
    logs = 2 * np.log(np.diag(root)).sum() + 2 * np.log(np.diag(fixed)).sum()
    return float(logs + free * (1 + np.log(2 * long(np.pi) * rss / free))), float(rss)


def lower(a):
    root = np.zeros_like(a)
    for j in range(len(a)):
        root[j, j] = np.sqrt(a[j, j] - (root[j, :j] ** 2).sum())
        root[j + 1 :, j] = (a[j + 1 :, j] - root[j + 1 :, :j] @ root[j, :j]) / root[j, j]
    return root


def forward(root, right):
    out = np.zeros_like(right)
    for i in range(len(root)):
        out[i] = (right[i] - root[i, :i] @ out[:i]) / root[i, i]
    return out


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from([1e-1, 1e-3, 1e-5]), st.sampled_from([0.0, 1e3]))
def test_a_small_residual_is_found(seed, sd, offset):
    model = mixed_model(NESTED, table(seed, sd, offset))
    assert 0.3 < model.variance_components["Residual"] ** 0.5 / sd < 2.5
    assert np.isfinite(contrasts(model, "method")[0].p)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from(["sums", "wins", "steps"]), st.sampled_from([0.0, 1e6]))
def test_a_response_that_groups_explain_is_refused(seed, kind, offset):
    """Its likelihood has no maximum: a search ends wherever sums break."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UsageError, match=r"no residual is left|no variation beyond the fixed part"):
            mixed_model(NESTED, table(seed, 0.0, offset, kind))
