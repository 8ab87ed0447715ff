import ast

import pytest

from cupel.cli import main
from cupel.cli.explain import STATS


@pytest.mark.parametrize(
    "topic",
    [
        "score",
        "throughput",
        "verdict",
        "steady_state",
        "compare_rates",
        "plan_repeats",
        "stein",
        "holm",
        "milabench_score",
    ],
)
def test_a_topic_is_the_docstring_of_the_file_that_computes_it(topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", topic]) == 0
    text = capsys.readouterr().out
    docstring = ast.get_docstring(ast.parse((STATS / f"{topic}.py").read_text())) or ""
    assert "".join(docstring.split()) in "".join(text.split())
    assert f"stats/{topic}.py" in text
    assert "Source" in text or "source" in text, "a formula names its source"
    assert max(map(len, text.splitlines()[:-1])) <= 80


def test_explain_alone_lists_the_topics_without_private_machinery(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    topics = [line.split()[0] for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert {"score", "throughput", "verdict"} <= set(topics)
    assert "pelt" not in topics


def test_an_unknown_topic_lists_the_close_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "scores"]) == 2
    assert "No topic named 'scores'. Close: score" in capsys.readouterr().err
