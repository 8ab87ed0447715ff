import re
from pathlib import Path

import pytest

from cupel.cli import main


def test_the_best_fit_comes_first_with_path_line_and_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["where", "load_suite"]) == 0
    first, second = capsys.readouterr().out.splitlines()[:2]
    match = re.fullmatch(r"(.+):(\d+)  load_suite", first)
    assert match is not None
    assert "def load_suite" in Path(match[1]).read_text().splitlines()[int(match[2]) - 1]
    assert second.strip() == "A suite, from its file."


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Seeds", "Seeds"),
        ("seeds.child", "Seeds.child"),
        ("matmul", "matmul"),
        ("smoke", "smoke"),
        ("TIMEOUT_S", "TIMEOUT_S"),
        ("Dongarra", "CARD.source"),
        ("independent seeds by name", "seeds"),
    ],
)
def test_stems_names_cards_and_summaries_are_searched(
    word: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["where", word]) == 0
    names = [line.rpartition("  ")[2] for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert expected in names


def test_no_fit_names_close_words_and_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["where", "load_suiet"]) == 2
    assert "Close: load_suite" in capsys.readouterr().err
    assert main(["where", " "]) == 2


def test_private_names_are_not_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["where", "_check_cells"]) == 2
    capsys.readouterr()


def test_nonsense_is_answered_without_far_fetched_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["where", "xqzwvkjp"]) == 2
    assert capsys.readouterr().err == "cupel: No place named 'xqzwvkjp'. Or search the text: grep -rn WORD src\n"
