import math
import random
from pathlib import Path

import pytest

from cupel.cli import main
from cupel.methods.searchers.random_search import RandomSearch
from cupel.spec.errors import UnknownNameError, UsageError
from cupel.spec.read_space import read_space
from cupel.spec.space import Configuration
from cupel.study.compare_tuners import COLUMNS, TunerTable, compare_tuners
from cupel.study.tuning_problem import TuningProblem
from cupel.tasks.cluster import Cluster
from cupel.tasks.surrogate_curves import SurrogateCurves

SPACE = read_space("x=float(-1,1), y=float(-1,1)")


def bowl(parameters: Configuration, resource: float, seed: int) -> float:
    """A quadratic with noise, and less of it the more is trained."""
    noise = random.Random(f"{seed} {sorted(parameters.items())}").gauss(0, 0.02)
    return (float(parameters["x"]) - 0.3) ** 2 + float(parameters["y"]) ** 2 + 1 / resource + noise


def problems(num: int) -> dict[str, TuningProblem]:
    made = {}
    for k in range(num):
        curves = SurrogateCurves(k, max_resource=16)
        made[f"problem {k}"] = TuningProblem(curves.space, curves.loss, curves.cost, max_resource=16, eta=4)
    return made


@pytest.fixture(scope="module")
def table() -> TunerTable:
    tuners = {"asha": "asha", "random": "random_search", "halving": "successive_halving:size=16,when_idle=wait"}
    return compare_tuners(tuners, problems(6), budgets=(16, 64), repeats=(3, 5), cluster=Cluster(workers=9, seed=1))


def test_there_is_one_row_for_each_tuner_problem_seed_and_budget(table: TunerTable) -> None:
    columns = table.columns
    assert tuple(columns) == COLUMNS
    cells = set(zip(*(columns[name] for name in COLUMNS[:4]), strict=True))
    assert len(cells) == len(table.rows) == 3 * 6 * 3 * 2
    assert table.rows == compare_tuners(
        {"asha": "asha", "random": "random_search", "halving": "successive_halving:size=16,when_idle=wait"},
        problems(6), budgets=(16, 64), repeats=(3, 5), cluster=Cluster(workers=9, seed=1),
    ).rows  # fmt: skip


def test_the_mixed_model_finds_what_early_stopping_gains(table: TunerTable) -> None:
    found = table.analysis()
    assert len(found.table.tasks) == 6
    assert found.order[0] == "asha"
    assert found.scope == "tasks like these"
    better = [pair for pair in found.pairs if (pair.a, pair.b) == ("asha", "random")]
    assert better[0].verdict == "supported"


def test_the_table_is_read_by_the_command_line(table: TunerTable, tmp_path: Path, capsys) -> None:
    path = tmp_path / "tuners.csv"
    table.write(path)
    words = ["analyze", str(path), "--metric", "value", "--better", "lower", "--where", "budget=64"]
    assert main(words) == 0
    assert table.analysis().headline.split(" (")[0] in " ".join(capsys.readouterr().out.split())


def test_selected_losses_flatter_and_retrained_ones_do_not(table: TunerTable) -> None:
    late = [row for row in table.rows if row[3] == 64]
    gaps = [value - selected for *_, value, selected in late]
    assert sum(gaps) / len(gaps) > 0.3


def test_a_function_of_ones_own_is_tuned_by_one_worker_in_units_of_resource() -> None:
    calls: list[tuple[Configuration, float, int, float]] = []

    def loss(parameters: Configuration, resource: float, seed: int) -> float:
        calls.append((parameters, resource, seed, bowl(parameters, resource, seed)))
        return calls[-1][-1]

    problem = TuningProblem(SPACE, loss, max_resource=9)
    early, late = compare_tuners(
        {"mine": RandomSearch}, {"bowl": problem}, budgets=(8.9, 90), repeats=(1, 2)
    ).rows  # fmt: skip
    assert all(math.isnan(value) for value in early[4:])
    searched, retrained = calls[:10], calls[10:]
    assert [call[1] for call in calls] == [9] * 12
    assert len({call[2] for call in calls}) == 12
    best = min(searched, key=lambda call: call[3])
    assert [call[0] for call in retrained] == [best[0]] * 2
    assert late[4:] == (pytest.approx(sum(call[3] for call in retrained) / 2), best[3])


def test_a_tuner_without_a_value_by_a_budget_is_a_failed_row() -> None:
    found = compare_tuners(
        {"a": "random_search", "b": "asha"},
        {"bowl": TuningProblem(SPACE, bowl, max_resource=9)},
        budgets=(5,),
        repeats=(1, 5),
    )
    assert math.isnan(found.rows[0][4])
    assert found.rows[1][4] < 3


def test_the_best_of_those_trained_in_full_is_another_question() -> None:
    problem, cluster = problems(1)["problem 0"], Cluster(workers=9, seed=3)
    anyone, in_full = (problem.found("asha", [20.0], cluster, in_full=full)[0] for full in (False, True))
    assert anyone is not None
    assert in_full is not None
    assert in_full[1].resource == 16
    assert anyone[1].loss <= in_full[1].loss


@pytest.mark.parametrize(
    "changed",
    [
        {"budgets": ()},
        {"budgets": (0,)},
        {"budgets": (math.inf,)},
        {"repeats": (0, 5)},
        {"repeats": (1, 0)},
        {"tuners": {}},
    ],
)
def test_what_cannot_be_compared_is_refused(changed: dict) -> None:
    asked = {"tuners": {"a": "asha"}, "problems": {"bowl": TuningProblem(SPACE, bowl)}, "budgets": (1,)} | changed
    with pytest.raises(UsageError, match="expected"):
        compare_tuners(asked.pop("tuners"), asked.pop("problems"), **asked)


def test_a_tuner_that_is_not_there_is_named_with_the_close_ones() -> None:
    with pytest.raises(UnknownNameError, match="asha"):
        compare_tuners({"a": "ahsa"}, {"bowl": TuningProblem(SPACE, bowl)}, budgets=(1,))
