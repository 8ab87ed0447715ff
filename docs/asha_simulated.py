"""Write docs/asha_simulated.md and its figures from the recorded simulations in docs/asha_simulated/*.csv.

Run by hand: python docs/asha_simulated.py. Nothing is simulated here; docs/asha_simulations.py does that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from asha_records import ASHA, SHA, WAITS, Appendix, Estimate, Times, easy_times, hard_times, over_runs, spreads, table
from asha_simulations import APPENDIX_END, BATCH_BO, DROPS, SDS

from cupel.report.curve_plot import CurveAxes
from cupel.report.drawing import Drawing
from cupel.report.figure_budget import budget_curve
from cupel.report.svg import to_file
from cupel.stats.analysis.analyze import Question, analyze
from cupel.stats.interval import Interval
from cupel.stats.verdict import verdict

NEAR = 0.25
"""A time this much off the ideal, as a part of it, still counts as linear scaling."""
PAGE = Path(__file__).with_name("asha_simulated.md")


def main(page: Path = PAGE) -> None:
    """Write the page and the figures beside it."""
    folder = page.parent / "figures"
    folder.mkdir(exist_ok=True)
    for name, drawing in figures():
        (folder / f"{name}.svg").write_text(to_file(drawing, follows_theme=True), encoding="utf-8")
    page.write_text("\n".join(lines()) + "\n", encoding="utf-8")


def lines() -> Iterator[str]:
    """The page."""
    easy, hard, appendix = easy_times(), hard_times(), Appendix()
    yield from ("# ASHA's claims, by simulation", "")
    yield from _wrapped(
        "Written by `python docs/asha_simulated.py` from `docs/asha_simulated/*.csv`, which `docs/asha_simulations.py`",
        "recorded; do not edit it by hand. The paper is Li et al. (2020), *A System for Massively Parallel",
        "Hyperparameter Tuning* (MLSys; arXiv 1810.05934). The searchers are those of `cupel.methods.searchers`,",
        "driven by a simulated cluster (`cupel.tasks.cluster`) on made-up learning curves with nine hyperparameters",
        "(`cupel.tasks.surrogate_curves`): r = 1, R = 64, eta = 4, no rung skipped, stragglers of sd 0.2. Time is",
        "counted in time(R), the mean time of one full training.",
    )
    yield ""
    yield from _wrapped(
        "A search is done when the best of those that it trained in full is good *trained again*: by its mean loss",
        "over seeds, not by the loss that chose it. Good is the loss that one configuration in 500 stays below, and",
        f"0.6 %; hard is one in 10,000. Medians over {easy.num_problems} problems, in brackets 95 % bootstrap",
        "intervals for problems like these, each for itself. A search that was given up counts as the limit.",
    )
    rows = list(statements(easy, hard, appendix))
    yield from ("", "## In short", "", *_table(("statement", "here", "verdict"), rows), "")
    yield from _wrapped(
        "This is what the algorithms do to one made-up family of learning curves, and no verdict about others.",
        "Verdicts are read off the intervals as everywhere in Cupel (`cupel explain verdict`); for half the time",
        "the bar is 2, and scaling counts as linear (*equivalent*) within 25 % of the ideal time.",
    )
    yield ""
    yield from _wrapped(*in_words(easy, hard))
    yield from _scaling(easy)
    yield from _rivals(easy, hard)
    yield from _appendix(appendix)
    yield from _variance()
    yield from _comparison()
    yield from ("", "## What this cannot show", "")
    yield from _wrapped(
        "Vizier is a service inside one company and cannot be run here. The stand-in is TPE of Optuna 5.0.0 without",
        "early stopping, asked by all workers at once (what is in work counts as bad): another algorithm of the same",
        "kind, so that the ratio to it is not the paper's ratio. The paper's experiments trained real networks; the",
        "losses here are smooth bowls, which suits tuners with a model (BOHB, TPE). And the scaling is that of the",
        "search alone: a real cluster also loads data and writes checkpoints.",
    )


def statements(easy: Times, hard: Times, appendix: Appendix) -> Iterator[tuple[str, str, str]]:
    """What the paper says, what comes out, and the verdict."""
    for workers in easy.workers[1:]:
        estimate, interval = easy.speed_up(ASHA, workers)
        ideal, most = easy.over_ideal(ASHA, workers)
        is_near = most.low > 1 / (1 + NEAR) and most.high < 1 + NEAR
        yield (
            f"scales linearly, down to one full training: {workers} workers",
            f"{_text((estimate, interval))} times as fast; {_text((ideal, most))} times the ideal time",
            "equivalent" if is_near else "contradicted: slower" if most.low > 1 else "undecided",
        )
    for label, times in (("good", easy), ("hard", hard)):
        if (BATCH_BO, 500) in times.of:
            found = times.ratio(BATCH_BO, 500)
            said = verdict(found[1], bar=1.0, scale="log")
            num = len(times.of[BATCH_BO, 500])
            what = f"half the time of the stand-in for Vizier, 500 workers ({label}, {num} problems)"
            yield what, _times(found), f"{said}; 2 is excluded" if found[1].high < 2 else said
    for other in (WAITS, SHA):
        for label, times, workers in (("good", easy, 25), ("good", easy, 500), ("hard", hard, 500)):
            found = times.ratio(other, workers)
            yield f"faster than {other}, {workers} workers ({label})", _times(found), verdict(found[1], scale="log")
    for sd, drop in zip(SDS, DROPS, strict=True):
        for setting in (one for one in appendix.settings if one[:2] == (sd, drop)):
            estimate, interval = over_runs(appendix.in_full(ASHA, setting) - appendix.in_full(SHA, setting))
            fate = "" if not drop else ", done again" if setting[2] else ", given up"
            what = f"trains more in full than {SHA}, sd {sd:g}, p {drop:g}{fate}"
            ends = f"{estimate:+.3g} [{interval.low:+.3g}, {interval.high:+.3g}]"
            yield what, f"{ends} configurations", verdict(interval)


def in_words(easy: Times, hard: Times) -> Iterator[str]:
    """The table in sentences, with its numbers."""
    ideals = {workers: easy.over_ideal(ASHA, workers)[0] for workers in easy.workers[1:]}
    slow = [workers for workers, found in ideals.items() if found == max(ideals.values())]
    yield "Scaling is linear while the ideal is many full trainings, falls short of it where it comes near to one"
    yield f"(by {100 * (max(ideals.values()) - 1):.0f} % at {slow[0]} workers, the most), and ends there."
    wait, opened = easy.ratio(WAITS, 25)[0], easy.ratio(SHA, 25)[0]
    yield f"Against SHA it matters which SHA: with 25 workers one that waits takes {wait:.2f} times ASHA's time,"
    yield f"one that opens new brackets {opened:.2f} times. Where dropped jobs are given up ASHA trains no more in full"
    yield "than the latter; where they are done again it does."
    if (BATCH_BO, 500) in easy.of:
        few, many, most = easy.ratio(BATCH_BO, 25), easy.ratio(BATCH_BO, 500), hard.ratio(BATCH_BO, 500)
        is_excluded = max(many[1].high, most[1].high) < 2
        yield f"The stand-in for Vizier takes {few[0]:.2g} times ASHA's time with 25 workers. With 500, for which the"
        yield f"paper has its factor of two, it takes {many[0]:.2f} (good) and {most[0]:.2f} (hard) times: when five"
        yield "hundred configurations are trained in full at once, little is left for early stopping to gain. The"
        yield "factor of two is"
        yield "not reproduced." if is_excluded else "neither reproduced nor excluded."


def _times(found: Estimate) -> str:
    return f"{_text(found)} times ASHA's time"


def _text(found: Estimate) -> str:
    return f"{found[0]:.3g} {_ends(found[1])}"


def _ends(interval: Interval) -> str:
    return f"[{interval.low:.3g}, {interval.high:.3g}]"


def _scaling(easy: Times) -> Iterator[str]:
    yield from ("", "## Scaling", "", "![Time over the ideal](figures/asha_simulated_scaling.svg)", "")
    rows = [
        (method, *(easy.median(method, w) if (method, w) in easy.of else "" for w in easy.workers))
        for method in easy.methods
    ]
    yield from ("Median time to a good configuration, in time(R), by workers:", "")
    yield from (*_table(("", *map(str, easy.workers)), rows), "")
    yield from _wrapped(
        "A configuration counts once it is trained, so that no search is done before one full training is: a floor of",
        "1 time(R), and somewhat less for a cheap configuration, since costs differ by a factor of 4. The ideal in the",
        "figure is the time with one worker divided by the workers, and not less than 1. Near the floor a speed-up",
        "over one worker says little; the ratio to this ideal does.",
    )


def _rivals(easy: Times, hard: Times) -> Iterator[str]:
    yield from ("", "## Against the others", "")
    yield from ("Time of each divided by ASHA's on the same problem; above 1 ASHA is faster:", "")
    columns = [*((easy, workers) for workers in easy.workers), (hard, 500)]
    rows = [
        (method, *(_text(times.ratio(method, w)) if (method, w) in times.of else "" for times, w in columns))
        for method in easy.methods[1:]
    ]
    yield from (*_table(("", *map(str, easy.workers), "500, hard"), rows), "")
    yield from ("Median time to a hard configuration with 500 workers:", "")
    yield from (*_table(("", "time(R)"), [(method, hard.median(method, 500)) for method in hard.methods]), "")
    yield from _wrapped(
        "*SHA (waits)* keeps its workers idle until a bracket of 256 is complete, *SHA (new brackets)* lets them",
        "open another one. The stopping rules are what Ray Tune (percentile) and Optuna (rank) offer as ASHA;",
        "random search trains everything in full.",
    )


def _appendix(appendix: Appendix) -> Iterator[str]:
    num = len(appendix.in_full(ASHA, appendix.settings[0]))
    yield from ("", "## Stragglers and dropped jobs (the paper's appendix)", "")
    yield from (f"![sd {sd:g}](figures/asha_simulated_drops_{k}.svg)" for k, sd in enumerate(SDS))
    yield ""
    yield from _wrapped(
        "25 workers, r = 1, R = 256, eta = 4, brackets of 256, 2,000 units of time. A job takes 1 + |z| times its",
        "length, z normal with standard deviation sd, and is dropped with probability p in each unit. What becomes",
        f"of a dropped job the paper leaves open; both are here. Configurations trained in full (mean of {num} runs)",
        "/ time of the first (median):",
    )
    rows = []
    for setting in appendix.settings:
        texts = []
        for method in appendix.methods:
            first = sorted(appendix.first(method, setting))[num // 2]
            late = f"{first:.0f}" if first <= APPENDIX_END else f">{APPENDIX_END}"
            texts.append(f"{_text(over_runs(appendix.in_full(method, setting)))} / {late}")
        sd, drop, retries = setting
        rows.append((f"{sd:g}", f"{drop:g}", "" if not drop else "done again" if retries else "given up", *texts))
    yield from ("", *_table(("sd", "p", "a dropped job is", *appendix.methods), rows))


def _variance() -> Iterator[str]:
    found = spreads()
    one = next(iter(found.values()))[0][1]
    yield from ("", "## Tuning as a source of variance", "")
    yield from ("![Spread by budget](figures/asha_simulated_variance.svg)", "")
    yield from _wrapped(
        f"The whole search {one.hpo_runs} times on one problem with 25 workers, each choice trained again with",
        f"{one.n // one.hpo_runs} fresh seeds (`cupel.study.tuning_variance`). Budgets in time(R); standard deviations",
        "in perplexity, intervals at 95 % (`cupel explain tuning_spread`):",
    )
    rows = []
    for method, by_budget in found.items():
        for budget, spread in by_budget:
            assert spread.between_interval is not None
            assert spread.within_interval is not None
            assert spread.interval is not None
            sds = ((spread.between, spread.between_interval), (spread.within, spread.within_interval))
            share = f"{spread.share:.0%} [{spread.interval.low:.0%}, {spread.interval.high:.0%}]"
            rows.append((method, f"{budget:g}", *(f"{sd:.2f} {_ends(ends)}" for sd, ends in sds), share))
    head = ("tuner", "budget", "sd between tunings", "sd between seeds", "share of the tunings in the variance")
    yield from ("", *_table(head, rows), "")
    smaller = sum(s.between < s.within for method in found.values() for _, s in method if s.between and s.within)
    yield from _wrapped(
        f"The spread between tunings is smaller than that between seeds in {smaller} of {len(rows)} rows.",
        "A method that was tuned once carries the spread between tunings, whatever the number of seeds after it. A",
        "larger budget makes it smaller, more seeds do not.",
    )


def _comparison() -> Iterator[str]:
    rows = table("comparison")
    frame = {name: [row[name] for row in rows] for name in ("method", "task", "seed")}
    frame |= {name: [float(row[name]) for row in rows] for name in ("budget", "value")}
    found = analyze(frame, metric="value", better="lower", question=Question(against=ASHA))
    yield from ("", "## Tuners compared", "")
    yield from _wrapped(
        "`compare_tuners` runs searchers on problems, simulated ones or functions of your own, with several seeds, and",
        "hands the table to the analysis of results:",
    )
    yield from (
        "",
        "```python",
        "from pathlib import Path",
        "",
        "from cupel.study.compare_tuners import compare_tuners",
        "from cupel.study.tuning_problem import TuningProblem",
        "",
        "problem = TuningProblem(space, loss, max_resource=27)  # loss(parameters, resource, seed)",
        'table = compare_tuners({"asha": "asha", "random": "random_search"}, {"mine": problem}, budgets=(100, 1000))',
        'table.write(Path("tuners.csv"))  # cupel analyze tuners.csv --metric value --better lower',
        "```",
        "",
    )
    yield from _wrapped(
        "Here on made-up problems with 25 workers, at the largest of the budgets (8 time(R)), each against ASHA; the",
        "value is the mean loss of the retrained choice:",
    )
    yield from ("", "```", *_wrapped(found.headline), found.design.text(), "")
    yield from (*(line for pair in found.pairs for line in _wrapped(pair.text())), "```", "")
    yield from _wrapped(
        "The same analysis reads recorded comparisons, such as the runs of PriorBand (Mallik et al. 2023: three",
        "tuners, 24 benchmarks with priors, 50 seeds), where you have them:",
    )
    yield from (
        "",
        "    cupel analyze priorband_data.parquet --metric normalized_regret --better lower --where used_fidelity=10",
        "",
    )
    yield from _wrapped(
        "What it prints is in [analysis.md](analysis.md#what-it-prints): PB is better than RS, and undecided",
        "against HB for tasks like these.",
    )


def figures() -> Iterator[tuple[str, Drawing]]:
    """Name to figure."""
    easy, appendix = easy_times(), Appendix()
    curves = [
        _curve(method, easy.workers, [easy.over_ideal(method, workers) for workers in easy.workers])
        for method in easy.methods
        if (method, 1) in easy.of
    ]
    axes = CurveAxes("workers", "time / max(ideal, 1 time(R)), median over problems", is_log_x=True, no_effect=1.0)
    yield "asha_simulated_scaling", budget_curve(curves, axes=axes, title="Scaling of the searchers")
    for k, sd in enumerate(SDS):
        curves = []
        for method in appendix.methods:
            runs = [appendix.in_full(method, appendix.most_retries(sd, drop)) for drop in DROPS]
            curves.append(_curve(method, DROPS, list(map(over_runs, runs))))
        label = f"configurations trained in full, sd {sd:g}; dropped jobs are done again"
        axes = CurveAxes("probability of a drop per unit of time", label)
        yield f"asha_simulated_drops_{k}", budget_curve(curves, axes=axes, title=f"Dropped jobs, sd {sd:g}")
    curves = []
    for method, by_budget in spreads().items():
        for label, part in ((f"{method}: tunings", "between"), (f"{method}: seeds", "within")):
            points = [(getattr(spread, part), getattr(spread, f"{part}_interval")) for _, spread in by_budget]
            curves.append(_curve(label, [budget for budget, _ in by_budget], points))
    axes = CurveAxes("budget of the tuning in time(R)", "standard deviation in perplexity", is_log_x=True)
    yield "asha_simulated_variance", budget_curve(curves, axes=axes, title="Spread between tunings and between seeds")


def _curve(label: str, xs: Sequence[float], points: Sequence[Estimate]) -> dict[str, object]:
    ends = {"low": [interval.low for _, interval in points], "high": [interval.high for _, interval in points]}
    return {"label": label, "x": list(xs), "y": [value for value, _ in points]} | ends


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]


def _wrapped(*texts: str) -> list[str]:
    found = [""]
    for word in " ".join(texts).split():
        if len(found[-1]) + len(word) >= 120:
            found.append("")
        found[-1] = f"{found[-1]} {word}".strip()
    return found


if __name__ == "__main__":
    main()
