import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cupel.ledger.read_results import read_results
from cupel.spec.errors import UsageError
from cupel.stats.results import results

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(*commands: dict[str, Any], name: str = "times.json") -> Path:
        (tmp_path / name).write_text(json.dumps({"results": commands}))
        return tmp_path / name

    return make


def command(name: str, *times: float, **more: Any) -> dict[str, Any]:
    return {"command": name, "mean": 9.0, "times": list(times), "exit_codes": [0] * len(times), **more}


@pytest.mark.parametrize("sample", ["hyperfine.json", "hyperfine_scan.json"])
def test_the_rows_of_a_command_have_the_mean_and_spread_that_hyperfine_says(sample: str, samples: Path) -> None:
    table = read_results(samples / sample)
    assert (table.better, table.unit) == ("lower", "s")
    read_table = results(table)
    for told in json.loads((samples / sample).read_text())["results"]:
        method = read_table.methods.index(told["command"])
        times = read_table.value[read_table.method.codes == method]
        assert np.mean(times) == pytest.approx(told["mean"], rel=1e-12)
        assert np.std(times, ddof=1) == pytest.approx(told["stddev"], rel=1e-9)
        assert times.min() == told["min"]


def test_parameters_of_a_scan_can_be_method_and_task(samples: Path) -> None:
    table = read_results(samples / "hyperfine_scan.json")
    assert any("--map method=parameters.tool --map task=parameters.size" in note for note in table.notes)
    read_table = results(table, columns={"method": "parameters.tool", "task": "parameters.size"})
    assert read_table.methods == ("sort", "tac")
    assert read_table.tasks == ("10", "1000")
    assert read_table.counts().tolist() == [[3, 3], [3, 3]]


def test_a_run_that_failed_is_a_failure_and_no_time(samples: Path, write: Write) -> None:
    table = read_results(samples / "hyperfine_failures.json")
    told = json.loads((samples / "hyperfine_failures.json").read_text())["results"]
    read_table = results(table)
    for entry in told:
        of_it = read_table.method.codes == read_table.methods.index(entry["command"])
        assert read_table.ok[of_it].tolist() == [code == 0 for code in entry["exit_codes"]]
    assert any("6 of 12 runs" in note for note in table.notes)
    killed = results(read_results(write(command("a", 0.5, 0.25, exit_codes=[0, None]), command("b", 1.0))))
    assert killed.num_failed == 1


def test_files_with_the_same_commands_are_compared_with_each_other(write: Write) -> None:
    laptop = write(command("sort", 1.0, 1.1), command("tac", 2.0, 2.1), name="laptop.json")
    server = write(command("sort", 0.5, 0.6), command("tac", 1.0, 1.1), name="server.json")
    table = read_results([laptop, server])
    read_table = results(table)
    assert read_table.methods == ("laptop", "server")
    assert read_table.tasks == ("sort", "tac")
    assert read_table.cell_means() == pytest.approx(np.array([[1.05, 2.05], [0.55, 1.05]]))
    assert any("method = source_file" in note for note in table.notes)


def test_files_with_different_commands_compare_the_commands(write: Write) -> None:
    paths = [write(command(name, 1.0, 2.0), name=f"{name}.json") for name in ("sort", "tac")]
    table = read_results(paths)
    assert table.roles["method"] == "command"
    assert results(table).methods == ("sort", "tac")
    assert table.columns["source_file"] == ["sort", "sort", "tac", "tac"]


def test_without_single_times_a_command_is_its_mean(write: Write) -> None:
    table = read_results(write({"command": "sort", "mean": 0.5, "stddev": 0.1}))
    assert table.columns["time_s"] == [0.5]
    assert any("sort" in note and "mean" in note for note in table.notes)


def test_times_of_zero_are_pointed_out(write: Write) -> None:
    assert any("1 of 2 times are 0 s" in note for note in read_results(write(command("true", 0.0, 1e-4))).notes)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (command("a", 1.0, exit_codes=[0, 0]), "1 times and 2 exit codes"),
        ({"command": "a", "mean": 1.0, "times": ["fast"]}, "'fast'; expected a number of seconds"),
        ({"command": "a", "mean": None}, "None; expected a number of seconds"),
        ({"command": 3, "mean": 1.0}, "the command of result 0 is a whole number; expected text"),
        ({"command": "a", "mean": 1.0, "times": 3}, "'times' of result 0 is a whole number; expected a list"),
    ],
)
def test_a_damaged_result_is_refused(result: dict[str, Any], said: str, write: Write) -> None:
    with pytest.raises(UsageError, match=said) as found:
        read_results(write(result))
    assert "times.json" in str(found.value)
