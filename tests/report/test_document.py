"""From records to the result document and the comparison, on records whose answer is known."""

from __future__ import annotations

import json
import math
import random

import pytest

from cupel.ledger.run_folder import RunFolder
from cupel.report import reference
from cupel.report.comparison import build_comparison
from cupel.report.comparison import exit_code as comparison_exit_code
from cupel.report.document import build_document, exit_code
from cupel.spec.errors import NothingToRunError, UnknownNameError


def noisy(rng: random.Random, mean: float, n: int = 60, spread: float = 0.01) -> list[float]:
    return [mean * math.exp(rng.gauss(0, spread)) for _ in range(n)]


def test_a_rate_is_items_over_time_between_launches(book_of, tmp_path):
    book = book_of(tmp_path)
    for index, mean in enumerate((0.010, 0.0101, 0.0099)):
        book.launch("a", index, [5.0] + [mean] * 60, items=2)
    entry = book.document()["entries"][0]
    expected = [2 / mean for mean in (0.010, 0.0101, 0.0099)]
    assert entry["rates"] == pytest.approx(expected)
    assert entry["rate"] == pytest.approx(math.exp(sum(map(math.log, expected)) / 3))
    assert entry["interval_kind"] == "between launches"
    assert entry["interval"][0] < entry["rate"] < entry["interval"][1]
    assert entry["first_step_s"] == 5.0, "the first step stands apart and is in no rate"
    assert entry["also"][0]["rate"] == pytest.approx(7 * entry["rate"])
    assert entry["status"] == "ok"


def test_stalls_stay_in_the_rate(book_of, tmp_path):
    book = book_of(tmp_path)
    steps = [0.01] * 100
    steps[10::10] = [0.11] * len(steps[10::10])
    for index in range(3):
        book.launch("a", index, steps)
    rate = book.document()["entries"][0]["rate"]
    assert rate == pytest.approx(99 / sum(steps[1:]), rel=0.02)
    assert rate < 0.6 * 100


def test_one_launch_has_a_rate_and_no_interval_and_says_so(book_of, tmp_path):
    book = book_of(tmp_path, launches=1)
    book.launch("a", 0, noisy(random.Random(1), 0.01))
    document = book.document()
    entry = document["entries"][0]
    assert entry["rate"] is not None
    assert entry["interval"] is None
    assert "one launch" in entry["interval_note"]
    assert "one launch" in entry["text"]
    assert document["status"] == "complete"


def test_a_launch_cut_short_is_not_counted_and_the_run_is_partial(book_of, tmp_path):
    book = book_of(tmp_path)
    rng = random.Random(2)
    book.launch("a", 0, noisy(rng, 0.01))
    book.launch("a", 1, noisy(rng, 0.01))
    book.launch("a", 2, noisy(rng, 0.02), ends=False)
    document = book.document()
    assert document["status"] == "partial"
    assert document["entries"][0]["num_launches"] == 2
    assert exit_code(document) == 0, "what is missing is no failure"


def test_a_reference_keeps_what_a_reader_wants_to_know_and_earlier_ones_can_be_read(book_of, tmp_path):
    book = book_of(tmp_path)
    for index in range(3):
        book.launch("a", index, noisy(random.Random(index), 0.01), items=1e-7)
    document = book.document()
    kept = json.loads(reference.render(document))
    cell, entry = kept["cells"]["workload/a small"], document["entries"][0]
    assert cell["rate"] == pytest.approx(entry["rate"], rel=1e-5)
    assert cell["interval"] == pytest.approx(entry["interval"], rel=1e-5)
    assert (cell["launch_s"], cell["flop_per_item"], cell["status"]) == (9.0, None, "ok")
    for name in ("rate", "interval", "launch_s", "flop_per_item", "status", "unit", "better"):
        del cell[name]
    path = tmp_path / "earlier.json"
    path.write_text(json.dumps(kept))
    assert reference.load_reference(str(path)).rates["workload/a small"] == pytest.approx(entry["rates"], rel=1e-5)


def test_a_failed_entry_makes_the_score_incomplete_never_zero_never_silent(book_of, tmp_path, monkeypatch):
    rng = random.Random(3)
    base = book_of(tmp_path, ("a", "b"))
    for name in "ab":
        for index in range(3):
            base.launch(name, index, noisy(rng, 0.01))
    path = tmp_path / "base.json"
    path.write_text(reference.render(base.document()))
    book = book_of(tmp_path, ("a", "b"))
    for index in range(3):
        book.launch("a", index, noisy(rng, 0.005))
        book.fail("b", index)
    document = book.document(reference=str(path))
    result = document["score"]
    assert result["value"] == pytest.approx(2.0, rel=0.02)
    assert (result["measured"], result["of"], result["missing"]) == (1, 2, ["b"])
    assert result["floored"] == pytest.approx(math.sqrt(2 * 0.01), rel=0.02)
    assert "incomplete: 1 of 2" in document["headline"]
    assert exit_code(document) == 1


def test_a_run_folder_serves_as_reference_and_the_ratio_to_itself_is_one(book_of, tmp_path):
    rng = random.Random(4)
    book = book_of(tmp_path)
    for index in range(3):
        book.launch("a", index, noisy(rng, 0.01))
    document = book.document(reference=str(book.folder.path))
    assert document["score"]["value"] == pytest.approx(1.0)
    assert document["entries"][0]["reference"]["ratio"] == pytest.approx(1.0)
    with pytest.raises(UnknownNameError, match="No reference named 'laptop'"):
        book.document(reference="laptop")


def test_an_entry_that_the_reference_lacks_is_named_and_not_scored(book_of, tmp_path):
    rng = random.Random(5)
    base, book = book_of(tmp_path, ("a",)), book_of(tmp_path, ("a", "b"))
    for index in range(3):
        base.launch("a", index, noisy(rng, 0.01))
        book.launch("a", index, noisy(rng, 0.01))
        book.launch("b", index, noisy(rng, 0.01))
    result = book.document(reference=str(base.folder.path))["score"]
    assert result["unreferenced"] == ["b"]
    assert result["of"] == 1
    other = book_of(tmp_path, ("c",))
    other.launch("c", 0, noisy(rng, 0.01))
    document = other.document(reference=str(base.folder.path))
    assert document["score"] is None
    assert "none of these entries" in document["score_note"]


def test_launches_that_ramp_or_have_impossible_rates_are_unstable(book_of, tmp_path):
    book = book_of(tmp_path)
    for index in range(3):
        book.launch("a", index, [1 / (100 + 40 * k) for k in range(60)])
    entry = book.document()["entries"][0]
    assert entry["status"] == "unstable"
    assert any(w["code"] == "ramp" for w in entry["warnings"])


def test_others_at_work_are_seen(book_of, tmp_path):
    book = book_of(tmp_path)
    for index in range(3):
        book.launch("a", index, noisy(random.Random(index), 0.01), cpu_frac=0.9, tree_cpu_frac=1.0)
    codes = [w["code"] for w in book.document()["warnings"]]
    assert "busy machine" in codes
    assert "one session" in codes


def test_the_auto_interval_is_steins(book_of, tmp_path):
    rng = random.Random(6)
    book = book_of(tmp_path, launches=None, width=0.5)
    for index in range(5):
        book.launch("a", index, noisy(rng, 0.01 * math.exp(rng.gauss(0, 0.02))))
    document = book.document()
    entry = document["entries"][0]
    assert "Stein" in entry["interval_note"]
    assert entry["planned_launches"] == 5
    assert document["status"] == "complete"


def test_the_document_is_strict_json_and_is_the_same_again_after_a_move(book_of, tmp_path):
    book = book_of(tmp_path)
    for index in range(3):
        book.launch("a", index, noisy(random.Random(index), 0.01))
    first = book.document()
    moved = tmp_path / "elsewhere"
    book.folder.path.rename(moved)
    second = build_document(RunFolder(moved))
    assert json.dumps({**first, "run": ""}, allow_nan=False) == json.dumps({**second, "run": ""}, allow_nan=False)


def test_a_comparison_says_slower_and_exits_by_it(book_of, tmp_path):
    rng = random.Random(7)
    books = [book_of(tmp_path, ("a", "b")) for _ in range(2)]
    for book, factor in zip(books, (1.0, 1.1), strict=True):
        for index in range(5):
            book.launch("a", index, noisy(rng, 0.01 * factor * math.exp(rng.gauss(0, 0.002))))
            book.launch("b", index, noisy(rng, 0.01 * math.exp(rng.gauss(0, 0.002))))
    comparison = build_comparison(books[0].document(), books[1].document())
    verdicts = {entry["label"]: entry["verdict"] for entry in comparison["entries"]}
    assert verdicts["a"] == "slower"
    assert verdicts["b"] in ("equivalent", "undecided")
    assert comparison_exit_code(comparison) == 3
    back = build_comparison(books[1].document(), books[0].document())
    assert {entry["label"]: entry["verdict"] for entry in back["entries"]}["a"] == "faster"
    assert comparison_exit_code(back) == 0
    assert "1 slower (a)" in comparison["headline"]


def test_one_launch_on_a_side_is_undecided(book_of, tmp_path):
    books = [book_of(tmp_path, launches=1), book_of(tmp_path)]
    books[0].launch("a", 0, noisy(random.Random(1), 0.01))
    for index in range(3):
        books[1].launch("a", index, noisy(random.Random(index), 0.02))
    entry = build_comparison(books[0].document(), books[1].document())["entries"][0]
    assert entry["verdict"] == "undecided"
    assert entry["interval"] is None


def test_runs_without_common_work_cannot_be_compared(book_of, tmp_path):
    books = [book_of(tmp_path, ("a",)), book_of(tmp_path, ("b",))]
    books[0].launch("a", 0, [0.01] * 50)
    books[1].launch("b", 0, [0.01] * 50)
    with pytest.raises(NothingToRunError, match="A has a; B has b"):
        build_comparison(books[0].document(), books[1].document())
