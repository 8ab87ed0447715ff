"""The page on claims: its examples are claims and calls that run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from cupel.run.claim_plan import ClaimRequest, make_claim_plan
from cupel.run.trial_worker import do_trial
from cupel.spec.catalog import load_catalog
from cupel.spec.claim import SOURCES_OF_VARIATION
from cupel.spec.statement import StatementKind
from cupel.stats.judge import judge_pairs

PAGE = (Path(__file__).parents[2] / "docs/claims.md").read_text(encoding="utf-8")
A_CLAIM, A_CALL = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_the_claim_on_the_page_is_one_and_its_verdict_is_the_one_shown(tmp_path: Path) -> None:
    path = tmp_path / "median_vs_mean.py"
    path.write_text(A_CLAIM)
    (cell,) = make_claim_plan(ClaimRequest(names=(str(path),)), load_catalog()).cells
    assert cell.card.functions == ("task", "method", "baseline")
    num = int(re.search(r"n = (\d+) pairs\)\n    why", PAGE)[1])  # type: ignore[index]
    arms = ("method", "baseline")
    first, second = ([do_trial(cell.trial(arm, k, hp={})).metric("error") for k in range(num)] for arm in arms)
    found = judge_pairs(cell.card.said[0], (first, second))
    assert found.verdict == "supported"
    assert found.interval is not None
    shown = f"ratio {found.effect:.4g} (95 % {found.interval.low:.4g} to {found.interval.high:.4g} at any stop"
    assert shown in PAGE


def test_the_call_on_the_page_compares_two_functions(capsys) -> None:
    exec(compile(A_CALL, "docs/claims.md", "exec"), {})  # noqa: S102 (a page of our own)
    assert capsys.readouterr().out.startswith("supported: effect ")


def test_the_page_names_every_kind_and_every_source_of_variation() -> None:
    for word in (*get_args(StatementKind), *SOURCES_OF_VARIATION):
        assert f"`{word}`" in PAGE
