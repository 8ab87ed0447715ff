"""An analysis in every form: the same numbers, whatever the names are."""

from __future__ import annotations

import csv
import io
import json
import re

import numpy as np
import pandas as pd
import pytest

from cupel.report import analysis_markdown, analysis_page, latex
from cupel.report import csv as csv_renderer
from cupel.report import json as json_renderer
from cupel.report.analysis_document import build_analysis, build_design, exit_code
from cupel.report.analysis_figures import analysis_figures
from cupel.report.analysis_text import show_analysis, show_design
from cupel.spec.results_table import ResultsTable
from cupel.stats.analysis.analyze import Question, analyze
from cupel.stats.results import results

HOSTILE = ["</script><b>", "a|b_c & 50 % $x$ #", "β-VAE (λ=0.1)\n{x}~^\\"]


def frame(methods=("adam", "sgd", "ekfac"), num_tasks=6, num_seeds=4, budgets=1):
    rng = np.random.default_rng(1)
    cells = [
        (m, t, s, b)
        for m in range(len(methods))
        for t in range(num_tasks)
        for s in range(num_seeds)
        for b in range(budgets)
    ]
    shifts = rng.normal(size=num_tasks)
    return pd.DataFrame({
        "method": [methods[m] for m, _, _, _ in cells], "task": [f"t{t}" for _, t, _, _ in cells],
        "seed": [s for _, _, s, _ in cells], "budget": [b + 1 for _, _, _, b in cells],
        "value": [shifts[t] + 0.5 * (m == 1) * b + 0.3 * rng.normal() + (m == 2) for m, t, _, b in cells],
    })  # fmt: skip


@pytest.fixture(scope="module")
def document():
    return build_analysis(analyze(frame(budgets=3), better="higher"), ResultsTable({}, "results.csv", "long_csv"))


def shown(document, show=show_analysis, width=80):
    out = io.StringIO()
    show(document, file=out, width=width)
    return out.getvalue()


def test_the_terminal_holds_the_answer_within_its_width(document):
    text = shown(document)
    assert max(map(len, text.splitlines())) <= 80
    assert text.startswith("ekfac has the best mean value")
    for word in ("3 methods × 6 tasks × 4 runs", "paired by seed", "method = method", "P(A>B)", "in sd", "▲ better",
                 "95 % (Tukey)", "budget 3, one of 3", "How: mixed model"):  # fmt: skip
        assert word in text, word
    narrow = shown(document, width=40)
    assert max(map(len, narrow.splitlines())) <= 40
    assert "verdict" in narrow


def test_every_form_has_the_same_numbers(document):
    pair = document["pairs"][0]
    rows = list(csv.DictReader(io.StringIO(csv_renderer.render_analysis(document))))
    assert float(rows[0]["estimate"]) == pair["estimate"]
    assert (float(rows[0]["low"]), float(rows[0]["high"])) == tuple(pair["interval"])
    back = json.loads(json_renderer.render(document))
    assert back["pairs"][0]["p"] == pair["p"]
    number = f"{pair['estimate']:.4g}"
    for text in (shown(document), analysis_markdown.render_analysis(document), latex.render_analysis(document),
                 analysis_page.render_analysis(document)):  # fmt: skip
        assert number in text


def test_the_document_is_strict_json(document):
    text = json_renderer.render(document)

    def refuse(name):
        raise AssertionError(name)

    back = json.loads(text, parse_constant=refuse)
    assert (back["schema"], back["kind"], back["scope"]) == (1, "analysis", "tasks like these")
    assert set(back["pairs"][0]) >= {"estimate", "interval", "p", "effect_size", "prob", "verdict", "settle"}
    assert back["windows"]["rows"][0]["start"] == 1


def test_latex_tables_are_whole(document):
    text = latex.render_analysis(document)
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 2
    for body in re.findall(r"\\midrule\n(.*?)\\bottomrule", text, flags=re.DOTALL):
        rows = body.strip().splitlines()
        assert len({row.count("&") for row in rows}) == 1
        assert all(row.endswith(r"\\") for row in rows)
    plain = re.sub(r"\\[&%$#_{}]|\\[a-zA-Z]+(\{\})?|\$[^$]*\$", "", re.sub(r"^%.*$", "", text, flags=re.MULTILINE))
    assert not re.search(r"[%#_~^<>×—]", plain.replace("{tab:", ""))


def test_hostile_names_stay_names():
    answer = build_analysis(analyze(frame(methods=HOSTILE), better="higher"))
    page = analysis_page.render_analysis(answer)
    assert "<b>" not in page
    assert page.count("</script>") == 2
    rows = [line for line in analysis_markdown.render_analysis(answer).splitlines() if line.startswith("|")]
    assert all(row.count("|") - row.count(r"\|") == rows[0].count("|") for row in rows[:5])
    assert r"\textbackslash{}" in latex.render_analysis(answer)
    assert max(map(len, shown(answer).splitlines())) <= 80
    assert len(list(csv.DictReader(io.StringIO(csv_renderer.render_analysis(answer))))) == 3


def test_a_name_behind_the_end_of_a_row_is_no_option_of_it():
    """`\\\\` followed by [ or * in the next line would be read as its spacing."""
    text = latex.render_analysis(build_analysis(analyze(frame(methods=["[a]", "*b"]), better="higher")))
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert any("{[}a{]}" in row for row in rows)
    assert not any(row.lstrip().startswith(("[", "*")) for row in rows)


def test_control_characters_and_hidden_marks_of_names_reach_no_reader():
    methods = ["\x1b[31mred", "a\u202eb", "ab", "a b", "a\tb"]
    answer = build_analysis(analyze(frame(methods=methods), better="higher"))
    renderings = [f.render_analysis(answer) for f in (analysis_markdown, analysis_page, latex)]
    for text in (shown(answer), *renderings):
        assert not re.search("[\x1b\u202e]", text)
        assert "31mred" in text


def test_bar_and_region_of_ratios_are_shown_in_percent():
    table = frame().assign(value=lambda f: np.exp(f.value))
    asked = Question(scale="log", bar=0.05, rope=0.02)
    text = " ".join(shown(build_analysis(analyze(table, better="higher", question=asked))).split())
    assert "better means better by more than 5" in text
    assert re.search(r"more than 5(\.0)? ?%; within 2(\.0)? ?% is practically equal", text)


def test_figures_are_there_where_there_is_something_to_show(document):
    assert list(analysis_figures(document)) == [
        "contrasts", "critical_difference", "ranks", "profile", "variance", "budget", "runs"
    ]  # fmt: skip
    one_task = build_analysis(analyze(frame(num_tasks=1, budgets=1), better="higher"))
    assert set(analysis_figures(one_task)) == {"contrasts", "critical_difference", "profile", "variance", "runs"}
    to_baseline = build_analysis(analyze(frame(), better="higher", question=Question(against="sgd")))
    assert "critical_difference" not in analysis_figures(to_baseline)


def test_many_methods_are_cut_and_said():
    many = build_analysis(analyze(frame(methods=[f"m{k:02}" for k in range(12)], num_seeds=2), better="higher"))
    assert "and 36 more pairs: --format csv or json" in shown(many)
    assert len(list(csv.DictReader(io.StringIO(csv_renderer.render_analysis(many))))) == 66


def test_nothing_repeated_is_shown_as_unknown():
    table = frame(num_tasks=2, num_seeds=1)
    single = build_analysis(analyze(table, better="higher"))
    text = shown(single)
    assert "undecided" in text
    assert "repeated runs are needed before anything can be planned" in " ".join(text.split())
    assert "95 % (Holm)" not in text
    assert single["pairs"][0]["interval"] is None
    assert "NaN" not in json_renderer.render(single)
    assert "nan" not in analysis_page.render_analysis(single).lower().replace("tournan", "")


def test_the_exit_code_is_about_a_baseline():
    best = build_analysis(analyze(frame(), better="higher", question=Question(against="ekfac")))
    assert exit_code(best) == 3
    assert exit_code(build_analysis(analyze(frame(), better="higher"))) == 0


def test_the_design_alone():
    table = frame(budgets=2)
    table.loc[0:3, "value"] = np.nan
    design = build_design(results(table))
    text = shown(design, show_design)
    assert "3 methods × 6 tasks × 4 runs" in text
    assert "not declared which is better" in text
    assert re.search(r"adam +2 +4 +4", text)
    assert design["kind"] == "design"
