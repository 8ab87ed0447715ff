import copy
import warnings

import numpy as np
import pytest

from cupel.spec.errors import UnknownNameError
from cupel.spec.results_table import ResultsTable
from cupel.stats.lint import CHECKLIST, lint, pitfalls, rule_names
from cupel.stats.results import results


def table(seeds: int = 3) -> dict[str, list]:
    """Three methods on two tasks."""
    rows = [(m, t, s) for m in ("ours", "svm", "majority") for t in ("adult", "bank") for s in range(seeds)]
    rng = np.random.default_rng(0)
    return {
        "method": [row[0] for row in rows],
        "task": [row[1] for row in rows],
        "seed": [row[2] for row in rows],
        "accuracy": [(0.55 if row[0] == "majority" else 0.8) + 0.01 * rng.normal() for row in rows],
    }


def test_a_report_says_what_was_found_checked_and_lacking() -> None:
    report = lint(table(), better="higher")
    assert [(f.id, f.name, f.severity) for f in report.findings] == [("L06", "few_repeats", "error")]
    assert report.findings[0].found.startswith("3 runs per method and task in 4 of 4 cells")
    assert len(report.findings[0].rows) == 3
    assert (report.num("error"), report.num("warning"), report.num("advice")) == (1, 0, 0)
    assert "few_repeats" in report.checked
    assert report.not_checkable["uncorrected_tests"] == "a column p_value"
    assert report.checklist == CHECKLIST
    assert (report.n, report.methods, report.tasks) == (18, ("majority", "ours", "svm"), ("adult", "bank"))


def test_the_text_has_the_headline_the_evidence_and_what_to_do() -> None:
    text = lint(table()).text()
    assert text.startswith("1 error: ")
    assert "error L06 few_repeats: 3 runs per method" in text
    assert "Next: Run every method again" in text
    assert lint(table(6)).text().startswith("Nothing found: ")


def test_a_frame_has_a_row_for_each_finding() -> None:
    frame = lint(table()).to_frame()
    assert list(frame["name"]) == ["few_repeats"]
    assert list(frame["severity"]) == ["error"]


@pytest.mark.parametrize("word", ["L06", "l06", "few_repeats"])
def test_a_rule_is_left_out_by_id_or_name(word: str) -> None:
    report = lint(table(), ignore=[word])
    assert report.findings == ()
    assert report.ignored == ("few_repeats",)
    assert "few_repeats" not in (*report.checked, *report.not_checkable)


def test_an_unknown_rule_names_the_close_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"few_repeats.*cupel lint --rules"):
        lint(table(), ignore=["few_repeat"])
    assert rule_names(pitfalls()) == list(pitfalls())


def test_names_that_do_not_exist_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="No metric named 'f1'"):
        lint(table(), metric="f1")
    with pytest.raises(UnknownNameError, match="No column named 'algo'"):
        lint(table(), columns={"method": "algo"})


def test_frames_of_all_kinds_say_the_same() -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    told = lint(table()).text()
    assert lint(pandas.DataFrame(table())).text() == told
    assert lint(polars.DataFrame(table())).text() == told
    rows = [dict(zip(table(), row, strict=True)) for row in zip(*table().values(), strict=True)]
    assert lint(rows).text() == told


def test_results_with_their_roles_are_read_too() -> None:
    report = lint(results(table(), better="higher"))
    assert [f.name for f in report.findings] == ["few_repeats"]
    assert report.warnings == ()


def test_rows_of_a_file_are_named_by_their_lines() -> None:
    columns = table()
    read = ResultsTable(columns, "results.csv", "long_csv", lines=tuple(range(2, 20)), notes=("a note",))
    report = lint(read)
    assert report.source == "results.csv"
    assert "(lines " in report.findings[0].found
    assert [note.text for note in report.warnings] == ["a note"]
    joined = ResultsTable(columns, "a, b", "long_csv", lines=tuple([*range(2, 11)] * 2), files=(("a", 9), ("b", 9)))
    assert " of b" in lint(joined).findings[0].found or " of a" in lint(joined).findings[0].found


def test_nothing_is_changed_and_the_same_table_gives_the_same_report() -> None:
    given = table()
    before = copy.deepcopy(given)
    state = np.random.get_state()[1].tolist()  # noqa: NPY002 - it must not have been touched
    assert lint(given) == lint(given)
    assert given == before
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002


def test_a_table_that_analysis_refuses_is_read_with_the_reason() -> None:
    twice = {name: [*values, values[0]] for name, values in table(6).items()}
    report = lint(twice)
    assert [f.name for f in report.findings] == ["duplicate_rows"]
    assert "cupel analyze would refuse this table: rows 0, 36 are duplicates" in report.warnings[0].text


def test_several_columns_that_could_be_the_method_are_taken_together() -> None:
    both = {**table(6), "optimizer": ["adam"] * 36}
    both["model"] = both.pop("method")
    report = lint(both)
    assert report.methods == ("majority:adam", "ours:adam", "svm:adam")
    assert "Several columns could be the method" in report.warnings[0].text


def test_a_table_without_a_method_says_that_little_could_be_checked() -> None:
    report = lint({"who": ["a", "b"], "accuracy": [0.1, 0.2]})
    assert "No column was read as the method" in report.warnings[0].text
    assert "--map method=COLUMN" in report.warnings[0].text


def test_a_wide_table_of_a_paper_is_read() -> None:
    wide = {"Dataset": ["adult", "bank", "Average"], "SVM": ["91.2 ± 0.3", "80.1 ± 1.0", "85.6"],
            "Ours": ["92.0 ± 0.3*", "81.3 ± 0.9", "86.7"]}  # fmt: skip
    report = lint(wide)
    assert report.methods == ("SVM", "Ours")
    assert report.tasks == ("adult", "bank"), "a row of means is no task"
    assert [f.name for f in report.findings] == ["few_repeats"]
    assert "no column says of how many runs" in report.findings[0].found
    assert report.warnings[0].text == "Read as a wide table: tasks in rows, methods in columns."


def test_one_method_and_several_metrics_are_no_obstacle() -> None:
    report = lint({"model": ["net"] * 6, "seed": list(range(6)), "acc": [0.9] * 5 + [0.91], "f1": [0.5] * 6})
    assert report.measures == ("acc", "f1")
    assert "constant_measure" in {f.name for f in report.findings}


def test_values_near_the_end_of_floats_raise_no_warning_of_arithmetic() -> None:
    rng = np.random.default_rng(0)
    cells = [(m, t, s) for m in "abcd" for t in range(9) for s in range(5)]
    method, task, seed = (list(part) for part in zip(*cells, strict=True))
    values = np.where(rng.random(180) < 0.1, 1e308, np.where(rng.random(180) < 0.5, 1.0, 2.0))
    frame = {"method": method, "task": task, "seed": seed, "value": values.tolist()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert lint(frame).checked
