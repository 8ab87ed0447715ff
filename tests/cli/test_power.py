import json
from pathlib import Path

import numpy as np
import pytest

from cupel.cli import main
from cupel.stats.pairs_for_effect import pairs_for_effect
from cupel.stats.pilot_spread import pilot_spread
from cupel.stats.sequential_expected_n import sequential_expected_n
from cupel.stats.tasks_for_effect import TaskSpread, tasks_for_effect


@pytest.fixture
def pilot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two methods on four tasks, five seeds, in a file of the working folder: a long path is no matter of the width."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    lines = ["method,task,seed,accuracy,epochs"]
    for task in range(4):
        advantage = rng.normal(0.02, 0.01)
        for seed in range(5):
            shared = rng.normal(0.8, 0.01)
            for method, plus in (("A", advantage), ("B", 0.0)):
                lines.append(f"{method},t{task},{seed},{shared + plus + rng.normal(0, 0.005):.5f},10")
    path = Path("pilot.csv")
    path.write_text("\n".join(lines) + "\n")
    return path


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    assert main(["power", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["power", *words]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    return text


def test_launches_are_what_they_were(capsys: pytest.CaptureFixture[str]) -> None:
    document = asked(capsys)
    assert (document["schema"], document["kind"], document["design"]) == (1, "power", "launches")
    assert document["effects"] == [0.01, 0.02, 0.05, 0.1]
    assert document["pilot"] is None
    row = document["rows"][1]
    assert row["launches"] == {"1.0 %": 23, "2.0 %": 7, "5.0 %": 3, "10 %": 2}
    assert row["launches_for_half_width"]["1.0 %"] == 7
    assert not any("rope" in key for key in row)


def test_launches_for_a_verdict_beyond_the_rope(capsys: pytest.CaptureFixture[str]) -> None:
    row = asked(capsys, "--cv", "1%", "--effect", "1%,2%,5%", "--rope", "1%")["rows"][0]
    assert row["launches_beyond_rope"] == {"1.0 %": None, "2.0 %": 23, "5.0 %": 3}
    assert row["launches_equivalent"] == 28
    assert row["launches"]["2.0 %"] == 7
    text = shown(capsys, "--rope", "1%", "--effect", "1%,2%,3%,4%,5%,10%,20%")
    assert "never" in text
    assert "equivalent" in text


def test_a_number_over_a_million_does_not_cost_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    row = asked(capsys, "--cv", "30%", "--effect", "0.05%,10%")["rows"][0]
    assert (row["launches"]["0.050 %"], row["launches"]["10 %"]) == (None, 210)
    assert ">1000000" in shown(capsys, "--cv", "30%", "--effect", "0.05%,10%")
    assert ">1000000" in shown(capsys, "--sd", "300", "--effect", "0.1,50", "--correlation", "0")
    text = shown(capsys, "--sd", "300", "--effect", "0.1,50", "--rope", "0.1")
    assert "never" in text
    assert ">1000000" in text


def test_seeds_independent_and_paired(capsys: pytest.CaptureFixture[str]) -> None:
    document = asked(capsys, "--effect", "0.5,1", "--sd", "1.2", "--correlation", "0.5")
    row = document["rows"][0]
    assert document["design"] == "seeds"
    assert row["seeds"]["0.5"] == 123
    assert row["pairs"]["0.5"] == pairs_for_effect(0.5, 1.2) == 63
    paired = asked(capsys, "--effect", "0.5", "--sd-diff", "1.2")["rows"][0]
    assert paired["pairs"]["0.5"] == 63
    assert "seeds" not in paired
    text = shown(capsys, "--seeds", "--sd", "1.2,2.4", "--correlation", "0.5", "--rope", "0.1")
    assert "equivalent" in text
    assert "correlate by 0.5" in text


def test_seeds_without_differences_named_take_multiples_of_the_spread(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(capsys, "--sd", "1.2")["effects"] == [0.6, 1.2, 1.8, 2.4]
    assert asked(capsys, "--sd", "1.2", "--rope", "0.5")["effects"] == [1.1, 1.7, 2.3, 2.9]


def test_seeds_with_a_relative_spread_are_the_launches_of_two_machines(capsys: pytest.CaptureFixture[str]) -> None:
    seeds = asked(capsys, "--seeds", "--cv", "2%")["rows"][0]["seeds"]
    assert seeds == asked(capsys, "--cv", "2%")["rows"][0]["launches"]


def test_tasks_for_several_numbers_of_runs(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--sd-interaction", "0.0133", "--sd-noise", "0.0416", "--effect", "1%,0.02", "--runs", "1,50")
    row = asked(capsys, *words)["rows"][0]
    assert row["tasks"]["50"]["0.01"] == tasks_for_effect(0.01, TaskSpread(0.0133, 0.0416, 50)) == 47
    assert row["tasks"]["1"]["0.01"] > row["tasks"]["50"]["0.01"]
    assert "50 runs" in shown(capsys, *words, "--rope", "0.005")


def test_pairs_until_one_wins_more_often(capsys: pytest.CaptureFixture[str]) -> None:
    rows = asked(capsys, "--win-rate", "75%,1", "--rope", "10%")["rows"]
    assert [row["win_rate"] for row in rows] == [0.75, 1.0, 0.5]
    plan = sequential_expected_n(0.75, region=(0.4, 0.6))
    assert rows[0]["sequential_mean"] == pytest.approx(plan.expected_n)
    assert rows[0]["sequential_by"] == int(np.argmax(plan.a_by >= 0.9)) + 1
    assert (rows[0]["sign_test"], rows[1]["sign_test"]) == (42, 6)
    assert "sign_test" not in rows[2]
    text = shown(capsys, "--win-rate", "60%,75%", "--rope", "10%")
    assert "after every pair" in text
    assert "0.4 to 0.6" in text


def test_a_plan_from_a_results_file(pilot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = asked(capsys, "--pilot", str(pilot), "--metric", "accuracy", "--better", "higher", "--effect", "0.01")
    task, tasks = document["rows"]
    columns = np.genfromtxt(pilot, delimiter=",", names=True, dtype=None, encoding="utf-8")
    spread = pilot_spread({"method": columns["method"].tolist(), "task": columns["task"].tolist(),
                           "seed": columns["seed"].tolist(), "value": columns["accuracy"].tolist()})  # fmt: skip
    assert task["sd"] == pytest.approx(spread.sd)
    assert task["pairs"]["0.01"] == pairs_for_effect(0.01, spread.sd_pair)
    assert task["pairs_cautious"]["0.01"] >= task["pairs"]["0.01"]
    assert tasks["tasks"]["3"]["0.01"] == tasks_for_effect(0.01, spread.task_spread(3))
    text = shown(capsys, "--pilot", str(pilot), "--metric", "accuracy", "--rope", "0.005", "--runs", "1,2,3,5,10,20")
    assert "On one task" in text
    assert "On tasks like these" in text
    assert "would matter to you" in text


def test_a_results_file_is_narrowed_by_rows_and_methods(pilot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--pilot", str(pilot), "--metric", "accuracy", "--where", "task=t1")
    document = asked(capsys, *words)
    assert (document["num_runs"], document["num_tasks"], len(document["rows"])) == (10, 1, 1)
    one = asked(capsys, "--pilot", str(pilot), "--map", "value=accuracy", "--methods", "A")
    assert one["methods"] == ["A"]
    assert "pairs" not in one["rows"][0]
    assert "10 runs of A, B" in " ".join(shown(capsys, *words).split())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--tasks", "--cv", "1%"], "--cv does not belong to a plan for tasks"),
        (["--win-rate", "75%", "--effect", "1%"], "--effect does not belong to a plan for pairs"),
        (["--metric", "x"], "--metric does not belong to a plan for launches"),
        (["--seeds"], "needs a spread"),
        (["--tasks", "--sd-noise", "1"], "needs --sd-interaction"),
        (["--sd", "zero"], "'zero' is no number above 0"),
        (["--sd", "1", "--correlation", "1"], "is no correlation"),
        (["--sd-diff", "1", "--correlation", "0.5"], "Give one of the two"),
        (["--win-rate", "40%"], "turn A and B around"),
        (["--win-rate", "75%", "--rope", "0.6"], "narrower than 0.5"),
        (["--sd-interaction", "1", "--sd-noise", "1", "--runs", "0"], "is no number of runs"),
        (["--sd", ","], "names nothing"),
        (["--pilot", "no.csv"], "No such file"),
        (["--pilot", "no-run"], "is no run folder"),
    ],
)
def test_what_does_not_fit_is_told(words: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["power", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert expected in err


def test_a_file_that_needs_words_asks_for_them(pilot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["power", "--pilot", str(pilot)]) == 2
    assert "--metric NAME" in capsys.readouterr().err
    assert main(["power", "--pilot", str(pilot), "--map", "value"]) == 2
    assert "expected such as --map method=algorithm" in capsys.readouterr().err


def test_runs_that_are_all_alike_are_no_pilot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "alike.csv"
    path.write_text("method,task,seed,value\n" + "".join(f"{m},t,{s},1.0\n" for m in "AB" for s in range(3)))
    assert main(["power", "--pilot", str(path)]) == 4
    assert "all alike" in capsys.readouterr().err


def test_help_fits_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["power", "--help"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
