"""The profiled deviance, its gradient and its solves against a dense transcription, along every path of the engine."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cupel.spec.errors import UsageError
from cupel.stats.mixed import cross_products as sums_module
from cupel.stats.mixed import elimination as elimination_module
from cupel.stats.mixed.deviance import Profile
from cupel.stats.mixed.model_data import ModelData, model_data
from cupel.stats.mixed.random_terms import unpack

FORMULAS = [
    "y ~ a + x + (1 | g)",
    "y ~ a * x + (1 | g) + (1 | h)",
    "y ~ x + (x | g)",
    "y ~ x + (x || g) + (1 | h)",
    "y ~ 0 + (1 | g)",
    "y ~ 0 + (x | g) + (1 | h)",
    "y ~ a + (1 | g) + (1 | g:h)",
    "y ~ a + (1 | h / g)",
    "y ~ a + (1 | g) + (1 | g:a) + (1 | h)",
    "y ~ x + (x | g) + (a | h)",
    "y ~ 1 + (0 + a | g)",
    "y ~ x + (a + x | g)",
    "y ~ x + (x | g) + (x | h) + (1 | a)",
    "y ~ x + (1 | h) + (0 + x | h) + (1 | g) + (0 + x | g)",
]
# SMALL_BORDER, DENSE_COUPLING, LARGEST_GROUP, BORDER_COST, PAIR_COST: each of the paths of the elimination
PATHS = {
    "as shipped": (16, 400_000, 128, 0.4, 30.0),
    "border, sparse, no pairs": (16, -1, 128, 0.4, 1e9),
    "border, sparse, pairs": (16, -1, 128, 0.4, 0.0),
    "border, dense, pairs": (16, 400_000, 128, 0.4, 0.0),
    "border, dense, no pairs": (16, 400_000, 128, 0.4, 1e9),
    "all in blocks": (0, 400_000, 10_000, 1e9, 30.0),
    "blocks as far as they are small, sparse": (0, -1, 40, 1e9, 30.0),
}


def take(monkeypatch, path: str) -> None:
    """Take one of the paths."""
    names = ("SMALL_BORDER", "DENSE_COUPLING", "LARGEST_GROUP", "BORDER_COST")
    for name, value in zip(names, PATHS[path][:4], strict=True):
        monkeypatch.setattr(sums_module, name, value)
    monkeypatch.setattr(elimination_module, "PAIR_COST", PATHS[path][4])


def table(rng: np.random.Generator, n: int, levels: tuple[int, int]) -> dict[str, np.ndarray]:
    """A design without plan: two factors to group by, one to fix, one number."""
    g, h = (np.concatenate([np.arange(size), rng.integers(0, size, n - size)]) for size in levels)
    a = np.concatenate([np.arange(3), rng.integers(0, 3, n - 3)])
    x = rng.normal(3, 2, n)
    y = rng.normal(size=n) + rng.normal(size=levels[0])[g] + x * rng.normal(size=levels[1])[h]
    return {"y": y, "x": x, "a": a.astype(str), "g": g.astype(str), "h": h.astype(str)}


def random_theta(rng: np.random.Generator, size: int) -> np.ndarray:
    """Elements of the factors: ordinary, some zero, tiny, or none."""
    theta = rng.normal(size=size)
    kind = rng.integers(4)
    if kind == 1:
        theta[rng.random(size) < 0.5] = 0.0
    return theta * (1.0, 1.0, 1e-5, 0.0)[kind]


def dense_gradient(naive, data: ModelData, theta: np.ndarray, *, reml: bool) -> np.ndarray:
    """Gradient by the trace formula: of each element of a factor, through the (n, n) matrix that it moves."""
    factors = unpack(theta, data.terms)
    here = naive.of(data, factors, reml=reml)
    inverse, pulled = here.inverse, here.inverse @ here.rest
    inner = inverse
    if reml and data.q.shape[1]:
        inner = inverse - inverse @ data.q @ np.linalg.inv(here.information) @ data.q.T @ inverse
    out = []
    for term, factor in zip(data.terms, factors, strict=True):
        z = [naive.columns(term)[:, j :: term.k] for j in range(term.k)]
        for column in range(term.k):
            along = sum(factor[j, column] * z[j] for j in range(term.k))
            for row in range(column, term.k):  # V moves by z[row] along' + along z[row]'
                trace = 2 * np.sum((inner @ z[row]) * along)
                out.append(trace - 2 * (pulled @ z[row]) @ (along.T @ pulled) / here.variance)
    return np.array(out)


def agrees(naive, data: ModelData, rng: np.random.Generator) -> None:
    for reml in (True, False):
        theta = random_theta(rng, sum(term.num_theta for term in data.terms))
        here = Profile(data.sums, reml=reml).at(theta)
        there = naive.of(data, unpack(theta, data.terms), reml=reml)
        assert here.deviance == pytest.approx(there.deviance, rel=1e-10, abs=1e-9)
        assert here.variance == pytest.approx(there.variance, rel=1e-9)
        assert here.beta == pytest.approx(there.beta, rel=1e-7, abs=1e-9)
        assert np.allclose(here.information, there.information, rtol=1e-8, atol=1e-9)
        expected = dense_gradient(naive, data, theta, reml=reml)
        assert here.gradient == pytest.approx(expected, rel=1e-6, abs=1e-7 * max(1.0, np.abs(expected).max()))


@settings(max_examples=60)
@given(formula=st.sampled_from(FORMULAS), seed=st.integers(0, 2**32 - 1))
def test_deviance_and_gradient_agree_with_the_dense_formula(naive, formula: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    agrees(naive, model_data(formula, table(rng, int(rng.integers(45, 75)), (5, 4))), rng)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "formula",
    [
        "y ~ a + x + (1 | g) + (1 | h)",
        "y ~ x + (x | g) + (1 | h)",
        "y ~ 0 + (1 | g) + (x | h)",
        "y ~ a + (1 | g) + (1 | h) + (1 | g:a)",
        "y ~ x + (x || g) + (x || h)",
    ],
)
def test_every_path_of_the_elimination_gives_the_same(naive, monkeypatch, path: str, formula: str) -> None:
    take(monkeypatch, path)
    rng = np.random.default_rng(len(path))
    agrees(naive, model_data(formula, table(rng, 130, (45, 24))), rng)


@pytest.mark.parametrize(
    ("path", "is_sparse", "has_pairs", "has_border"),
    [
        ("as shipped", False, True, True),
        ("border, sparse, no pairs", True, False, True),
        ("border, sparse, pairs", True, True, True),
        ("border, dense, pairs", False, True, True),
        ("border, dense, no pairs", False, False, True),
        ("all in blocks", False, False, False),
        ("blocks as far as they are small, sparse", True, True, True),
    ],
)
def test_the_paths_are_different_ones(monkeypatch, path: str, is_sparse: bool, has_pairs: bool, has_border: bool):
    take(monkeypatch, path)
    data = model_data("y ~ a + (1 | g) + (1 | h)", table(np.random.default_rng(0), 130, (45, 24)))
    structure = Profile(data.sums, reml=True).structure
    found = (structure.is_sparse, structure.pairs is not None, structure.num_border > 0)
    assert found == (is_sparse, has_pairs, has_border)


def test_nested_groups_are_eliminated_in_blocks() -> None:
    rng = np.random.default_rng(5)
    task, seed = np.repeat(np.arange(60), 10), np.tile(np.repeat(np.arange(10), 3), 20)
    columns = {"y": rng.normal(size=600), "task": task.astype(str), "seed": seed.astype(str)}
    columns["method"] = np.tile(["p", "q", "r"], 200)
    two = model_data("y ~ method + (1 | task) + (1 | task:method)", columns).sums
    assert (two.inner.shape, two.border.shape) == ((60, 4, 4), (0, 0))  # a task and its three methods
    three = model_data("y ~ method + (1 | task) + (1 | task:method) + (1 | task:seed)", columns).sums
    assert (three.inner.shape, three.border.shape) == ((60, 8, 8), (0, 0))  # and its four seeds


@pytest.mark.parametrize("formula", ["y ~ a + (1 | g)", "y ~ x + (x | g) + (1 | h)"])
def test_effects_and_fitted_values_solve_hendersons_equations(naive, formula: str) -> None:
    rng = np.random.default_rng(3)
    data = model_data(formula, table(rng, 80, (6, 4)))
    theta = rng.normal(size=sum(term.num_theta for term in data.terms))
    here = Profile(data.sums, reml=True).at(theta)
    factors = unpack(theta, data.terms)
    y = (data.variables["y"] - data.q @ data.start) / data.scale
    there = naive.of(data, factors, reml=True)
    for term, factor, effects in zip(data.terms, factors, here.effects(), strict=True):
        z = naive.columns(term)
        s = np.kron(np.eye(term.num_levels), factor @ factor.T)
        assert effects.ravel() == pytest.approx(s @ z.T @ there.inverse @ (y - data.q @ there.beta), abs=1e-9)


def test_the_criterion_is_in_the_units_of_the_data(naive, survey) -> None:
    from cupel.stats.mixed import mixed_model

    for reml in (True, False):
        model = mixed_model("y ~ a * b + x + (x | g) + (1 | h)", survey, reml=reml)
        x = model.data.design.matrix(model.data.variables, model.n)
        parts = []
        for term, covariance in zip(model.data.terms, model.random_covariances, strict=True):
            z = naive.columns(term) * np.tile(term.scale, term.num_levels)
            values, vectors = np.linalg.eigh(covariance / model.sigma**2)
            parts.append((z, vectors * np.sqrt(np.maximum(values, 0))))
        there = naive.deviance(x, model.response, parts, reml=reml)
        assert model.criterion == pytest.approx(there.deviance, rel=1e-9)
        assert model.beta == pytest.approx(there.beta, rel=1e-7)
        assert model.sigma == pytest.approx(np.sqrt(there.variance), rel=1e-8)
        assert np.allclose(model.covariance, there.variance * np.linalg.inv(there.information), rtol=1e-7, atol=1e-10)


def test_a_model_without_random_terms_is_least_squares(survey) -> None:
    from cupel.stats.mixed import mixed_model

    for reml in (True, False):
        model = mixed_model("y ~ a + x", survey, reml=reml)
        x = model.data.design.matrix(model.data.variables, model.n)
        beta, rss, rank, _ = np.linalg.lstsq(x, np.array(survey["y"]), rcond=None)
        free = 96 - rank if reml else 96
        variance = float(rss[0]) / free
        assert model.beta == pytest.approx(beta)
        assert np.allclose(model.covariance, variance * np.linalg.inv(x.T @ x))
        log_det = np.linalg.slogdet(x.T @ x)[1] if reml else 0.0
        assert model.criterion == pytest.approx(free * (1 + np.log(2 * np.pi * variance)) + log_det)


def test_with_another_response_the_sums_are_those_of_a_new_start() -> None:
    rng = np.random.default_rng(11)
    columns = table(rng, 90, (8, 5))
    for formula in FORMULAS:
        y = rng.normal(5, 2, size=90)
        fast, slow = model_data(formula, columns).with_response(y), model_data(formula, columns | {"y": y})
        assert fast.scale == pytest.approx(slow.scale, rel=1e-12)
        assert fast.start == pytest.approx(slow.start, rel=1e-9, abs=1e-12)
        for name in ("inner", "inner_fixed", "border", "border_fixed", "fixed"):
            assert np.allclose(getattr(fast.sums, name), getattr(slow.sums, name), atol=1e-9), (formula, name)


@pytest.mark.parametrize("bad", [np.zeros(3), np.full(96, np.nan), np.zeros((96, 1))])
def test_another_response_must_be_a_number_for_each_row(survey, bad: np.ndarray) -> None:
    with pytest.raises(UsageError, match="expected 96 finite numbers"):
        model_data("y ~ a + (1 | g)", survey).with_response(bad)


def test_a_border_that_is_cheaper_than_blocks_is_kept() -> None:
    """67 seeds a task: blocks of 70 would cost more than a border of 200."""
    task, method, seed = (part.ravel() for part in np.meshgrid(range(50), range(3), range(67), indexing="ij"))
    columns = {"y": np.random.default_rng(0).normal(size=task.size), "method": np.array(list("pqr"))[method]}
    columns |= {"task": task.astype(str), "seed": seed.astype(str)}
    sums = model_data("y ~ method + (1 | task) + (1 | task:method) + (1 | task:seed)", columns).sums
    assert (sums.inner.shape, sums.border.shape) == ((3350, 1, 1), (200, 200))


def test_too_many_crossed_effects_are_refused_before_memory_is_taken(monkeypatch) -> None:
    monkeypatch.setattr(sums_module, "LARGEST_BORDER", 20)
    columns = table(np.random.default_rng(0), 130, (45, 24))
    with pytest.raises(UsageError, match="24 random effects that are crossed"):
        model_data("y ~ 1 + (1 | g) + (1 | h)", columns)
