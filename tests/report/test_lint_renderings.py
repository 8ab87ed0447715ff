import io

import pytest

from cupel.report import json
from cupel.report.lint_document import MOST_ROWS, STAGES, build_lint
from cupel.report.lint_markdown import render_lint
from cupel.report.lint_text import show_lint
from cupel.stats.lint import lint, pitfalls

IDS = {name: rule.CARD.id for name, rule in pitfalls().items()}
NASTY = "a|b <i>\x1b[31m_c_"


def document() -> dict:
    rows = [(m, t, s) for m in (NASTY, "svm") for t in ("adult", "bank") for s in range(3)]
    table = {"method": [r[0] for r in rows], "task": [r[1] for r in rows], "seed": [r[2] for r in rows]}
    table["test_acc"] = [0.8 + 0.011 * k for k in range(12)]
    return build_lint(lint({**table, "selection_metric": ["test_acc"] * 12, "best_epoch": list(range(12))}), IDS)


def text(width: int) -> str:
    file = io.StringIO()
    show_lint(document(), file=file, width=width)
    return file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_text_keeps_the_width_and_no_control_character_survives(width: int) -> None:
    lines = text(width).splitlines()
    assert max(map(len, lines)) <= width
    assert not any("\x1b" in line for line in lines)


def test_the_gravest_stands_first_and_every_finding_says_why_and_what_next() -> None:
    out = text(80)
    assert out.index("✗ error  L05") < out.index("· advice  L09")
    assert out.count("Why: ") == out.count("Next: ") == len(document()["findings"])
    assert "stage: evaluating models." in out


def test_what_could_not_be_checked_is_grouped_by_what_it_needs() -> None:
    out = text(120)
    assert (
        "seeds that name what they control, such as init_seed and split_seed: L07 one_source_varied, L35 tied_seeds"
        in out
    )


def test_every_stage_has_its_words() -> None:
    assert {rule.CARD.stage for rule in pitfalls().values()} <= set(STAGES)


def test_markdown_is_escaped() -> None:
    out = render_lint(document())
    assert "<i>" not in out
    assert r"\<i\>" in out
    assert out.startswith("**")
    assert out.endswith("single predictions.\n")


def test_the_document_lists_some_rows_and_counts_all() -> None:
    finding = document()["findings"][0]
    assert (len(finding["rows"]), finding["num_rows"]) == (12, 12)
    many = lint({"method": ["a", "b"] * 60, "acc": [0.1, 0.2] * 60, "monitor": ["test_acc"] * 120})
    listed = build_lint(many, IDS)["findings"][0]
    assert (len(listed["rows"]), listed["num_rows"]) == (MOST_ROWS, 120)
    assert json.render(document()).startswith('{\n  "schema": 1,\n  "kind": "lint",')
