"""Whatever a table looks like, the analysis answers or says in words why not; and every form can show the answer."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from cupel.report import analysis_markdown, analysis_page, latex
from cupel.report import csv as csv_renderer
from cupel.report import json as json_renderer
from cupel.report.analysis_document import build_analysis, build_design
from cupel.report.analysis_figures import analysis_figures
from cupel.report.analysis_text import show_analysis, show_design
from cupel.report.svg import to_file
from cupel.spec.errors import UsageError
from cupel.stats.analysis.analyze import Question, analyze
from cupel.stats.results import results

NUM = 120
VALUES = ("normal", "constant", "ties", "huge", "tiny", "outlier", "zero noise", "negative", "booleans")


def odd_table(rng: np.random.Generator) -> dict[str, list]:
    """A table of a random shape with random faults."""
    num_methods, num_tasks, num_seeds = rng.choice([1, 2, 2, 3, 4]), rng.integers(1, 9), rng.integers(1, 5)
    num_budgets = int(rng.choice([1, 1, 1, 3]))
    cells = [
        (m, t, s, b)
        for m in range(num_methods)
        for t in range(num_tasks)
        for s in range(num_seeds)
        for b in range(num_budgets)
    ]
    if rng.random() < 0.4:
        cells = [cell for cell in cells if rng.random() < 0.8] or cells[:1]
    size = len(cells)
    kind = str(rng.choice(VALUES))
    value = {
        "normal": rng.normal(size=size),
        "constant": np.full(size, 0.5),
        "ties": rng.integers(0, 2, size=size).astype(float),
        "huge": 1e300 * rng.normal(size=size),
        "tiny": 1e-300 * rng.normal(size=size),
        "outlier": np.where(rng.random(size) < 0.1, 1e12, rng.normal(size=size)),
        "zero noise": np.array([float(m) for m, _, _, _ in cells]),
        "negative": -np.exp(rng.normal(size=size)),
        "booleans": rng.integers(0, 2, size=size).astype(bool),
    }[kind]
    table: dict[str, list] = {
        "method": [f"m{m}" for m, _, _, _ in cells],
        "task": [f"t{t}" for _, t, _, _ in cells],
        "value": [None if rng.random() < 0.05 else v for v in value.tolist()],
    }
    if rng.random() < 0.7:
        table["seed"] = [s if rng.random() < 0.98 else s + 50 for _, _, s, _ in cells]
    if num_budgets > 1 or rng.random() < 0.2:
        table["budget"] = [10**b for _, _, _, b in cells]
    if rng.random() < 0.2:
        table["hpo_run"] = [int(rng.integers(0, 2)) for _ in cells]
    if rng.random() < 0.1:
        table["split"] = [s for _, _, s, _ in cells]
    if rng.random() < 0.1:
        del table["task"]
    return table


def odd_question(rng: np.random.Generator) -> Question:
    return Question(
        scope=[None, None, None, "tasks", "population"][rng.integers(5)],
        against=[None, None, "m0"][rng.integers(3)],
        rope=[None, 0.1][rng.integers(2)],
        bar=[0.0, 0.2][rng.integers(2)],
        scale=["linear", "linear", "linear", "linear", "log"][rng.integers(5)],
    )


def render_everything(document: dict) -> None:
    out = io.StringIO()
    show_analysis(document, file=out, width=80)
    assert max(map(len, out.getvalue().splitlines())) <= 80
    text = json_renderer.render(document)
    assert json.loads(text)["kind"] == "analysis"
    assert "NaN" not in text
    for render in (analysis_markdown.render_analysis, latex.render_analysis, csv_renderer.render_analysis,
                   analysis_page.render_analysis):  # fmt: skip
        assert render(document)
    for drawing in analysis_figures(document).values():
        assert "nan" not in to_file(drawing).lower().replace("tournan", "")


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
@pytest.mark.filterwarnings("error")
def test_an_odd_table_is_answered_or_refused_in_words(part):
    answered, refusals = 0, []
    for seed in range(part * NUM, (part + 1) * NUM):
        rng = np.random.default_rng(seed)
        table, question = odd_table(rng), odd_question(rng)
        try:
            answer = analyze(table, better=["higher", "lower"][seed % 2], question=question)
        except UsageError as error:
            refusals.append(str(error))
            continue
        answered += 1
        document = build_analysis(answer)
        if seed % 4 == 0:
            render_everything(document)
            out = io.StringIO()
            show_design(build_design(results(table)), file=out, width=80)
    assert answered >= NUM / 5  # enough to mean something
    assert all(len(text) > 40 for text in refusals)
