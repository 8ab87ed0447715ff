import json

import pytest

import cupel


def test_values_are_told_as_a_line_of_strict_json(capsys: pytest.CaptureFixture[str]) -> None:
    cupel.tell(val_loss=0.5, accuracy=1, step=3)
    cupel.tell(val_loss=float("nan"))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [{"val_loss": 0.5, "accuracy": 1.0, "step": 3}, {"val_loss": None}]


def test_what_is_no_number_is_not_told() -> None:
    with pytest.raises(ValueError, match="could not convert"):
        cupel.tell(val_loss="low")  # type: ignore[arg-type]
