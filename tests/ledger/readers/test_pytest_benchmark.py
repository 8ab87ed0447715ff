import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cupel.ledger.read_results import read_results
from cupel.spec.errors import UsageError
from cupel.stats.results import results


def written(folder: Path, content: dict[str, Any], name: str = "bench.json") -> Path:
    (folder / name).write_text(json.dumps(content))
    return folder / name


def test_rounds_have_the_mean_and_spread_that_the_file_says(samples: Path) -> None:
    table = read_results(samples / "pytest_benchmark.json")
    assert (table.better, table.unit) == ("lower", "s")
    read_table = results(table)
    for told in json.loads((samples / "pytest_benchmark.json").read_text())["benchmarks"]:
        rounds = read_table.value[read_table.method.codes == read_table.methods.index(told["name"])]
        assert rounds.size == told["stats"]["rounds"]
        assert np.mean(rounds) == pytest.approx(told["stats"]["mean"], rel=1e-12)
        assert np.std(rounds, ddof=1) == pytest.approx(told["stats"]["stddev"], rel=1e-9)
    assert any("one process" in note for note in table.notes)


def test_groups_are_tasks_and_parameters_can_be(samples: Path, tmp_path: Path) -> None:
    table = read_results(samples / "pytest_benchmark.json")
    assert results(table).tasks == ("no group", "sort")
    content = json.loads((samples / "pytest_benchmark.json").read_text())
    content["benchmarks"] = [benchmark for benchmark in content["benchmarks"] if benchmark["params"]]
    sorts = read_results(written(tmp_path, content))
    read_table = results(sorts, columns={"method": "params.lib", "task": "params.n"})
    assert read_table.methods == ("builtin", "method")
    assert read_table.tasks == ("10", "100")
    assert read_table.counts().tolist() == [[6, 6], [6, 6]]
    assert set(sorts.columns["extra_info.items"]) == {10, 100}


def test_a_file_without_rounds_gives_means_and_says_that_their_spread_is_lost(samples: Path) -> None:
    table = read_results(samples / "pytest_benchmark_without_rounds.json")
    told = json.loads((samples / "pytest_benchmark_without_rounds.json").read_text())["benchmarks"]
    assert all("data" not in benchmark["stats"] for benchmark in told)
    assert table.columns["time_s"] == [benchmark["stats"]["mean"] for benchmark in told]
    assert any("--benchmark-save-data" in note for note in table.notes)
    assert not any("one process" in note for note in table.notes)


def test_one_file_per_commit_compares_commits_over_benchmarks(samples: Path, tmp_path: Path) -> None:
    content = json.loads((samples / "pytest_benchmark.json").read_text())
    before = written(tmp_path, content, "0001_before.json")
    for benchmark in content["benchmarks"]:
        benchmark["stats"]["data"] = [2 * time for time in benchmark["stats"]["data"]]
    after = written(tmp_path, content, "0002_after.json")
    read_table = results(read_results([before, after]))
    assert read_table.methods == ("0001_before", "0002_after")
    assert "sort:test_sort[builtin-10]" in read_table.tasks
    assert len(read_table.tasks) == 5
    means = read_table.cell_means()
    assert means[1] == pytest.approx(2 * means[0])


def test_a_folder_of_saved_files_is_read(samples: Path, tmp_path: Path) -> None:
    content = json.loads((samples / "pytest_benchmark.json").read_text())
    for name in ("0001_a.json", "0002_b.json"):
        folder = tmp_path / ".benchmarks/Linux-CPython-3.11-64bit"
        folder.mkdir(parents=True, exist_ok=True)
        written(folder, content, name)
    assert results(read_results(tmp_path / ".benchmarks")).methods == ("0001_a", "0002_b")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stats": None}, "'stats' of benchmark 0 is missing"),
        ({"stats": {"data": [1.0, None]}}, "round 1 of benchmark 0"),
        ({"stats": {}}, "is None; expected a number of seconds"),
        ({"name": 3}, "the name of benchmark 0"),
    ],
)
def test_a_damaged_benchmark_is_refused(change: dict[str, Any], said: str, samples: Path, tmp_path: Path) -> None:
    content = json.loads((samples / "pytest_benchmark.json").read_text())
    content["benchmarks"][0] |= change
    with pytest.raises(UsageError, match=said):
        read_results(written(tmp_path, content))
