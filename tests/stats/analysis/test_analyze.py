import math

import numpy as np
import pandas as pd
import polars as pl
import pytest

from cupel import stats
from cupel.spec.errors import UnknownNameError, UsageError
from cupel.stats import Question, analyze


def codes(answer):
    return {note.code for note in answer.warnings}


def test_a_planted_winner_is_found_and_the_rest_left_open(table):
    answer = analyze(table(), better="higher")
    assert answer.order[0] == "m1"
    verdicts = {frozenset((p.a, p.b)): p.verdict for p in answer.pairs}
    assert verdicts[frozenset(("m1", "m0"))] == verdicts[frozenset(("m1", "m2"))] == "supported"
    assert verdicts[frozenset(("m0", "m2"))] == "undecided"
    assert answer.scope == "tasks like these"
    assert "m1 has the best mean value: better than" in answer.headline


def test_every_pair_is_oriented_in_favour_of_its_first_method(table):
    up, down = analyze(table(), better="higher"), analyze(table(), better="lower")
    assert all(pair.estimate >= 0 for pair in (*up.pairs, *down.pairs))
    assert {(p.a, p.b) for p in up.pairs} == {(p.b, p.a) for p in down.pairs}
    for pair in up.pairs:
        mirror = next(p for p in down.pairs if (p.a, p.b) == (pair.b, pair.a))
        assert pair.estimate == pytest.approx(mirror.estimate)
        assert pair.p == pytest.approx(mirror.p)
        assert pair.prob > 0.4


def test_the_pair_is_the_contrast_of_the_model(table):
    frame = table()
    answer = analyze(frame, better="higher")
    fit = stats.mixed_model(
        "value ~ method + (1 | task) + (1 | task:method) + (1 | task:seed)", frame, factors=("seed",)
    )
    row = stats.contrasts(fit, "method")["m0 - m1"]
    pair = next(p for p in answer.pairs if {p.a, p.b} == {"m0", "m1"})
    assert (pair.estimate, pair.p) == pytest.approx((-row.estimate, row.p))
    assert (pair.interval.low, pair.interval.high) == pytest.approx((-row.interval.high, -row.interval.low))


def test_numbers_beside_the_difference_by_hand(table):
    frame = table(shape=(2, 6, 4))
    pair = analyze(frame, better="higher").pairs[0]
    within = frame.groupby(["method", "task"]).value.var().mean()
    assert pair.effect_size == pytest.approx(pair.estimate / math.sqrt(within))
    wide = frame.pivot_table(index=["task", "seed"], columns="method", values="value")
    share = np.mean([(wide.loc[t, pair.a].to_numpy()[:, None] > wide.loc[t, pair.b].to_numpy()).mean() for t in
                     frame.task.unique()])  # fmt: skip
    assert pair.prob == pytest.approx(share)


def test_few_tasks_are_answered_for_themselves_alone(table):
    few = table(shape=(3, 3, 6))
    answer = analyze(few, better="higher")
    assert answer.scope == "these tasks"
    assert "few tasks" in codes(answer)
    assert answer.variance is not None
    with pytest.raises(UsageError, match="needs at least 5 tasks; the table has 3"):
        analyze(few, better="higher", question=Question(scope="population"))


def test_a_baseline_is_compared_with_each_of_the_others(table):
    answer = analyze(table(), better="higher", question=Question(against="m1"))
    assert {(p.a, p.b) for p in answer.pairs} == {("m0", "m1"), ("m2", "m1")}
    assert {p.verdict for p in answer.pairs} == {"contradicted"}
    assert all(p.estimate < 0 for p in answer.pairs)
    assert "not better than m1" in answer.pairs[0].sentence
    with pytest.raises(UnknownNameError, match="No method named 'm9'"):
        analyze(table(), better="higher", question=Question(against="m9"))


def test_bar_and_region_of_equivalence(table):
    frame = table(shape=(3, 30, 10), shift=(0.0, 1.0, 0.0), suits=0.02, noise=0.2)
    by = {frozenset((p.a, p.b)): p for p in analyze(frame, better="higher", question=Question(bar=2.0, rope=0.3)).pairs}
    assert by[frozenset(("m0", "m2"))].verdict == "equivalent"
    assert by[frozenset(("m0", "m1"))].verdict == "contradicted"
    assert "not better than m0 by the bar" in by[frozenset(("m0", "m1"))].sentence
    with pytest.raises(UsageError, match="wider than bar"):
        analyze(frame, better="higher", question=Question(bar=0.1, rope=0.3))


def test_ratios_on_the_log_scale(table):
    frame = table(shape=(2, 8, 6), shift=(0.0, math.log(2.0)), noise=0.05, suits=0.01)
    frame["value"] = np.exp(frame["value"])
    pair = analyze(frame, better="lower", question=Question(scale="log", bar=0.5, rope=0.05)).pairs[0]
    assert (pair.a, pair.b, pair.verdict) == ("m0", "m1", "supported")
    assert pair.estimate == pytest.approx(2.0, rel=0.05)
    assert pair.interval.low < 2.0 < pair.interval.high
    frame.loc[3, "value"] = -1.0
    with pytest.raises(UsageError, match="needs values above 0; row 3"):
        analyze(frame, better="lower", question=Question(scale="log"))


def test_the_last_budget_is_taken_and_said(table):
    early = table(shift=(0.0, 0.0, 2.0)).assign(budget=1)
    late = table(shift=(0.0, 2.0, 0.0)).assign(budget=2)
    both = stats.results(pd.concat([early, late]), better="higher")
    answer = analyze(both)
    assert (answer.order[0], answer.design.budget, answer.design.budgets) == ("m1", 2.0, (1.0, 2.0))
    assert "one budget of several" in codes(answer)
    assert answer.windows is not None
    assert analyze(stats.results(both, where={"budget": 1})).order[0] == "m2"


def test_failures_are_counted_and_unequal_ones_are_said(table):
    frame = table(shape=(2, 6, 10))
    frame.loc[(frame.method == "m0") & (frame.seed < 4), "value"] = np.nan
    answer = analyze(frame, better="higher")
    assert answer.design.failed == {"m0": 24, "m1": 0}
    assert {"failures", "unequal failures"} <= codes(answer)


def test_what_makes_an_answer_weaker_is_said(table):
    single = analyze(table(shape=(3, 8, 1)), better="higher")
    assert {"few runs", "no repeats"} <= codes(single)
    assert math.isnan(single.pairs[0].effect_size)
    tuned = table(hpo_run=lambda m, _t, _s: [f"h{k}" for k in m])
    assert "one hpo run" in codes(analyze(tuned, better="higher"))
    wide = table()
    wide.loc[wide.task == "t0", "value"] *= 1000
    assert "mixed scales" in codes(analyze(wide, better="higher"))
    percent = table(noise=0.01)
    percent["value"] = 0.5 + 0.01 * percent["value"]
    percent.loc[(percent.task == "t1") & (percent.method == "m2"), "value"] *= 100
    text = next(n.text for n in analyze(percent, better="higher").warnings if "fractions beside percentages" in n.text)
    assert "values of t1" in text


def test_tasks_that_share_their_runs_are_said(table):
    frame = table(shape=(2, 8, 10))
    for task in range(0, 8, 2):
        own = (frame.method == "m0") & (frame.task == f"t{task + 1}")
        frame.loc[own, "value"] = frame.loc[(frame.method == "m0") & (frame.task == f"t{task}"), "value"].to_numpy()
    note = next(n for n in analyze(frame, better="higher").warnings if n.code == "shared runs")
    assert "m0 (100% of its runs, such as on t0 and t1)" in note.text
    assert "shared runs" not in codes(analyze(table(shape=(2, 8, 10)), better="higher"))


def test_missing_cells_are_named(table):
    frame = table()
    answer = analyze(frame[~((frame.method == "m2") & (frame.task == "t7"))], better="higher")
    assert answer.design.missing == (("m2", "t7"),)
    assert "missing cells" in codes(answer)


def test_what_cannot_be_answered_is_refused_with_what_to_do(table):
    with pytest.raises(UsageError, match=r"Which direction of 'value' is better\? Say it: --better"):
        analyze(table())
    with pytest.raises(UsageError, match=r"one method only \('m0' in rows 0, 1, 2"):
        analyze(table(shape=(1, 6, 3)), better="higher")
    split = table().assign(budget=lambda f: np.where(f.method == "m0", 1, 2))
    said = " ".join(note.text for note in analyze(split, better="higher").warnings)
    assert "what looks like a method may be its budget" in said
    with pytest.raises(ValueError, match="fraction"):
        analyze(table(), better="higher", question=Question(level=1.5))


def test_gaps_are_said_with_what_they_do_to_the_answer(table):
    frame = table()
    lacks = (frame.method == "m2") & frame.task.isin(["t4", "t5", "t6", "t7"])
    text = next(n.text for n in analyze(frame[~lacks], better="higher").warnings if n.code == "missing cells")
    assert "and 1 more: m0 and m2 share 4 tasks only (and 1 other pair share few)" in text
    text = next(n.text for n in analyze(frame[3:], better="higher").warnings if n.code == "few runs")
    assert text.startswith("2 to 5 runs per method and task say little")


def test_the_scope_rests_on_the_tasks_that_methods_share(table):
    frame = table(shape=(2, 8, 4))
    frame = frame[~((frame.method == "m1") & (frame.task > "t3"))]
    answer = analyze(frame, better="higher")
    assert answer.scope == "these tasks"
    assert any("4 tasks on which two methods have values cannot carry" in note.text for note in answer.warnings)
    with pytest.raises(UsageError, match="needs at least 5 tasks to compare on; the table has 4 tasks on which two"):
        analyze(frame, better="higher", question=Question(scope="population"))


def test_names_that_may_be_mistakes_are_said(table):
    frame = table()
    frame["method"] = frame["method"].replace({"m1": "M0"})
    frame["task"] = frame["task"].replace({"t0": "Average"})
    said = [note.text for note in analyze(frame, better="higher").warnings if note.code == "names"]
    assert "M0 and m0 are read as different methods" in said[0]
    assert "Average is called like a summary of the other tasks" in said[1]
    assert "names" not in codes(analyze(table(), better="higher"))


def test_methods_without_values_and_columns_without_a_method_are_refused(table):
    frame = table(shape=(2, 6, 2))
    frame.loc[frame.method == "m1", "value"] = np.nan
    with pytest.raises(UsageError, match=r"m0 alone has values: all runs of m1 failed \(rows 12, 13, 14"):
        analyze(frame, better="higher")
    frame = table(shape=(2, 6, 2)).rename(columns={"method": "net", "seed": "k"}).assign(task="t")
    with pytest.raises(UsageError, match=r"No column was read as the method\. Columns without a role: net, k\."):
        analyze(frame, metric="value", better="higher")


def test_a_method_and_its_copy(table):
    frame = table(shape=(3, 7, 3))
    frame.loc[frame.method == "m1", "value"] = frame.loc[frame.method == "m0", "value"].to_numpy()
    for better in ("higher", "lower"):
        answer = analyze(frame, better=better)
        pair = next(p for p in answer.pairs if {p.a, p.b} == {"m0", "m1"})
        assert str(pair.estimate) == "0.0"  # what arithmetic leaves over of a difference is none, and has no sign
        assert any("m0 and m1 have the same value in every run" in note.text for note in answer.warnings)
    with pytest.raises(UsageError, match="m0 and m1 have the same value in every run; there is nothing to compare"):
        analyze(frame[frame.method != "m2"], better="higher")
    assert "same methods" not in codes(analyze(table(), better="higher"))


@pytest.mark.parametrize("wrong", [{"bar": math.nan}, {"bar": math.inf}, {"rope": math.inf}, {"rope": math.nan}])
def test_bars_that_cannot_be_are_refused(table, wrong):
    with pytest.raises(UsageError, match="expected a bar of at least 0 and a rope above 0"):
        analyze(table(), better="higher", question=Question(**wrong))


def test_shared_splits_are_a_pairing_of_their_own(table):
    on_splits = table().rename(columns={"seed": "fold"})
    assert "on shared splits" in analyze(on_splits, better="higher").design.text()


def test_the_answer_depends_on_nothing_but_table_and_question(table):
    frame = table()
    before, state = frame.copy(), np.random.get_state()[1].copy()  # noqa: NPY002  the global generator must stand still
    one, two = analyze(frame, better="higher"), analyze(pl.DataFrame(frame), better="higher")
    assert one.text() == two.text()
    assert frame.equals(before)
    shuffled = analyze(frame.sample(frac=1, random_state=1), better="higher")
    for a, b in zip(one.pairs, shuffled.pairs, strict=True):
        assert (a.a, a.b, a.verdict) == (b.a, b.b, b.verdict)
        assert a.estimate == pytest.approx(b.estimate, abs=1e-9)
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002  the same


def test_frame_and_text_say_the_same(table):
    answer = analyze(table(), better="higher")
    frame = answer.to_frame()
    assert frame["verdict"].tolist() == [p.verdict for p in answer.pairs]
    assert all(p.sentence in answer.text() for p in answer.pairs)


def test_the_priorband_study_at_ten_budgets(priorband):
    at_ten = priorband[priorband.used_fidelity == 10]
    answer = analyze(at_ten, columns={"task": "bench_prior"}, metric="normalized_regret", better="lower")
    by = {(p.a, p.b): p for p in answer.pairs}
    assert by["PB", "HB"].verdict == "undecided"
    assert by["PB", "HB"].prob == pytest.approx(0.586733, abs=1e-6)
    assert by["PB", "HB"].settle.runs is None
    assert by["PB", "HB"].settle.tasks > 20
    assert by["PB", "RS"].verdict == by["HB", "RS"].verdict == "supported"
    alone = analyze(at_ten, columns={"task": "bench_prior"}, metric="normalized_regret", better="lower",
                    question=Question(scope="tasks"))  # fmt: skip
    assert {(p.a, p.b): p.verdict for p in alone.pairs}["PB", "HB"] == "supported"
