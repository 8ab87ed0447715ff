import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.slow
def test_the_page_and_its_figures_are_what_the_functions_compute(tmp_path: Path) -> None:
    main = runpy.run_path(str(DOCS / "variance_paper.py"))["main"]
    main(tmp_path / "variance_paper.md")
    again = "write it anew: python docs/variance_paper.py"
    assert (tmp_path / "variance_paper.md").read_text() == (DOCS / "variance_paper.md").read_text(), again
    written = sorted((tmp_path / "figures").iterdir())
    assert len(written) == 3
    for figure in written:
        assert figure.read_text() == (DOCS / "figures" / figure.name).read_text(), again


def test_the_page_says_plainly_what_was_not_reproduced() -> None:
    page = (DOCS / "variance_paper.md").read_text()
    assert page.count("**not reproduced**") == 2
    assert "**16.8%**" in page
    assert "**83.4%**" in page
