import json
import os
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupel.stats.crossed_variance import CrossedVariance, crossed_variance

SEEDS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.floats(-1, 1)), min_size=6, max_size=14)


def variances(found: CrossedVariance) -> dict[str, float | None]:
    return {c.source: c.variance for c in found.components}


def test_two_crossed_sources_give_the_analysis_of_variance() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(0, 3, (6, 1)) + rng.normal(0, 2, (1, 4)) + rng.normal(size=(6, 4))
    rows, columns = np.indices(y.shape)
    found = variances(
        crossed_variance({"data": rows.ravel(), "init": columns.ravel(), "value": y.ravel()}, sources=["data", "init"])
    )
    ms_data = 4 * y.mean(axis=1).var(ddof=1)
    ms_init = 6 * y.mean(axis=0).var(ddof=1)
    rest = y - y.mean(axis=1, keepdims=True) - y.mean(axis=0) + y.mean()
    ms_rest = (rest**2).sum() / (5 * 3)
    assert found["data"] == pytest.approx((ms_data - ms_rest) / 4)
    assert found["init"] == pytest.approx((ms_init - ms_rest) / 6)
    assert found["residual"] == pytest.approx(ms_rest)


def test_penicillin_has_the_components_of_lme4() -> None:
    pandas = pytest.importorskip("pandas")
    folder = Path(os.environ.get("CUPEL_REFERENCE_DATA", Path(__file__).parents[3] / "shared/data")) / "mixed_models"
    if not folder.is_dir():
        pytest.skip("no reference data: set CUPEL_REFERENCE_DATA")
    frame = pandas.read_csv(folder / "Penicillin.csv")
    fits = json.loads((folder / "lme4_reference_fits.json").read_text())
    fit = next(fit for fit in fits if fit["name"] == "Penicillin" and fit["REML"])
    theirs = {part["grp"].lower(): part["vcov"] for part in fit["varcorr"]}
    found = crossed_variance(
        {"plate": frame["plate"], "sample": frame["sample"], "value": frame["diameter"]}, sources=["plate", "sample"]
    )
    # the design is balanced: restricted maximum likelihood gives what the moments give,
    # to the digits at which lme4 stops
    assert variances(found) == pytest.approx(theirs, rel=1e-4)


def naive_components(y: np.ndarray, seeds: np.ndarray) -> list[float] | None:
    """Henderson's method 3 with explicit indicators and projections."""

    def removal(columns: np.ndarray) -> np.ndarray:
        return np.eye(y.size) - columns @ np.linalg.pinv(columns)

    indicators = [(codes[:, None] == np.unique(codes)).astype(float) for codes in seeds.T]
    mean = np.ones((y.size, 1))
    full = removal(np.hstack([mean, *indicators]))
    free = round(np.trace(full))
    if free < 1:
        return None
    residual = y @ full @ y / free
    found = []
    for k, own in enumerate(indicators):
        without = removal(np.hstack([mean, *indicators[:k], *indicators[k + 1 :]]))
        trace = np.trace(own.T @ without @ own)
        if trace < 1e-8:
            return None
        found.append((y @ (without - full) @ y - residual * round(np.trace(without - full))) / trace)
    return [*found, residual]


@given(SEEDS)
def test_the_cross_products_give_what_explicit_projections_give(rows: list[tuple[int, int, float]]) -> None:
    expected = naive_components(np.array([row[2] for row in rows]), np.array([row[:2] for row in rows]))
    table = {
        "a": [row[0] for row in rows],
        "b": [row[1] for row in rows],
        "rep": list(range(len(rows))),
        "value": [row[2] for row in rows],
    }
    found = list(variances(crossed_variance(table, sources=["a", "b"])).values())
    if expected is None:
        assert None in found
    else:
        assert found == pytest.approx(expected, abs=1e-9)


def test_three_planted_sources_are_found_in_an_unbalanced_table() -> None:
    rng = np.random.default_rng(1)
    cells = [cell for cell in product(range(12), range(10), range(8)) if rng.random() < 0.6]
    effects = [rng.standard_t(5, 12) * 3, rng.normal(0, 1, 10), rng.normal(0, 0.0, 8)]
    value = [sum(e[k] for e, k in zip(effects, cell, strict=True)) + rng.normal(0, 0.5) for cell in cells]
    table = {name: [cell[k] for cell in cells] for k, name in enumerate(("data", "init", "order"))}
    found = variances(crossed_variance(table | {"value": value}, sources=["data", "init", "order"]))
    assert found["data"] == pytest.approx(effects[0].var(ddof=1), rel=0.15)
    assert found["init"] == pytest.approx(effects[1].var(ddof=1), rel=0.15)
    assert found["order"] == pytest.approx(0, abs=0.01)
    assert found["residual"] == pytest.approx(0.25, rel=0.2)


def test_seeds_that_never_recur_tell_nothing_apart() -> None:
    found = crossed_variance({"a": [1, 2, 3], "b": [1, 2, 3], "value": [1.0, 2.0, 4.0]}, sources=["a", "b"])
    assert set(variances(found).values()) == {None}
    assert {note.code for note in found.warnings} == {"rank deficient"}
    assert "not identified" in found.text()


def test_a_negative_component_is_shown_and_said() -> None:
    y = [0.0, 1.0, 1.0, 0.0]  # both rows have the same mean: less spread between them than chance makes
    found = crossed_variance({"a": [1, 1, 2, 2], "b": [1, 2, 1, 2], "value": y}, sources=["a", "b"])
    a = found.components[0]
    assert a.variance == pytest.approx(-0.5)
    assert (a.sd, a.share) == (0.0, 0.0)
    assert "boundary" in [note.code for note in found.warnings]


def test_failures_are_left_out_and_methods_kept_apart() -> None:
    table = {"method": ["m"] * 4 + ["n"] * 4, "a": [1, 1, 2, 2] * 2, "value": [0.0, 1, 4, float("nan"), 1, 1, 1, 1]}
    found = crossed_variance(table | {"rep": [1, 2] * 4}, sources=["a"])
    assert [(c.method, c.source, c.levels) for c in found.components] == [
        ("m", "a", 2), ("m", "residual", 3), ("n", "a", 2), ("n", "residual", 4),
    ]  # fmt: skip
    assert "failures" in [note.code for note in found.warnings]
    assert found.components[2].share is None


@pytest.mark.parametrize("sources", [[], ["a", "a"], [f"s{k}" for k in range(9)]])
def test_no_sources_or_too_many_are_refused(sources: list[str]) -> None:
    with pytest.raises(ValueError, match="1 to 8 different columns"):
        crossed_variance({"a": [1, 2], "value": [1.0, 2.0]}, sources=sources)


def test_a_missing_seed_and_an_unknown_column_are_refused() -> None:
    with pytest.raises(ValueError, match="A seed is missing"):
        crossed_variance({"a": [1, None], "value": [1.0, 2.0]}, sources=["a"])
    with pytest.raises(ValueError, match="No column named 'b'"):
        crossed_variance({"a": [1, 2], "value": [1.0, 2.0]}, sources=["b"])


def test_the_frame_has_a_row_for_each_component() -> None:
    pytest.importorskip("pandas")
    table = {"a": [1, 1, 2, 2], "b": [1, 2, 1, 2], "value": [0.0, 1.0, 4.0, 5.0]}
    assert crossed_variance(table, sources=["a", "b"]).to_frame()["source"].tolist() == ["a", "b", "residual"]
