"""Verdicts and scores: what gets none, what stands on less, and that it is said."""

from __future__ import annotations

import io
import json
import math
import random

import pytest

from cupel.report import markdown, reference
from cupel.report.comparison import build_comparison, exit_code
from cupel.report.csv import render_comparison
from cupel.report.terminal import show_comparison, show_run
from cupel.spec.errors import NothingToRunError
from cupel.stats.compare_rates import compare_rates
from cupel.stats.side import Side


def noisy(rng, mean, n=60, spread=0.01):
    return [mean * math.exp(rng.gauss(0, spread)) for _ in range(n)]


def fill(book, names="a", mean=0.01, num=3, seed=0, **options):
    rng = random.Random(f"{names} {mean} {num} {seed}")
    for name in names:
        for index in range(num):
            book.launch(name, index, noisy(rng, mean * math.exp(rng.gauss(0, 0.002))), **options)
    return book


BOUND = {"card": {"bound": "flops_per_s"}}


def pair(book_of, tmp_path, **kw):
    """Two runs of a and b; B's a is beyond what its device can do."""
    base = fill(book_of(tmp_path, ("a", "b"), changes=BOUND), "ab", 0.01, 5)
    book = fill(book_of(tmp_path, ("a", "b"), changes=BOUND), "b", 0.01, 5, 1)
    fill(book, "a", 0.001, 5, 2, peak={"flops_per_s": 500.0})
    return base, book


def test_impossible_rates_get_no_verdict(book_of, tmp_path):
    base, book = pair(book_of, tmp_path)
    comparison = build_comparison(base.document(), book.document())
    rows = {row["label"]: row for row in comparison["entries"]}
    assert (rows["a"]["verdict"], rows["a"]["verdict_alone"], rows["a"]["interval"]) == ("undecided", "undecided", None)
    assert "not compared: impossible rate in B" in rows["a"]["text"]
    assert (rows["a"]["status_a"], rows["a"]["status_b"]) == ("ok", "unstable")
    assert rows["b"]["interval_alone"] == rows["b"]["interval"], "what is not compared has no part in the table"
    assert "1 not compared (a)" in comparison["headline"]
    assert any(w["code"] == "not compared" for w in comparison["warnings"])
    assert "unstable" in render_comparison(comparison)
    file = io.StringIO()
    show_comparison(comparison, file=file, width=120)
    assert "a: not compared: impossible rate in B" in file.getvalue()


def test_impossible_rates_are_missing_in_the_score_and_no_reference(book_of, tmp_path):
    base, book = pair(book_of, tmp_path)
    document = book.document(reference=str(base.folder.path))
    result = document["score"]
    assert (result["measured"], result["of"], result["missing"]) == (1, 2, ["a"])
    assert result["value"] == pytest.approx(1, rel=0.02)
    assert "without a" in document["headline"]
    assert "1 unstable" in document["headline"]
    assert document["entries"][0]["reference"] is None
    back = base.document(reference=str(book.folder.path))["score"]
    assert back["unreferenced"] == ["a"]
    assert list(json.loads(reference.render(book.document()))["cells"]) == ["workload/b small"]


def test_an_unstable_entry_is_compared_with_a_warning(book_of, tmp_path):
    base, book = (fill(book_of(tmp_path), "a", 0.01, 4, seed) for seed in (1, 2))
    slow = fill(book_of(tmp_path), "a", 0.02, 4, 3)
    slow.launch("a", 3, noisy(random.Random(1), 0.031))
    comparison = build_comparison(base.document(), slow.document())
    row = comparison["entries"][0]
    assert row["status_b"] == "unstable"
    assert row["verdict"] == "slower"
    assert "unstable in B" in row["text"]
    assert "1 unstable" in comparison["headline"]
    assert any(w["code"] == "unstable" and "differ" in w["text"] for w in comparison["warnings"])
    assert "unstable" not in build_comparison(base.document(), book.document())["headline"]


def test_the_words_follow_the_rope(book_of, tmp_path):
    base, far = fill(book_of(tmp_path), "a", 0.01, 6), fill(book_of(tmp_path), "a", 0.012, 6, 1)
    row = build_comparison(base.document(), far.document())["entries"][0]
    assert row["is_beyond_rope"]
    assert "slower by more than 1.0 %" in row["text"]
    edge = (1 / row["ratio"] - 1) * 0.999
    near = build_comparison(base.document(), far.document(), rope=edge)["entries"][0]
    assert (near["verdict"], near["is_beyond_rope"]) == ("undecided", False)


def test_auto_runs_are_compared_by_their_pilots(book_of, tmp_path):
    books = [fill(book_of(tmp_path, launches=None, pilot=4), "a", 0.01, 7, seed) for seed in (1, 2)]
    documents = [book.document() for book in books]
    assert [d["entries"][0]["pilot_n"] for d in documents] == [4, 4]
    row = build_comparison(*documents)["entries"][0]
    expected = compare_rates(*(Side(d["entries"][0]["rates"], 4) for d in documents))
    assert expected.df == 3
    assert row["interval_alone"] == [expected.interval.low, expected.interval.high]
    path = tmp_path / "auto.json"
    path.write_text(reference.render(documents[0]))
    assert reference.load_reference(str(path)).pilots == {"workload/a small": 4}
    scored = books[1].document(reference=str(path))["score"]
    assert scored["interval"] == pytest.approx([expected.interval.low, expected.interval.high], rel=1e-4)


def test_what_one_run_did_not_measure_is_named_apart(book_of, tmp_path):
    base = fill(book_of(tmp_path, ("a", "b", "c")), "abc")
    book = fill(book_of(tmp_path, ("a", "b", "d")), "ad", seed=1)
    for index in range(3):
        book.fail("b", index)
    comparison = build_comparison(base.document(), book.document())
    assert comparison["only_in_a"] == ["c"]
    assert comparison["only_in_b"] == ["d"]
    assert comparison["unmeasured"] == [{"label": "b", "status_a": "ok", "status_b": "failed"}]
    assert "1 failed in B" in comparison["headline"]
    assert "b: not compared, ok in A, failed in B" in markdown.render_comparison(comparison)


@pytest.mark.parametrize(
    ("job", "code"), [({"overrides": {"n": 2}}, 3), ({"settings": {"precision": "bf16"}}, 0), ({}, 3)]
)
def test_other_settings_are_no_regression(book_of, tmp_path, job, code):
    base = fill(book_of(tmp_path), "a", 0.01, 5)
    book = fill(book_of(tmp_path, changes={"job": job}), "a", 0.02, 5, 1)
    comparison = build_comparison(base.document(), book.document())
    assert comparison["entries"][0]["verdict"] == "slower"
    assert comparison["entries"][0]["settings_differ"] == (code == 0)
    assert exit_code(comparison) == code


def test_other_units_are_never_paired(book_of, tmp_path):
    base = fill(book_of(tmp_path, ("a", "b")), "ab")
    book = fill(book_of(tmp_path, ("a", "b"), changes={"card": {"unit": "images"}}), "ab", seed=1)
    document = book.document(reference=str(base.folder.path))
    assert document["score"] is None
    path = tmp_path / "other.json"
    path.write_text(reference.render(base.document()))
    assert book.document(reference=str(path))["score"] is None
    with pytest.raises(NothingToRunError, match="A counts calls, higher is better, B images"):
        build_comparison(base.document(), document)


def test_skipped_and_pending_entries_are_named_and_do_not_count(book_of, tmp_path):
    base = fill(book_of(tmp_path, ("a", "b", "c", "d")), "abcd")
    book = book_of(tmp_path, ("a", "b", "c", "e"), changes={"plan": {"skipped": {"f": "no fp8"}}})
    fill(book, "ae", seed=1)
    for index in range(3):
        book.fail("b", index, "not supported here", "skipped")
    document = book.document(reference=str(base.folder.path))
    result = document["score"]
    assert (result["measured"], result["of"], result["missing"]) == (1, 1, [])
    assert result["skipped"] == ["f", "b"]
    assert result["pending"] == ["c"]
    assert result["unreferenced"] == ["e"]
    assert result["floored"] == result["value"]
    for words in ("2 skipped (f, b)", "1 not measured yet (c)", "1 not in the reference (e)"):
        assert words in result["text"]
    file = io.StringIO()
    show_run(document, file=file, width=120)
    assert "Not in the reference, so not part of the score: e" in file.getvalue()
    assert "Not in the reference, so not part of the score: e" in markdown.render_run(document)


def test_cells_of_one_label_both_count(book_of, tmp_path):
    base = fill(book_of(tmp_path, ("a", "b")), "ab")
    book = book_of(tmp_path, ("a", "b"), changes={"cell": {"label": "same"}})
    fill(book, "a", 0.005, seed=1)
    fill(book, "b", 0.01, seed=2)
    result = book.document(reference=str(base.folder.path))["score"]
    assert (result["measured"], result["of"]) == (2, 2)
    assert result["value"] == pytest.approx(math.sqrt(2), rel=0.02)
    assert sorted(result["influence"]) == ["same (workload/a small)", "same (workload/b small)"]


def test_milabenchs_score_counts_launches(book_of, tmp_path):
    book = book_of(tmp_path, ("a",), changes={"plan": {"scores": ["milabench"]}})
    for index in range(2):
        book.launch("a", index, [0.02] * 20)
    book.fail("a", 2)
    result = book.document()["milabench_score"]
    assert result["value_without_plus_one"] == pytest.approx(50 * (1 - 1 / 3))


def test_where_lower_is_better_a_ratio_above_one_still_is(book_of, tmp_path):
    lower = {"card": {"better": "lower"}}
    base = fill(book_of(tmp_path, changes=lower), "a", 0.01)
    book = fill(book_of(tmp_path, changes=lower), "a", 0.02, seed=1)
    entry = book.document(reference=str(base.folder.path))["entries"][0]
    assert entry["reference"]["ratio"] == pytest.approx(2, rel=0.02)
    assert entry["reference"]["interval"][0] < 2 < entry["reference"]["interval"][1]


def test_weights_of_zero_and_other_threads_are_said(book_of, tmp_path):
    base = fill(book_of(tmp_path), "a")
    none = fill(book_of(tmp_path, changes={"cell": {"weight": 0.0}}), "a", seed=1)
    assert "of weight 0" in none.document(reference=str(base.folder.path))["score_note"]
    wide = fill(book_of(tmp_path, changes={"job": {"threads": 4}}), "a", seed=1)
    warnings = wide.document(reference=str(base.folder.path))["warnings"]
    assert any(w["code"] == "reference threads" and "4 here, 1 in" in w["text"] for w in warnings)


def test_what_the_machine_does_by_itself_is_not_attributed(book_of, tmp_path):
    base, moved = fill(book_of(tmp_path), "a", 0.01, 6), fill(book_of(tmp_path), "a", 0.0104, 6, 1)
    documents = [base.document(), moved.document()]
    assert build_comparison(*documents)["entries"][0]["verdict"] == "slower"
    for document, null_s in zip(documents, (1e-5, 1.04e-5), strict=True):
        for launch in document["entries"][0]["launches"]:
            launch["null_s"] = null_s
    comparison = build_comparison(*documents)
    assert comparison["session_shift"] == pytest.approx(math.log(1.04))
    assert comparison["entries"][0]["verdict"] == "undecided"
    assert "null workload took 4.0 % longer in B" in comparison["warnings"][0]["text"]
    documents[1]["machine"] = {**documents[1]["machine"], "host": "another"}
    other = build_comparison(*documents)
    assert other["session_shift"] is None, "between machines it is part of what is measured"
    assert other["entries"][0]["verdict"] == "slower"
