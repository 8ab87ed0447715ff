import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cupel.stats.corrected_t import corrected_t

PRIORBAND = Path(os.environ.get("CUPEL_REFERENCE_DATA", Path(__file__).parents[2] / "../shared/data")) / "priorband"
needs_runs = pytest.mark.skipif(
    not (PRIORBAND / "priorband_data.parquet").is_file(), reason="needs the PriorBand runs; set CUPEL_REFERENCE_DATA"
)
FOLDS = [0.02, -0.01, 0.03, 0.02, 0.01, 0.0, 0.04, 0.015, 0.01, 0.02]


@needs_runs
def test_the_posterior_is_that_of_baycomp() -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow to read the PriorBand runs")
    table = parquet.read_table(PRIORBAND / "priorband_data.parquet").to_pydict()
    scores: dict[str, dict[int, float]] = {"PB": {}, "HB": {}}
    for name, task, budget, seed, regret in zip(
        *(table[c] for c in ("algorithm", "bench_prior", "used_fidelity", "seed", "normalized_regret")), strict=True
    ):
        if name in scores and task == "JAHS-C10_at25" and budget == 10:
            scores[name][seed] = 1 - regret
    differences = [scores["PB"][seed] - scores["HB"][seed] for seed in sorted(scores["PB"])]
    found = corrected_t(differences, n_train=49, n_test=1, rope=0.01)  # 50 folds
    peers = json.loads((PRIORBAND / "peers_reference_budget10.json").read_text())
    theirs = peers["baycomp_correlated_t_PB_HB_task0_rope0.01"]  # left: PB is better
    assert [found.p_above, found.p_rope, found.p_below] == pytest.approx(theirs, rel=1e-6)


def test_formula_by_hand() -> None:
    d = np.array(FOLDS)
    found = corrected_t(d, n_train=90, n_test=10, rope=0.01)
    se = np.sqrt((1 / 10 + 1 / 9) * ((d - d.mean()) ** 2).sum() / 9)
    assert found.se == pytest.approx(se)
    assert found.t == pytest.approx(d.mean() / se)
    assert found.p == pytest.approx(2 * stats.t.sf(d.mean() / se, 9))
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx(stats.t.interval(0.95, 9, d.mean(), se))
    law = stats.t(9, d.mean(), se)
    assert found.p_below == pytest.approx(law.cdf(-0.01))
    assert found.p_rope == pytest.approx(law.cdf(0.01) - law.cdf(-0.01))


def test_repeated_folds_are_one_series() -> None:
    square = np.array(FOLDS).reshape(2, 5)
    assert corrected_t(square, n_train=80, n_test=20) == corrected_t(FOLDS, n_train=80, n_test=20)


@settings(max_examples=25)
@given(st.lists(st.floats(-1, 1), min_size=3, max_size=30), st.floats(0.01, 2))
def test_it_is_never_surer_than_the_plain_t(differences: list[float], share: float) -> None:
    found = corrected_t(differences, n_train=1.0, n_test=share)
    if found.p is not None:
        plain = stats.ttest_1samp(differences, 0)
        assert found.p >= plain.pvalue - 1e-12
        assert found.interval is not None
        excludes = not found.interval.contains(0.0)
        assert excludes == (found.p < 0.05) or found.p == pytest.approx(0.05)


def test_more_resamples_of_the_same_data_do_not_make_it_certain() -> None:
    few, many = (corrected_t(FOLDS * times, n_train=90, n_test=10) for times in (1, 1000))
    assert few.se is not None
    assert many.se is not None
    assert np.std(FOLDS) * np.sqrt(10 / 90) < many.se < few.se


def test_a_failed_resample_is_left_out_and_said() -> None:
    found = corrected_t([*FOLDS, np.nan], n_train=90, n_test=10)
    assert found.n == 10
    assert [note.code for note in found.warnings] == ["failures"]


@pytest.mark.parametrize(("differences", "code"), [([0.1], "few runs"), ([0.1, 0.1, 0.1], "no spread")])
def test_without_spread_there_is_no_interval(differences: list[float], code: str) -> None:
    found = corrected_t(differences, n_train=9, n_test=1, rope=0.01)
    assert found.interval is None
    assert found.p is None
    assert found.p_rope is None
    assert [note.code for note in found.warnings] == [code]
    assert found.text()
    assert len(found.to_frame()) == 1


def test_it_says_what_it_found() -> None:
    text = corrected_t(FOLDS, n_train=90, n_test=10, rope=0.01).text()
    assert "Mean difference 0.0155 over 10 resamples" in text
    assert "below -0.01" in text


@pytest.mark.parametrize(
    ("differences", "sizes", "match"),
    [
        ([], (9, 1), "at least one"),
        ([np.nan], (9, 1), "at least one"),
        (FOLDS, (0, 1), "sizes above 0"),
        ([[[0.1]]], (9, 1), "repeats, folds"),
    ],
)
def test_what_cannot_be_tested_is_refused(differences: list[float], sizes: tuple[int, int], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        corrected_t(differences, n_train=sizes[0], n_test=sizes[1])
