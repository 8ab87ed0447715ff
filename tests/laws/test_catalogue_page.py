import runpy
from pathlib import Path
from typing import Any

import pytest

from cupel.spec.catalog import load_catalog
from cupel.spec.suite import Suite

DOCS = Path(__file__).parents[2] / "docs"
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(str(DOCS))
    MAKER: dict[str, Any] = runpy.run_path(str(DOCS / "make_catalogue.py"))


def test_the_catalogue_page_is_what_the_cards_say() -> None:
    assert (DOCS / "catalogue.md").read_text() == MAKER["render"](load_catalog()), "write it anew: make docs"


def test_a_claim_has_a_block_with_what_is_published_kept_and_smaller_and_its_commands() -> None:
    page = (DOCS / "catalogue.md").read_text()
    claims = load_catalog().claims
    assert f"## Claims ({len(claims)})" in page
    for stem, claim in claims.items():
        block = page.partition(f"\n### {stem}\n")[2].partition("\n### ")[0].partition("\n## ")[0]
        card = claim.card
        assert f"- As published; not compared with runs here: {card.published}\n" in block
        for words in (card.says, f"- Kept: {card.kept}\n", f"- Smaller: {card.smaller}\n", "--size full`\n"):
            assert words in block
        for said in card.said:
            assert f"| {said.name} | {said.kind} | {said.says.replace('|', chr(92) + '|')} | {said.metric}" in block
        for name, value in card.full.items():
            assert f"| {name} | {card.tiny[name]} | {card.small[name]} | {value} |" in block


def test_an_entry_without_words_is_asked_for_them() -> None:
    catalog = load_catalog()
    del catalog.entries["bert"]
    with pytest.raises(LookupError, match=r"has \['bert'\], which are no entries"):
        MAKER["render"](catalog)


def test_what_the_recorded_run_lacks_is_a_dash() -> None:
    told = MAKER["Told"](domain="language", model="BERT-large", data="words", full_flop=None, cell={})
    row = MAKER["_row"](load_catalog().entries["bert"], told)
    assert row.endswith("| language | BERT-large | 335.2M | — | sequences | words | — | — | — | — |")
    cell = {"status": "unstable", "rate": 12.0, "interval": [11.4, 12.6], "launch_s": 4.2, "flop_per_item": 3e9}
    told = MAKER["Told"](domain="language", model="BERT-large", data="words", full_flop=1.1e12, cell=cell)
    row = MAKER["_row"](load_catalog().entries["bert"], told)
    assert row.endswith("| 1.100T | sequences | words | 3.000G | 12.00 sequences/s* | 5.0 % | 4.20 s |")


def test_the_suite_of_the_catalogue_has_every_workload_once() -> None:
    catalog = load_catalog()
    suite = catalog.find("catalogue")
    assert isinstance(suite, Suite)
    own = sorted(e.stem for e in catalog.entries.values() if e.kind == "workload" and DOCS.parent in e.path.parents)
    assert [cell.run for cell in suite.entries] == own
    assert {cell.weight for cell in suite.entries} == {1.0}
