import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from cupel.cli import main
from cupel.report.verdicts_document import build_verdicts_document
from cupel.spec.catalog import load_catalog
from cupel.spec.claim import Claim

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MAKER: dict[str, Any] = runpy.run_path(str(DOCS / "make_verdicts.py"))
SAID = {"name": "loss", "kind": "quality", "says": "The loss is lower", "metric": "loss", "better": "lower"}
SIZES = {"tiny": {"n": 1}, "small": {"n": 4}, "full": {"n": 8}}


def recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DOCS / "verdicts.json").read_text(encoding="utf-8"))
    return found


def test_the_page_of_verdicts_is_what_was_recorded() -> None:
    assert (DOCS / "verdicts.md").read_text(encoding="utf-8") == MAKER["render"](recorded()), "write it anew: make docs"


def test_recorded_verdicts_are_of_claims_of_the_catalogue_and_say_how_they_were_made() -> None:
    own = set(load_catalog().claims)
    for row in recorded()["verdicts"]:
        assert row["claim"] in own
        assert row["command"].startswith(f"cupel run {row['claim']} --size {row['size']}")
        assert row["status"] != "failed"
    assert (DOCS / "verdicts.json").stat().st_size < 200_000


@pytest.fixture
def runs(tmp_path: Path, claims_book: Any) -> Path:
    card = Claim(says="A beats B.", source="A paper <b>", statements=(SAID,), varies=("init",),
                 arms={"method": "a", "baseline": "b"}, **SIZES)  # fmt: skip
    book = claims_book(tmp_path / "runs", {"a_vs_b": card})
    book.pairs("a_vs_b", "loss", [-1.0, -1.1, -0.9, -1.05, -0.95, -1.0])
    book.finish()
    return tmp_path / "runs"


def test_a_table_becomes_a_page(runs: Path) -> None:
    table = build_verdicts_document(runs)
    short = MAKER["kept"](table)
    page = MAKER["render"](short)
    assert "## a\\_vs\\_b, tiny on cpu" in page
    assert "    cupel run a_vs_b --size tiny\n" in page
    assert "A paper \\<b\\>" in page
    assert (
        "- **The loss is lower** loss (lower is better), method against baseline: better by more than 0. ✓ supp" in page
    )
    assert "None has been recorded yet" not in page
    assert short["verdicts"][0]["effect"] == pytest.approx(table["verdicts"][0]["effect"], rel=1e-5)


def test_the_output_of_the_verb_is_a_record_as_it_is(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verdicts", "--runs", str(runs), "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert MAKER["render"](whole) == MAKER["render"](MAKER["kept"](whole))


def test_without_a_record_the_page_says_so() -> None:
    assert MAKER["render"]({"verdicts": []}).endswith("\n\nNone has been recorded yet.\n")
