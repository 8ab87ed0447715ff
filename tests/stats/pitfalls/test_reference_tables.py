"""What the rules say of tables that others measured, checked by looking: true findings, and no alarm."""

import os
from pathlib import Path

import pytest

pandas = pytest.importorskip("pandas")

from cupel.stats.lint import LintReport, lint

DATA = Path(os.environ.get("CUPEL_REFERENCE_DATA", Path(__file__).parents[4] / "shared" / "data"))


def table(name: str):
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"the reference data {name} is not on this machine")
    return pandas.read_parquet(path) if path.suffix == ".parquet" else pandas.read_csv(path)


def serious(report: LintReport) -> list[str]:
    return [finding.name for finding in report.findings if finding.severity != "advice"]


def test_priorband_has_no_pitfall_once_the_prior_is_part_of_the_task() -> None:
    runs = table("priorband/priorband_data.parquet")
    report = lint(runs, columns={"task": "bench_prior"}, metric="value", better="lower")
    assert report.findings == ()
    assert len(report.checked) >= 15


def test_priorband_without_the_prior_is_told_which_column_tells_rows_apart() -> None:
    report = lint(table("priorband/priorband_data.parquet"), metric="value", better="lower")
    assert [(f.name, f.severity) for f in report.findings] == [("duplicate_rows", "advice")]
    assert "prior" in report.findings[0].do


def test_two_systems_of_mlperf_were_entered_with_the_same_runs() -> None:
    runs = table("mlperf/training_v5.1_runs.csv")
    report = lint(runs, metric="time_to_train_min", better="lower")
    assert serious(report) == ["identical_methods"]
    pair = runs.loc[list(report.findings[0].rows)]
    assert pair["system"].nunique() == 2
    times = pair.pivot_table(index=["benchmark", "seed"], columns="system", values="time_to_train_min")
    assert len(times) == 15
    assert (times.iloc[:, 0] == times.iloc[:, 1]).all(), "it is true: equal to the last digit, seed by seed"
    sizes = pair.groupby(["benchmark", "seed"])["log_bytes"].nunique()
    assert (sizes == 1).all(), "and the logs have the same length"


def test_published_tables_of_single_runs_are_told_so() -> None:
    published = table("milabench/milabench_published.csv")
    report = lint(published, columns={"method": "device", "task": "bench"}, metric="perf", better="higher")
    assert serious(report) == ["few_repeats"]
    assert report.findings[0].found.startswith("At most 4 runs per method and task")


@pytest.mark.parametrize("name", ["Dyestuff", "Dyestuff2", "Pastes", "Penicillin", "cake", "sleepstudy"])
def test_tables_of_other_sciences_raise_no_alarm(name: str) -> None:
    assert serious(lint(table(f"mixed_models/{name}.csv"))) == []
