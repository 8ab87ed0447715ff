"""Real step rates (Milabench, 8 A100, 2023, one run, mostly 31 steps) through our statistics and through theirs.

The files hold rates and no times; with a fixed batch the time of a step is one over its rate.
"""

import csv
import os
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from cupel.stats.devices_differ import devices_differ
from cupel.stats.milabench_score import combined, milabench_score
from cupel.stats.throughput import Throughput, throughput

DATA = Path(os.environ.get("CUPEL_REFERENCE_DATA", Path(__file__).parents[2] / "../shared/data")) / "milabench"
RATES = DATA / "rates_8xA100_2023.parquet"
PUBLISHED = DATA / "milabench_published.csv"
needs_rates = pytest.mark.skipif(not RATES.is_file(), reason="needs the Milabench step rates; set CUPEL_REFERENCE_DATA")
needs_tables = pytest.mark.skipif(
    not PUBLISHED.is_file(), reason="needs Milabench's published tables; set CUPEL_REFERENCE_DATA"
)

README = "mila-iqia/milabench README.md (table since"
Series = dict[str, list[np.ndarray]]


@pytest.fixture(scope="module")
def series() -> Series:
    """Benchmark to one array of rates per device."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow to read the step rates")
    table = parquet.read_table(RATES).to_pydict()
    groups: dict[tuple[str, str], list[float]] = defaultdict(list)
    for name, device, rate in zip(table["benchmark"], table["instance"], table["rate"], strict=True):
        groups[name, device].append(rate)
    result: Series = defaultdict(list)
    for (name, _), rates in groups.items():
        result[name].append(np.asarray(rates))
    return result


def ours(rates: np.ndarray) -> Throughput:
    return throughput(1, 1 / rates)


def codes(rates: np.ndarray) -> set[str]:
    return {note.code for note in ours(rates).warnings}


@needs_rates
@pytest.mark.parametrize(("name", "least"), [("stargan", 0.08), ("resnet50", 0.04)])
def test_stalls_are_not_averaged_away(series: Series, name: str, least: float) -> None:
    for rates in series[name]:
        result = ours(rates)
        kept = rates[result.start :]
        assert result.rate == pytest.approx(kept.size / (1 / kept).sum())
        assert result.rate < (1 - least) * kept.mean()


@needs_rates
def test_resnet50_says_that_it_stalls(series: Series) -> None:
    assert all("stalls" in codes(rates) for rates in series["resnet50"])


@needs_rates
def test_stargan_loses_its_warmup_and_keeps_its_period(series: Series) -> None:
    for rates in series["stargan"]:
        result = ours(rates)
        assert result.kind == "warmup"
        assert 2 <= result.start <= 4
        assert result.num_kept >= 57


@needs_rates
def test_t5_alternates_and_that_is_no_problem(series: Series) -> None:
    for rates in series["t5"]:
        result = ours(rates)
        assert result.rho1 is not None
        assert result.rho1 < -0.7
        assert result.kind in {"flat", "warmup"}
        assert result.interval is not None
        assert result.interval.half_width_frac < 0.01
        spread = rates[result.start :].std() / np.sqrt(result.num_kept)
        assert result.interval.high - result.interval.low < 2 * 1.96 * spread, "narrower than for independent steps"


@needs_rates
def test_dlrm_ends_with_a_spike(series: Series) -> None:
    (rates,) = series["dlrm"]
    assert rates[-1] > 100 * np.median(rates)
    assert "spike" in codes(rates)
    assert ours(rates).rate < 1.05 * np.median(rates)
    assert rates.mean() > 2 * np.median(rates)


@needs_rates
def test_where_too_few_steps_remain_it_is_said(series: Series) -> None:
    short = [rates for group in series.values() for rates in group if rates.size == 31]
    assert len(short) == 64
    for rates in short:
        result = ours(rates)
        assert result.num_kept <= 30
        if result.num_kept < 30:
            assert result.interval is None
            assert {"few steps", "too few steps"} & set(codes(rates))


@needs_rates
def test_no_series_is_without_interval_and_reason(series: Series) -> None:
    for group in series.values():
        for rates in group:
            result = ours(rates)
            assert np.isfinite(result.rate)
            assert result.interval is not None or result.warnings


@needs_rates
def test_whisper_runs_at_two_speeds(series: Series) -> None:
    """Devices differ and the level changes halfway: one number for the machine would hide both."""
    assert devices_differ([ours(rates).rate for rates in series["whisper"]]) is not None
    assert devices_differ([ours(rates).rate for rates in series["reformer"]]) is None


@needs_rates
@pytest.mark.parametrize("power", [1, 2])
def test_milabench_old_faults_would_have_been_caught(series: Series, power: int) -> None:
    """ppo (linear) and dqn (quadratic): cumulative work over the last interval, on the real intervals of reformer."""
    for rates in series["reformer"]:
        faulty = np.arange(1, rates.size + 1) ** power * rates
        result = throughput(faulty / rates, 1 / rates)
        assert "ramp" in {note.code for note in result.warnings}
        assert result.interval is None
        ramp = np.arange(1.0, 10_000) ** power
        row = milabench_score({"x": [ramp]}, {"x": 1}).per_entry["x"]
        assert row.std_frac == pytest.approx({1: 0.577, 2: 0.894}[power], abs=0.002), "the fingerprint in its tables"


@needs_tables
@pytest.mark.parametrize(("plus", "expected"), [(1.0, 4189.06), (0.0, 4175.57)])
def test_the_published_score_is_recomputed(plus: float, expected: float) -> None:
    with PUBLISHED.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["source"].startswith(README)]
    rows = [row for row in rows if row["score"] and row["weight"]]
    scores = {row["bench"]: float(row["score"]) for row in rows}
    weights = {row["bench"]: float(row["weight"]) for row in rows}
    assert combined(scores, weights, plus) == pytest.approx(expected, abs=0.01)
