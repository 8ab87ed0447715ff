from pathlib import Path

import pytest

from cupel.ledger.read_results import read_results
from cupel.spec.errors import UsageError
from cupel.stats.results import results

HEADER = "algorithm,benchmark,value,seed,used_fidelity"


def written(folder: Path, header: str, *rows: str) -> Path:
    path = folder / "results.csv"
    path.write_text("\n".join([header, *rows, ""]))
    return path


def test_roles_and_direction_are_those_of_the_package(tmp_path: Path) -> None:
    table = read_results(written(tmp_path, HEADER, "HB,b1,0.5,0,1", "RS,b1,0.6,0,1"))
    assert table.reader == "lmem_significance"
    assert table.roles == {"method": "algorithm", "task": "benchmark", "budget": "used_fidelity", "seed": "seed"}
    assert table.better == "lower"
    assert any("lower is better" in note for note in table.notes)
    assert results(table).better == "lower"


def test_where_priors_differ_a_benchmark_alone_is_no_task(tmp_path: Path) -> None:
    rows = [f"{a},{b},0.5,0,1,{p},{b}_{p}" for a in ("HB", "RS") for b in ("b1", "b2") for p in ("bad", "good")]
    table = read_results(written(tmp_path, f"{HEADER},prior,bench_prior", *rows))
    assert table.roles["task"] == "bench_prior"
    assert any("2 benchmarks" in note and "4 tasks" in note for note in table.notes)
    joined = read_results(written(tmp_path, f"{HEADER},prior", *(row.rpartition(",")[0] for row in rows)))
    assert joined.roles["task"] == "benchmark:prior"
    assert results(joined).tasks == ("b1:bad", "b1:good", "b2:bad", "b2:good")


def test_one_prior_for_each_benchmark_leaves_the_benchmark_as_the_task(tmp_path: Path) -> None:
    rows = ["HB,b1,0.5,0,1,bad,b1_bad", "HB,b2,0.5,0,1,good,b2_good"]
    table = read_results(written(tmp_path, f"{HEADER},prior,bench_prior", *rows))
    assert table.roles["task"] == "benchmark"


def test_another_metric_of_the_frame_can_be_asked_for(tmp_path: Path) -> None:
    table = read_results(written(tmp_path, f"{HEADER},regret", "HB,b1,0.5,0,1,0.25", "RS,b1,0.6,0,1,0.75"))
    assert results(table, metric="regret").value.tolist() == [0.25, 0.75]
    assert results(table).value.tolist() == [0.5, 0.6]


def test_a_table_without_its_columns_is_refused(samples: Path) -> None:
    with pytest.raises(UsageError, match="algorithm, benchmark, used_fidelity is not there"):
        read_results(samples / "long_csv.csv", "lmem_significance")
