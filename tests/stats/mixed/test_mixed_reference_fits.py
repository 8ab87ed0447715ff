"""Textbook fits as lme4, lmerTest and pbkrtest recorded them."""

import csv
import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cupel.stats.mixed import MixedModel, kenward_roger, mixed_model, satterthwaite

NAMES = [
    ("sleepstudy_int", True), ("sleepstudy_int", False), ("sleepstudy", True), ("sleepstudy", False),
    ("sleepstudy_nocorr", True), ("sleepstudy_nocorr", False), ("Dyestuff", True), ("Dyestuff", False),
    ("Dyestuff2", True), ("Dyestuff2", False), ("Penicillin", True), ("Penicillin", False), ("Pastes", True),
    ("Pastes", False), ("cake", True), ("cake", False),
    pytest.param("InstEval", False, marks=[pytest.mark.slow, pytest.mark.timeout(600)]),
]  # fmt: skip

# lme4 stopped 1.5e-6 above the minimum here, where a standard error is off by 1e-4. Its own deviance function and
# standard errors at theta = (0.27646408, 0.43735315, 0.06669728), where the deviance is lower:
LOWER = {"InstEval": (237721.768774496, {"(Intercept)": 0.0284115706543, "service1": 0.0133831764904})}


@pytest.fixture(scope="module")
def recorded(reference_data: Path) -> dict[tuple[str, bool], dict[str, Any]]:
    fits = json.loads((reference_data / "mixed_models" / "lme4_reference_fits.json").read_text())
    return {(fit["name"], fit["REML"]): fit for fit in fits}


def read(folder: Path, fit: dict[str, Any]) -> dict[str, list[Any]]:
    path = folder / "mixed_models" / fit["file"]
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        rows = list(csv.DictReader(file))
    number = {name for name in rows[0] if name not in fit["factors"] and is_number(rows[0][name])}
    return {name: [float(row[name]) if name in number else row[name] for row in rows] for name in rows[0]}


def is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


@pytest.fixture(scope="module")
def fitted(reference_data: Path, recorded) -> Any:
    """Fits by name, made once."""
    made: dict[tuple[str, bool], MixedModel] = {}

    def one(name: str, reml: bool) -> tuple[MixedModel, dict[str, Any]]:
        fit = recorded[name, reml]
        if (name, reml) not in made:
            made[name, reml] = mixed_model(fit["formula"], read(reference_data, fit), reml=reml)
        return made[name, reml], fit

    return one


@pytest.mark.parametrize(("name", "reml"), NAMES)
def test_the_fit_is_at_least_as_good_and_the_same(fitted, name: str, reml: bool) -> None:
    model, fit = fitted(name, reml)
    excess = model.criterion - fit["criterion"]
    assert excess <= max(1e-6, 1e-9 * abs(fit["criterion"]))
    assert excess > -2e-6 - 1e-10 * abs(fit["criterion"])  # lme4 stops that far above the minimum, not further
    assert model.log_likelihood == pytest.approx(fit["logLik"], abs=2e-6, rel=1e-9)
    assert (model.n, model.num_parameters, model.singular) == (fit["n"], fit["npar"], fit["singular"])
    assert model.converged
    assert model.coefficients == pytest.approx(fit["fixef"], rel=1e-5, abs=1e-5)
    assert model.sigma == pytest.approx(fit["sigma"], rel=1e-4)
    assert model.theta == pytest.approx(fit["theta"], abs=2e-4)  # lme4's own stopping rule leaves about 1e-4
    recorded_errors = {row["term"]: row["Std. Error"] for row in fit["coef_table"]}
    criterion, errors = LOWER.get(name, (math.inf, recorded_errors))
    assert model.criterion < criterion + 1e-6
    assert model.standard_errors == pytest.approx(errors, rel=1e-4 if errors is recorded_errors else 1e-6)
    assert np.allclose(model.covariance, np.array(fit["vcov"]), rtol=3e-4, atol=1e-7)


@pytest.mark.parametrize(("name", "reml"), NAMES)
def test_variance_components_are_those_of_lme4(fitted, name: str, reml: bool) -> None:
    model, fit = fitted(name, reml)
    table = model.variance_components.to_frame()
    found = [tuple(row) for row in table.itertuples(index=False)]
    assert len(found) == len(fit["varcorr"])
    scale = model.sigma**2
    ours = {(str(grp), *(x if isinstance(x, str) else None for x in (one, two))): v for grp, one, two, v, _ in found}
    for row in fit["varcorr"]:
        key = (row["grp"].removesuffix(".1"), row.get("var1"), row.get("var2"))
        assert ours[key] == pytest.approx(row["vcov"], rel=2e-3, abs=1e-6 * scale)


@pytest.mark.parametrize(("name", "reml"), NAMES)
def test_satterthwaites_degrees_of_freedom_are_those_of_lmertest(fitted, name: str, reml: bool) -> None:
    model, fit = fitted(name, reml)
    df = dict(zip(model.coefficients, satterthwaite(model, np.eye(len(model.beta))), strict=True))
    for row in fit["coef_table"]:
        assert df[row["term"]] == pytest.approx(row["df"], abs=0.01, rel=1e-3 if name == "InstEval" else 1e-9)


@pytest.mark.parametrize("name", ["sleepstudy_int", "sleepstudy", "sleepstudy_nocorr", "Dyestuff", "Penicillin"])
def test_p_values_are_those_of_lmertest(fitted, name: str) -> None:
    model, fit = fitted(name, True)
    table = model.to_frame()
    expected = [math.log(row["Pr(>|t|)"]) for row in fit["coef_table"]]
    assert [math.log(p) for p in table["p"]] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    "name", ["sleepstudy_int", "sleepstudy", "sleepstudy_nocorr", "Dyestuff", "Penicillin", "Pastes", "cake"]
)
def test_kenward_and_rogers_degrees_of_freedom_are_those_of_pbkrtest(fitted, name: str) -> None:
    model, fit = fitted(name, True)
    found = kenward_roger(model, np.eye(len(model.beta)))
    assert found.df == pytest.approx([row["df"] for row in fit["coef_table_KR"]], abs=0.01)
    assert found.standard_errors == pytest.approx([row["Std. Error"] for row in fit["coef_table_KR"]], rel=1e-4)


def test_other_published_values_of_the_same_tables(fitted, reference_data: Path, recorded) -> None:
    # MixedModels.jl, test/pls.jl
    table = read(reference_data, recorded["sleepstudy", True])
    slope = mixed_model("Reaction ~ 1 + Days + (0 + Days | Subject)", table, reml=False)
    assert slope.criterion == pytest.approx(1774.080315, abs=1e-6)
    assert slope.theta["Subject.Days"] == pytest.approx(0.24354, abs=1e-5)
    zero = mixed_model("Reaction ~ Days + (Days || Subject)", table)
    assert zero.criterion == pytest.approx(1743.66929358148, abs=1e-6)
    assert zero.theta == pytest.approx(fitted("sleepstudy_nocorr", True)[0].theta, abs=1e-6)


def test_pastes_compared_by_likelihood(fitted, reference_data: Path, recorded) -> None:
    from cupel.stats.mixed import likelihood_ratio_test

    large, _ = fitted("Pastes", False)
    table = read(reference_data, recorded["Pastes", False])
    small = mixed_model("strength ~ 1 + (1 | sample)", table, reml=False)
    found = likelihood_ratio_test(small, large)
    assert found.chi2 == pytest.approx(0.40724, abs=2e-5)
    assert found.p_chi2 == pytest.approx(0.52338, abs=2e-5)
    assert found.p == pytest.approx(0.52338 / 2, abs=1e-5)
    nested = mixed_model("strength ~ 1 + (1 | batch / cask)", table, reml=False)
    assert nested.criterion == pytest.approx(large.criterion, abs=1e-7)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_insteval_with_an_interaction(reference_data: Path, recorded) -> None:
    # MixedModels.jl, test/pls.jl
    table = read(reference_data, recorded["InstEval", False])
    model = mixed_model("y ~ 1 + service * dept + (1 | s) + (1 | d)", table, reml=False)
    assert model.criterion == pytest.approx(237585.553415, abs=2e-4)
