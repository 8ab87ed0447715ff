"""What every rule of `cupel lint` keeps, whatever the table."""

import ast
import warnings
from pathlib import Path

import numpy as np
import pytest

from cupel.spec.errors import UsageError
from cupel.stats.lint import FOLDER, LintReport, lint, pitfalls
from cupel.stats.pitfall import SEVERITIES

NAMES = sorted(pitfalls())
NUMBERS = (
    "accuracy", "test_acc", "val_acc", "best_acc", "loss", "return", "time_s", "n_test", "majority_rate", "n_trials",
    "lr", "p_value", "p_holm", "acc_std", "n_seeds", "seed", "rep", "fold", "budget", "epoch", "trial", "init_seed",
    "split_seed", "run", "best_epoch", "value", "run_1", "run_2", "run_3", "mean_score", "search_space_size", "n",
)  # fmt: skip
WORDS = (
    "method", "task", "dataset", "split", "status", "metric", "selection_metric", "source", "conclusion", "cv",
    "test", "comparison", "params", "better", "unit", "A", "B", "C", "stars", "horizon", "aggregation",
)  # fmt: skip
CELLS = (
    "a", "b", "ours", "majority", "RS", "test", "train", "val", "test_acc", "failed", "ok", "0.91 ± 0.02", "0.9*",
    "90%", "91", "higher", "paper", "random k-fold", "paired t-test", "always better", "best of 5", "", "average",
    None, "True",
)  # fmt: skip


def odd_table(rng: np.random.Generator) -> dict[str, list]:
    """Columns with the names that rules know, and whatever values."""
    n = int(rng.integers(1, 25))
    columns: dict[str, list] = {}
    for name in rng.choice(NUMBERS, size=int(rng.integers(1, 8)), replace=False):
        drawn, counts = rng.random(n), rng.integers(0, 4, n) * 1.0
        kinds = (drawn, counts, np.full(n, 0.5), np.full(n, np.nan), 1e3 * (drawn - 0.5))
        values = kinds[rng.integers(len(kinds))]
        columns[str(name)] = np.where(rng.random(n) < 0.1, np.nan, values).tolist()
    for name in rng.choice(WORDS, size=int(rng.integers(0, 7)), replace=False):
        pool = [CELLS[i] for i in rng.integers(len(CELLS), size=4)]
        columns[str(name)] = [pool[i] for i in rng.integers(4, size=n)]
    return columns


@pytest.fixture(scope="module")
def reports() -> list[LintReport]:
    """What is found in odd tables; no warning of numpy may be raised on the way."""
    rng = np.random.default_rng(11)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return [lint(odd_table(rng), better=("higher", "lower", None)[k % 3]) for k in range(500)]


def test_every_file_in_the_folder_is_a_rule() -> None:
    assert {path.stem for path in Path(FOLDER).glob("[!_]*.py")} == set(NAMES)
    assert len(NAMES) >= 28


def test_ids_are_unique_and_sorted() -> None:
    ids = [rule.CARD.id for rule in pitfalls().values()]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_everything(name: str) -> None:
    card = pitfalls()[name].CARD
    assert card.id[0] == "L"
    assert card.id[1:].isdigit()
    assert card.severity in SEVERITIES
    assert card.stage in ("before", "build", "evaluate", "compare", "report")
    assert card.title
    assert not card.title.endswith(".")
    assert all(text.endswith((".", ")")) for text in (card.why, card.do))
    assert card.source


@pytest.mark.parametrize("name", NAMES)
def test_a_file_tells_its_rule_and_its_source(name: str) -> None:
    text = ast.get_docstring(ast.parse((Path(FOLDER) / f"{name}.py").read_text())) or ""
    assert "\nRule\n" in text
    assert "\nSource: " in text


def test_odd_tables_are_read_and_every_rule_is_checked_or_says_what_it_lacks(reports: list[LintReport]) -> None:
    for report in reports:
        assert set(report.checked) | set(report.not_checkable) == set(NAMES)
        assert not set(report.checked) & set(report.not_checkable)
        assert all(report.not_checkable.values())


def test_findings_name_rules_that_were_checked_and_rows_that_exist(reports: list[LintReport]) -> None:
    for report in reports:
        for finding in report.findings:
            assert finding.name in report.checked
            card = pitfalls()[finding.name].CARD
            assert SEVERITIES.index(finding.severity) >= SEVERITIES.index(card.severity), "never graver than the card"
            assert all(isinstance(row, int) and 0 <= row < 25 for row in finding.rows)
            assert finding.found
            assert "nan" not in finding.found.split()


def test_the_odd_tables_reach_most_rules(reports: list[LintReport]) -> None:
    assert len({name for report in reports for name in report.checked}) >= 25
    assert len({finding.name for report in reports for finding in report.findings}) >= 18


def test_the_order_of_rows_changes_nothing_that_is_found() -> None:
    rng = np.random.default_rng(2)
    for _ in range(40):
        table = odd_table(rng)
        order = rng.permutation(len(next(iter(table.values()))))
        again = {name: [values[i] for i in order] for name, values in table.items()}
        first, second = (sorted((f.name, f.severity) for f in lint(t).findings) for t in (table, again))
        assert first == second, table


def test_a_table_without_rows_is_refused() -> None:
    with pytest.raises(UsageError, match="no rows"):
        lint({"method": [], "accuracy": []})
