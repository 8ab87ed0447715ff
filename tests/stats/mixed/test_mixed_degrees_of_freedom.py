"""Satterthwaite's and Kenward and Roger's approximations, against R's and against dense transcriptions."""

import math
from itertools import pairwise

import numpy as np
import pytest

from cupel.spec.errors import UnknownNameError, UsageError
from cupel.stats.mixed import MixedModel, kenward_roger, mixed_model, satterthwaite
from cupel.stats.mixed import cross_products as sums_module
from cupel.stats.mixed.degrees_of_freedom import contrast_errors
from cupel.stats.mixed.random_terms import unpack

# lmerTest: summary(m, ddf = "Satterthwaite"), pbkrtest: summary(m, ddf = "Kenward-Roger"); lmer with rhoend = 1e-10
R_VALUES = [
    (
        "y ~ a * b + x + (1 | g) + (1 | h)",
        [17.94062565, 79.75977246, 80.49987115, 79.99935832, 78.94836612, 79.15960838, 79.26492873],
        [17.99649137, 79.78245916, 80.52094162, 80.02263906, 78.96845912, 79.18238086, 79.28716053],
        [0.747524655, 0.4678386028, 0.4345136142, 0.4241118227, 0.1167374895, 0.6095824236, 0.5676794707],
    ),
    (
        "y ~ a + x + (x | g)",  # singular
        [14.57136592, 85.90524325, 86.12063422, 9.362386661],
        [9.980282276, 82.71529707, 86.09293827, 6.39888796],
        [0.441558963, 0.3682634434, 0.3341491524, 0.1941360233],
    ),
    (
        "y ~ a + x + (x || g) + (1 | h)",
        [12.36385684, 84.5762986, 82.6601891, 8.335148491],
        [13.18535235, 83.91858439, 81.84361699, 7.997341519],
        [0.5934036234, 0.3311399016, 0.2983029566, 0.1872577434],
    ),
    (
        "y ~ a + (1 | g) + (1 | g:a)",
        [9.388841964, 10.32093083, 10.72494754],
        [9.383491438, 11.21151081, 11.6399643],
        [0.619418332, 0.4551074515, 0.4098896827],
    ),
    (
        "y ~ a + b + (1 | g) + (1 | g:h)",
        [9.334915006, 76.08929279, 76.95217082, 72.37015182],
        [9.354979044, 77.08028419, 77.87606839, 73.75347184],
        [0.6123867742, 0.3427649911, 0.3130058543, 0.2637778888],
    ),
]


def identity(model: MixedModel) -> np.ndarray:
    return np.eye(len(model.beta))


@pytest.mark.parametrize(("formula", "df", "kr_df", "kr_errors"), R_VALUES)
def test_recorded_values_of_r(survey, formula: str, df: list, kr_df: list, kr_errors: list) -> None:
    model = mixed_model(formula, survey)
    assert satterthwaite(model, identity(model)) == pytest.approx(df, rel=1e-5)
    found = kenward_roger(model, identity(model))
    assert found.df == pytest.approx(kr_df, rel=1e-5)
    assert found.standard_errors == pytest.approx(kr_errors, rel=1e-5)


def test_recorded_values_of_maximum_likelihood(survey) -> None:
    model = mixed_model(R_VALUES[0][0], survey, reml=False)
    df = [20.16700624, 85.73760028, 86.55813737, 85.99899601, 84.85616442, 85.07635707, 85.194652]
    assert satterthwaite(model, identity(model)) == pytest.approx(df, rel=1e-5)


def test_recorded_corrected_covariance(survey) -> None:
    model = mixed_model(R_VALUES[0][0], survey)
    first_row = [0.5587931099, -0.1075023949, -0.1230147299, -0.1150736528, -0.03109078562, 0.1159836846, 0.1293461066]
    assert kenward_roger(model, identity(model)).covariance[0] == pytest.approx(first_row, rel=1e-5)


def dense_parts(naive, model: MixedModel) -> tuple[np.ndarray, list[np.ndarray]]:
    """X, and what each variance and covariance multiplies in V, all (n, n); the residual's first."""
    matrices = [np.eye(model.n)]
    for term in model.data.terms:
        z = naive.columns(term) * np.tile(term.scale, term.num_levels)
        for j in range(term.k):
            for k in range(j, term.k):
                unit = np.zeros((term.k, term.k))
                unit[j, k] = unit[k, j] = 1.0
                matrices.append(z @ np.kron(np.eye(term.num_levels), unit) @ z.T)
    return model.data.design.matrix(model.data.variables, model.n), matrices


def dense_kenward_roger(naive, model: MixedModel, c: np.ndarray) -> tuple[float, float]:
    """Degrees of freedom and corrected variance of one contrast, as the paper has them."""
    x, parts = dense_parts(naive, model)
    gammas = [model.sigma**2]
    for s in model.random_covariances:
        gammas += [s[j, k] for j in range(len(s)) for k in range(j, len(s))]
    inverse = np.linalg.inv(sum(gamma * part for gamma, part in zip(gammas, parts, strict=True)))
    phi = np.linalg.inv(x.T @ inverse @ x)
    size = len(parts)
    p = [-x.T @ inverse @ part @ inverse @ x for part in parts]
    q = [[x.T @ inverse @ a @ inverse @ b @ inverse @ x for b in parts] for a in parts]
    information = np.empty((size, size))
    for r in range(size):
        for s in range(size):
            information[r, s] = 0.5 * (
                np.trace(inverse @ parts[r] @ inverse @ parts[s])
                - 2 * np.trace(phi @ q[r][s])
                + np.trace(phi @ p[r] @ phi @ p[s])
            )
    w = np.linalg.inv(information)
    inner = sum(w[r, s] * (q[r][s] - p[r] @ phi @ p[s]) for r in range(size) for s in range(size))
    adjusted = phi + 2 * phi @ inner @ phi
    theta = np.outer(c, c) / (c @ phi @ c)
    slopes = [np.trace(theta @ phi @ part @ phi) for part in p]
    a = sum(w[r, s] * slopes[r] * slopes[s] for r in range(size) for s in range(size))
    return 2 / a, float(c @ adjusted @ c)


@pytest.mark.parametrize("formula", [row[0] for row in R_VALUES if "(x | g)" not in row[0]])
def test_kenward_roger_agrees_with_the_dense_formula(survey, naive, formula: str) -> None:
    model = mixed_model(formula, survey)
    rng = np.random.default_rng(0)
    for c in rng.normal(size=(3, len(model.beta))):
        df, variance = dense_kenward_roger(naive, model, c)
        found = kenward_roger(model, c)
        assert found.df[0] == pytest.approx(df, rel=1e-6)
        assert found.covariance[0, 0] == pytest.approx(variance, rel=1e-6)


@pytest.mark.parametrize(("border_cost", "dense_coupling"), [(1e9, 400_000), (0.0, 400_000), (0.0, -1)])
def test_kenward_roger_agrees_however_the_effects_are_arranged(
    naive, monkeypatch, border_cost: float, dense_coupling: int
) -> None:
    """Tasks with 2 to 11 seeds: in blocks most slots are empty."""
    monkeypatch.setattr(sums_module, "SMALL_BORDER", 0)
    monkeypatch.setattr(sums_module, "BORDER_COST", border_cost)
    monkeypatch.setattr(sums_module, "DENSE_COUPLING", dense_coupling)
    rng = np.random.default_rng(6)
    seeds = [11, 2, 2, 3, 2, 2, 5, 2]
    task = np.repeat(np.arange(8), [3 * k for k in seeds])
    seed = np.concatenate([np.repeat(np.arange(k), 3) for k in seeds])
    method = np.tile([0, 1, 2], sum(seeds))
    y = rng.normal(size=8)[task] + rng.normal(size=(8, 11))[task, seed] + rng.normal(size=task.size)
    columns = {"y": y, "task": task.astype(str), "seed": seed.astype(str), "method": np.array(list("abc"))[method]}
    model = mixed_model("y ~ method + (1 | task) + (1 | task:seed)", columns)
    assert (model.data.sums.border.size == 0) == (border_cost > 0)
    c = np.array([1.0, 0.5, -1.0])
    df, variance = dense_kenward_roger(naive, model, c)
    found = kenward_roger(model, c)
    assert found.df[0] == pytest.approx(df, rel=1e-6)
    assert found.covariance[0, 0] == pytest.approx(variance, rel=1e-6)


def dense_satterthwaite(naive, model: MixedModel, c: np.ndarray) -> float:
    """By differences of the dense deviance in (theta, sigma), with no derivative by hand."""
    x = model.data.design.matrix(model.data.variables, model.n)
    columns = [naive.columns(term) for term in model.data.terms]

    def at(point: np.ndarray) -> tuple[float, float]:
        factors = unpack(point[:-1], model.data.terms)
        here = naive.deviance(x, model.response, list(zip(columns, factors, strict=True)), reml=model.reml)
        free = model.n - x.shape[1] if model.reml else model.n
        profiled = here.deviance - free * (1 + math.log(2 * math.pi * here.variance))
        deviance = profiled + free * (math.log(2 * math.pi * point[-1] ** 2) + here.variance / point[-1] ** 2)
        return deviance, point[-1] ** 2 * float(c @ np.linalg.inv(here.information) @ c)

    best = np.append(model.optimum.theta, model.sigma)
    size, step = best.size, 2e-3
    unit = step * np.eye(size)
    gradient = np.array([(at(best + e)[1] - at(best - e)[1]) / (2 * step) for e in unit])
    hessian = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            corners = [(s, t, at(best + s * unit[i] + t * unit[j])[0]) for s in (1, -1) for t in (1, -1)]
            hessian[i, j] = sum(s * t * value for s, t, value in corners) / (4 * step**2)
    return float(2 * at(best)[1] ** 2 / (gradient @ (2 * np.linalg.inv(hessian)) @ gradient))


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("formula", ["y ~ a + (1 | g) + (1 | g:a)", "y ~ a + x + (x || g) + (1 | h)"])
def test_satterthwaite_agrees_with_differences_of_the_dense_deviance(survey, naive, formula: str, reml: bool) -> None:
    model = mixed_model(formula, survey, reml=reml)
    rng = np.random.default_rng(0)
    for c in rng.normal(size=(2, len(model.beta))):
        assert satterthwaite(model, c)[0] == pytest.approx(dense_satterthwaite(naive, model, c), rel=1e-3)


def test_in_balanced_designs_both_are_the_classical_degrees_of_freedom() -> None:
    rng = np.random.default_rng(4)
    task, method, run = (part.ravel() for part in np.meshgrid(range(7), range(3), range(5), indexing="ij"))
    y = rng.normal(size=7)[task] + 0.7 * rng.normal(size=(7, 3))[task, method] + rng.normal(size=105)
    columns = {"y": y, "task": task.astype(str), "method": np.array(list("abc"))[method]}
    model = mixed_model("y ~ method + (1 | task) + (1 | task:method)", columns)
    c = np.array([[0, 1, 0], [0, -1, 1]])
    assert not model.singular
    assert satterthwaite(model, c) == pytest.approx([12, 12], rel=1e-4)
    assert kenward_roger(model, c).df == pytest.approx([12, 12], rel=1e-6)
    blocks = mixed_model("y ~ method + (1 | task)", columns)
    assert satterthwaite(blocks, c) == pytest.approx([105 - 7 - 2, 105 - 7 - 2], rel=1e-4)
    assert run.size == 105


def test_without_random_terms_they_are_those_of_least_squares(survey) -> None:
    model = mixed_model("y ~ a * b + x", survey)
    assert satterthwaite(model, identity(model)) == pytest.approx([89] * 7)


def test_a_direction_without_information_is_left_out(survey) -> None:
    """A slope of a constant column cannot be told from the intercept: the Hessian is flat there."""
    table = survey | {"one": [1.0] * 96}
    flat = mixed_model("y ~ a + (one | g)", table)
    plain = mixed_model("y ~ a + (1 | g)", table)
    assert flat.criterion == pytest.approx(plain.criterion, abs=1e-6)
    assert satterthwaite(flat, identity(flat)) == pytest.approx(satterthwaite(plain, identity(plain)), rel=1e-3)


def test_the_scale_of_a_contrast_is_of_no_consequence(survey) -> None:
    model = mixed_model("y ~ a + x + (x | g)", survey)
    c = np.array([0.0, 1.0, -1.0, 0.3])
    for scale in (1e-90, 1e-3, 1e90):
        assert satterthwaite(model, scale * c) == pytest.approx(satterthwaite(model, c), rel=1e-9)


def test_a_contrast_of_zeros_has_none(survey) -> None:
    model = mixed_model("y ~ a + (1 | g)", survey)
    assert np.isnan(satterthwaite(model, np.zeros((1, 3)))).all()
    assert np.isnan(kenward_roger(model, np.zeros((1, 3))).df).all()


def test_methods_by_name(survey) -> None:
    model = mixed_model("y ~ a + (1 | g)", survey)
    c = np.array([[0.0, 1.0, 0.0]])
    plain, errors, df = contrast_errors(model, c, "residual")
    assert (df[0], errors[0]) == (93.0, pytest.approx(model.standard_errors["aq"]))
    assert contrast_errors(model, c, "asymptotic")[2].tolist() == [math.inf]
    assert contrast_errors(model, c, "kenward-roger")[0][0, 0] > plain[0, 0]
    with pytest.raises(UnknownNameError, match="kenward-roger"):
        contrast_errors(model, c, "kenward")  # type: ignore[arg-type]


def test_kenward_roger_asks_for_reml(survey) -> None:
    model = mixed_model("y ~ a + (1 | g)", survey, reml=False)
    with pytest.raises(UsageError, match="reml=True"):
        kenward_roger(model, identity(model))


def test_kenward_roger_is_refused_where_it_would_take_all_memory(survey, monkeypatch) -> None:
    from importlib import import_module

    monkeypatch.setattr(import_module("cupel.stats.mixed.kenward_roger"), "LARGEST", 7)
    model = mixed_model("y ~ a + (1 | g)", survey)
    with pytest.raises(UsageError, match="matrices of 8 random effects"):
        kenward_roger(model, identity(model))


def test_fewer_tasks_cost_degrees_of_freedom() -> None:
    rng = np.random.default_rng(2)
    found = []
    for tasks in (4, 8, 16):
        task, method = (np.repeat(np.arange(tasks), 6), np.tile(np.repeat([0, 1], 3), tasks))
        y = rng.normal(size=(tasks, 2))[task, method] + 0.3 * rng.normal(size=6 * tasks)
        columns = {"y": y, "task": task.astype(str), "method": np.array(list("ab"))[method]}
        model = mixed_model("y ~ method + (1 | task) + (1 | task:method)", columns)
        found.append(float(satterthwaite(model, np.array([0.0, 1.0]))[0]))
    assert all(a < b for a, b in pairwise(found))


def test_kenward_roger_without_random_terms_changes_nothing(survey) -> None:
    model = mixed_model("y ~ a + x", survey)
    found = kenward_roger(model, identity(model))
    assert found.df == pytest.approx([92] * 4)
    assert found.standard_errors == pytest.approx(list(model.standard_errors.values()))
