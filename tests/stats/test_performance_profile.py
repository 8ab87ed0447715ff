import numpy as np
import pytest

from cupel.spec.errors import UnknownNameError, UsageError
from cupel.stats import stratified_bootstrap
from cupel.stats.performance_profile import performance_profile
from cupel.stats.resample import Resample
from cupel.stats.results import results

RNG = np.random.default_rng(2)
X = RNG.integers(0, 10, size=(6, 5)) / 10
RAGGED = np.where(RNG.random((6, 5)) < 0.3, np.nan, X)
RAGGED[:2] = X[:2]
TAU = np.linspace(-0.1, 1.1, 13)


def columns(x: np.ndarray) -> dict[str, list]:
    """The runs that have a value, as rows: a missing one is no row, and so no failure."""
    rows = [(f"t{t}", float(v)) for t, own in enumerate(x.T) for v in own if not np.isnan(v)]
    return {"task": [task for task, _ in rows], "score": [value for _, value in rows]}


@pytest.mark.parametrize("x", [X, RAGGED], ids=["equal", "ragged"])
def test_shares_are_means_over_tasks_of_the_share_strictly_above(x: np.ndarray) -> None:
    found = performance_profile(columns(x), TAU, better="higher").rows[0]
    expected = [np.mean([np.mean(own[~np.isnan(own)] > t) for own in x.T]) for t in TAU]
    assert found.share == pytest.approx(expected)


@pytest.mark.parametrize("x", [X, RAGGED], ids=["equal", "ragged"])
@pytest.mark.parametrize("better", ["higher", "lower"])
def test_the_area_is_the_integral_of_the_shares(x: np.ndarray, better) -> None:
    edges = np.array([0.15, 0.85])
    area = performance_profile(columns(x), edges, better=better).rows[0].area
    fine = np.linspace(0.15, 0.85, 14001)
    midpoints = (fine[1:] + fine[:-1]) / 2
    share = performance_profile(columns(x), midpoints, better=better).rows[0].share
    assert area == pytest.approx(share.mean() * 0.7, abs=1e-4)


@pytest.mark.parametrize("band", ["pointwise", "simultaneous"])
def test_lower_is_better_mirrors_the_curve(band) -> None:
    up = performance_profile(X, TAU, band=band).rows[0]
    down = performance_profile(-X, -TAU[::-1], better="lower", band=band).rows[0]
    assert up.share.tolist() == down.share[::-1].tolist()
    assert up.low.tolist() == down.low[::-1].tolist()
    assert up.area == pytest.approx(down.area)


def test_thresholds_that_are_met_exactly_are_not_passed_either_way() -> None:
    assert performance_profile(X, [X.max()]).rows[0].share.tolist() == [0.0]
    assert performance_profile(X, [X.min()], better="lower").rows[0].share.tolist() == [0.0]


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_a_failed_run_passes_no_threshold(better) -> None:
    x = np.array([[0.5, 0.5], [np.nan, 0.5]])
    found = performance_profile(x, [0.0, 1.0], better=better)
    row = found.rows[0]
    assert row.share.tolist() == ([0.75, 0.0] if better == "higher" else [0.0, 0.75])
    assert row.area == pytest.approx(0.375)
    assert (row.num_failed, row.n) == (1, 4)
    assert "no threshold" in found.warnings[0].text


@pytest.mark.parametrize("unit", ["runs", "tasks"])
@pytest.mark.parametrize("band", ["pointwise", "simultaneous"])
def test_bands_hold_their_curve_and_have_width_where_all_runs_agree(unit, band) -> None:
    row = performance_profile(X, TAU, band=band, resample=unit).rows[0]
    assert np.all((row.low <= row.share) & (row.share <= row.high))
    assert np.all(row.high - row.low > 0.01)
    assert (row.share[0], row.share[-1]) == (1.0, 0.0)
    assert (row.high[0], row.low[-1]) == (1.0, 0.0)


@pytest.mark.parametrize("unit", ["runs", "tasks"])
def test_the_simultaneous_band_is_the_wider_one(unit) -> None:
    big = RNG.normal(size=(30, 20))
    tau = np.linspace(-1, 1, 9)
    whole, each = (performance_profile(big, tau, band=b, resample=unit).rows[0] for b in ("simultaneous", "pointwise"))
    assert np.all(whole.high - whole.low > each.high - each.low)


def test_of_one_task_the_pointwise_band_is_wilson_s_for_somewhat_fewer_runs() -> None:
    x = np.arange(100.0)[:, None]
    row = performance_profile(x, [69.5]).rows[0]
    z, n, p = 1.959964, 97.0, 0.3
    centre, half = (
        (p + z**2 / (2 * n)) / (1 + z**2 / n),
        z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / 4 / n**2),
    )
    assert (row.low[0], row.high[0]) == pytest.approx((centre - half, centre + half), abs=0.002)


def test_the_simultaneous_band_is_the_quantile_of_the_farthest_distance() -> None:
    x = RNG.normal(size=(200, 1))
    row = performance_profile(x, np.linspace(-2, 2, 81), band="simultaneous").rows[0]
    half = np.max(row.high - row.low) / 2
    assert half == pytest.approx(1.358 / np.sqrt(200), rel=0.06)  # 95 % point of the Kolmogorov distribution


def test_where_nothing_varies_the_band_is_that_of_the_inequality() -> None:
    row = performance_profile(np.ones((10, 8)), [0.0, 2.0], band="simultaneous").rows[0]
    half = np.sqrt(np.log(2 * np.e / 0.05) / 160)
    assert (row.low.tolist(), row.high.tolist()) == (pytest.approx([1 - half, 0]), pytest.approx([1, half]))
    assert row.area_interval is None


@pytest.mark.parametrize("unit", ["runs", "tasks"])
def test_same_seed_same_bytes_however_many_are_held(unit, monkeypatch) -> None:
    def low(seed: int) -> bytes:
        plan = Resample(unit, num=400, seed=seed)
        return performance_profile(X, TAU, band="simultaneous", resample=plan).rows[0].low.tobytes()

    first, other = low(1), low(2)
    monkeypatch.setattr(stratified_bootstrap, "CELLS", 100)
    assert low(1) == first
    assert first != other


@pytest.mark.parametrize(("x", "unit", "code"), [(X[:1], "runs", "no repeats"), (X[:, :4], "tasks", "few tasks")])
def test_what_is_unknown_is_nan_and_says_why(x, unit, code: str) -> None:
    found = performance_profile(x, TAU, resample=unit)
    row = found.rows[0]
    assert np.all(np.isnan(row.low) & np.isnan(row.high))
    assert row.area_interval is None
    assert code in {note.code for note in found.warnings}
    assert "no interval" in found.text()


def test_what_cannot_be_done_is_refused() -> None:
    with pytest.raises(UsageError, match="ascending"):
        performance_profile(X, [0.5, 0.5])
    with pytest.raises(UsageError, match="pointwise"):
        performance_profile(X, TAU, band="both")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="not guessed"):
        performance_profile(results(columns(X)), TAU)
    with pytest.raises(UsageError, match="tau="):
        performance_profile(np.ones((3, 3)))


def test_several_methods_stand_in_one_result() -> None:
    found = performance_profile({"A": X, "B": X / 2})
    assert found.tau.size == 101
    assert (found.tau[0], found.tau[-1]) == (0.0, X.max())
    assert found["B"].area < found["A"].area
    assert len(found.to_frame()) == 202
    assert "B: area" in found.text()
    with pytest.raises(UnknownNameError):
        found["C"]
