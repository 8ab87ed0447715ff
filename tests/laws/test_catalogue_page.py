import runpy
from pathlib import Path

from cupel.spec.catalog import load_catalog

DOCS = Path(__file__).parents[2] / "docs"


def test_the_catalogue_page_is_what_the_cards_say() -> None:
    render = runpy.run_path(str(DOCS / "make_catalogue.py"))["render"]
    assert (DOCS / "catalogue.md").read_text() == render(load_catalog()), "write it anew: make docs"
