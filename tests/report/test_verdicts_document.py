"""The table of all claims: which run speaks for a claim, what holds after Holm, what is left out."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupel.report.verdicts_document import (
    build_verdicts_document,
    choose,
    command_of,
    correct,
    num_tests,
    read_tried,
)
from cupel.report.verdicts_words import minutes_text, others_texts
from cupel.spec.claim import Claim
from cupel.spec.errors import UsageError
from cupel.spec.statement import Statement
from cupel.stats.judge import judge_instances

SAID = {"name": "loss", "kind": "quality", "says": "The loss is lower", "metric": "loss", "better": "lower"}
EXACT = {"name": "same", "kind": "exact", "says": "Both are equal", "metric": "error", "better": "lower", "bar": 0.1}
SIZES = {"tiny": {"n": 1}, "small": {"n": 4}, "full": {"n": 8}}
LOWER = [-1.0, -1.1, -0.9, -1.05, -0.95, -1.0]
HIGHER = [-effect for effect in LOWER]
DAY = "2026-11-{:02d}T12:00:00+00:00"


def card(*statements: dict[str, Any]) -> Claim:
    arms = {"method": "a", "baseline": "b"}
    return Claim(says="A beats B.", source="A paper", statements=statements or (SAID,), varies=("init",), arms=arms,
                 instances={"tiny": 2}, **SIZES)  # fmt: skip


@pytest.fixture
def write(tmp_path: Path, claims_book: Any) -> Any:
    """Writes a run of one claim, begun on a day, into the folder that it returns."""

    def make(day: int, effects: list[float | None], *statements: dict[str, Any], **changes: Any) -> Path:
        name = changes.pop("name", "a_vs_b")
        book = claims_book(tmp_path, {name: card(*statements)}, started=DAY.format(day), **changes)
        book.pairs(name, "loss", effects)
        if len(statements) > 1:
            book.instances(name, "error", [0.0, 0.05])
        book.finish()
        return tmp_path

    return make


def days(runs: Path) -> list[tuple[str, list[str]]]:
    """The days of the runs that speak, each with those of the further ones."""
    chosen = choose(read_tried(runs)[0])
    return [(b.document["started"][8:10], [o.document["started"][8:10] for o in others]) for b, others in chosen]


def test_the_newest_finished_run_speaks_whatever_came_out(write: Any) -> None:
    write(1, LOWER)
    write(3, LOWER[:3])  # open
    runs = write(2, HIGHER)
    assert days(runs) == [("02", ["03", "01"])]
    (row,) = build_verdicts_document(runs)["verdicts"]
    assert row["verdict"] == "contradicted"
    assert row["status"] == "finished"
    said = {other["started"][8:10]: (other["status"], other["verdict"]) for other in row["others"]}
    assert said == {"01": ("finished", "supported"), "03": ("open", "undecided")}


def test_among_open_runs_the_one_with_most_evidence_speaks(write: Any) -> None:
    write(1, LOWER[:4])
    runs = write(2, LOWER[:2])
    assert days(runs) == [("01", ["02"])]


def test_a_run_that_could_not_be_tried_speaks_only_alone(write: Any) -> None:
    runs = write(5, [None, None, None])
    assert days(runs) == [("05", [])]
    assert build_verdicts_document(runs)["verdicts"][0]["status"] == "failed"
    write(1, LOWER[:2])
    assert days(runs) == [("01", ["05"])]


@pytest.mark.parametrize(
    "other",
    [{"size": "small"}, {"overrides": {"n": 2}}, {"settings": {"x": 1}}, {"device": "cuda:0"}, {"machine": "8 cores"}],
    ids=str,
)
def test_what_is_not_the_same_work_has_its_own_rows(write: Any, other: dict[str, Any]) -> None:
    write(1, LOWER)
    runs = write(2, HIGHER, **other)
    assert sorted(days(runs)) == [("01", []), ("02", [])]
    assert build_verdicts_document(runs)["num_claims"] == 2


def test_further_runs_say_whether_they_are_the_same_evidence(write: Any) -> None:
    write(1, LOWER)
    write(2, LOWER, seed=7)
    write(3, HIGHER, digest="older")
    runs = write(4, LOWER)
    rows = build_verdicts_document(runs)["verdicts"]
    flags = {other["started"][8:10]: (other["same_seed"], other["same_code"]) for other in rows[0]["others"]}
    assert flags == {"01": (True, True), "02": (False, True), "03": (True, False)}
    texts = list(others_texts(rows))
    assert (
        "is the same evidence, of another version of the claim's file: there loss is contradicted (n = 6)" in texts[0]
    )
    assert "is a repetition with seed 7: its verdicts are the same; not pooled" in texts[1]
    assert len(texts) == 3
    assert rows[0]["n"] == 6


def row(verdict: str, p: float | None, kind: str = "quality", n: int = 6) -> dict[str, Any]:
    return {"verdict": verdict, "p": p, "kind": kind, "n": n}


def test_holm_counts_every_test_that_was_made() -> None:
    rows = [row("supported", 0.01), row("contradicted", 0.03), row("undecided", None), row("not testable", None, n=0),
            row("undecided", None, n=0)]  # fmt: skip
    correct(rows, 0.05)
    assert num_tests(rows) == 3
    assert [r["p_holm"] for r in rows] == [pytest.approx(0.03), pytest.approx(0.06), None, None, None]
    expected = ["supported", "undecided", "undecided", "not testable", "undecided"]
    assert [r["verdict_holm"] for r in rows] == expected


def test_a_verdict_without_a_p_stands_at_its_own_level_only() -> None:
    rows = [row("supported", None, "published", 1), row("equivalent", None), row("supported", 0.02)]
    correct(rows, 0.05)
    assert [r["verdict_holm"] for r in rows] == [None, None, "undecided"]  # they count: 3 * 0.02 > 0.05
    assert rows[2]["p_holm"] == pytest.approx(0.06)


def test_an_exact_statement_keeps_its_verdict_with_a_wider_bound() -> None:
    rows = [row("supported", 0.05, "exact", 60), row("contradicted", 0.0, "exact", 60), row("supported", 0.02)]
    correct(rows, 0.05)
    assert [r["verdict_holm"] for r in rows] == ["supported", "contradicted", "supported"]
    assert rows[0]["interval_holm"] == [0.0, pytest.approx(1 - (0.05 / 3) ** (1 / 60))]
    assert rows[0]["p_holm"] is None
    assert rows[2]["p_holm"] == pytest.approx(0.04)  # the counter-example is certain: it costs the others nothing


def test_the_bound_of_one_row_alone_is_the_judges_own() -> None:
    alone = [row("supported", 0.05, "exact", 60)]
    correct(alone, 0.05)
    found = judge_instances(Statement(**EXACT), [0.0] * 60, planned=60)
    assert found.interval is not None
    assert alone[0]["interval_holm"][1] == pytest.approx(found.interval.high)


@given(st.lists(st.tuples(st.sampled_from(["supported", "contradicted", "equivalent"]), st.floats(0, 0.05))))
def test_holm_never_makes_a_verdict_and_keeps_all_of_few(found: list[tuple[str, float]]) -> None:
    rows = [row(word, p) for word, p in found]
    correct(rows, 0.05)
    for made in rows:
        assert made["verdict_holm"] in (made["verdict"], "undecided")
        assert made["p_holm"] >= made["p"]
        is_bonferroni = made["p"] <= 0.05 / len(rows)
        assert made["verdict_holm"] == made["verdict"] or not is_bonferroni


def test_the_share_of_false_tables_is_at_most_alpha() -> None:
    # five true null rows and two exact ones that fail in a share of instances beyond their bound: the smallest p is
    # uniform, so that the chance of any false verdict is known in closed form
    m, alpha = 7, 0.05
    steps = [k / 20000 for k in range(1, 20000)]
    false = 0
    for p in steps:
        rows = [row("supported", p), *(row("undecided", None) for _ in range(4))]
        rows += [row("supported", 0.05, "exact", 10) for _ in range(2)]
        correct(rows, alpha)
        false += rows[0]["verdict_holm"] == "supported"
    one_row = false / len(steps)
    bound = 1 - (alpha / m) ** (1 / 10)
    one_exact = (1 - bound) ** 10  # chance of no failure in 10 instances where the true share is at the bound
    assert one_row == pytest.approx(alpha / m, abs=1e-4)
    assert 5 * one_row + 2 * one_exact <= alpha + 1e-3


def test_the_document_counts_and_is_strict_json(write: Any) -> None:
    runs = write(1, LOWER, SAID, EXACT)
    write(2, HIGHER, name="c_vs_d")
    document = build_verdicts_document(runs)
    assert document["headline"] == (
        "3 statements of 2 claims: 2 supported, 1 contradicted; after Holm over 3 rows: 2 supported, 1 contradicted."
    )
    assert [r["claim"] for r in document["verdicts"]] == ["a_vs_b", "a_vs_b", "c_vs_d"]
    assert document["machines"] == ["2 cores"]
    json.dumps(document, allow_nan=False)
    first = document["verdicts"][0]
    assert first["minutes"] == pytest.approx((12 + 2) * 0.5 / 60)
    assert first["command"] == "cupel run a_vs_b --size tiny"
    assert (runs / first["run"]).is_dir()
    assert not math.isnan(first["effect"])


def test_only_the_sizes_that_were_asked_are_in_the_table(write: Any) -> None:
    write(1, LOWER)
    runs = write(2, LOWER, size="small")
    assert [r["size"] for r in build_verdicts_document(runs, sizes=("small",))["verdicts"]] == ["small"]
    assert build_verdicts_document(runs, sizes=("full",))["headline"] == "No claim has been tried."


def test_a_broken_or_foreign_folder_is_named_and_leaves_the_rest(write: Any) -> None:
    runs = write(1, LOWER)
    for name, text in (("broken", "{"), ("newer", '{"schema": 99}'), ("lacking", '{"schema": 1, "kind": "claims"}')):
        (runs / name).mkdir()
        (runs / name / "run.json").write_text(text)
    (runs / "notes").mkdir()
    (runs / "workloads").mkdir()
    (runs / "workloads" / "run.json").write_text('{"schema": 1, "kind": "run"}')
    (runs / ".hidden").mkdir()
    (runs / "file.txt").write_text("no folder")
    document = build_verdicts_document(runs)
    left_out = {Path(item["folder"]).name: item["reason"] for item in document["left_out"]}
    assert set(left_out) == {"broken", "newer", "lacking", "notes"}
    assert "cannot be read" in left_out["broken"]
    assert "Upgrade cupel" in left_out["newer"]
    assert "lacks 'plan'" in left_out["lacking"]
    assert "has no run.json" in left_out["notes"]
    assert len(document["verdicts"]) == 1


def test_what_cannot_be_a_table_is_refused(write: Any, tmp_path: Path) -> None:
    runs = write(1, LOWER)
    one = next(path for path in runs.iterdir() if path.is_dir())
    with pytest.raises(UsageError, match="is one run; expected a folder of runs"):
        build_verdicts_document(one)
    with pytest.raises(UsageError, match="is no folder"):
        build_verdicts_document(tmp_path / "none")
    with pytest.raises(UsageError, match="alpha is 1; expected"):
        build_verdicts_document(runs, alpha=1)


def test_the_command_says_all_that_was_not_usual() -> None:
    claim = {"claim": "a_vs_b", "module": "cupel.claims.a_vs_b", "path": "/data/a_vs_b.py", "size": "small",
             "settings": {"n": 3, "opt": "a b"}, "seed": 4, "device": "cuda:0"}  # fmt: skip
    asked = {"names": ["claims"], "pairs": 9, "threads": 2}
    assert command_of(claim, asked) == (
        "cupel run a_vs_b --size small --set n=3 --set 'opt=a b' --pairs 9 --seed 4 --device cuda:0 --threads 2"
    )
    usual = {**claim, "module": "", "settings": {}, "seed": 0, "device": "cpu"}
    assert command_of(usual, {"names": ["mine/a_vs_b.py"]}) == "cupel run mine/a_vs_b.py --size small"
    assert command_of(usual, {"names": ["claims"]}) == "cupel run ./a_vs_b.py --size small"


def test_minutes_are_never_nothing() -> None:
    assert [minutes_text({"minutes": m}) for m in (0.0, 0.05, 9.94, 12.3)] == ["<0.1", "0.1", "9.9", "12"]
