"""Series come from where the setting says, every column of numbers, without gaps, standardised."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="series are drawn by torch")

from cupel.run.slot import TorchSlot
from cupel.spec import UsageError
from cupel.tasks.data.seasonal_series import seasonal_series
from cupel.tasks.data.series_source import series_of

SIZES = SimpleNamespace(length=60, channels=2, look_back=6, horizon=2)
ETT = "date,HUFL,OT\n" + "".join(f"2016-07-01 {hour:02}:00:00,{hour},{hour * hour / 4}\n" for hour in range(24))


@pytest.fixture(autouse=True)
def no_own_series(monkeypatch):
    monkeypatch.delenv("CUPEL_SERIES", raising=False)


def take(sizes=SIZES, data="disk", seed=0):
    slot = TorchSlot(device="cpu", settings={"data": data}, threads=1)
    return series_of(sizes, slot, torch.Generator().manual_seed(seed)), slot.notes


def own(text, tmp_path, monkeypatch):
    (tmp_path / "series.csv").write_text(text)
    monkeypatch.setenv("CUPEL_SERIES", str(tmp_path / "series.csv"))


def standardised(columns):
    series = torch.tensor(columns, dtype=torch.float32).T
    return (series - series.mean(dim=0)) / series.std(dim=0)


def test_synthetic_series_are_generated():
    expected = seasonal_series(60, 2, torch.Generator().manual_seed(5))
    assert torch.equal(take(data="synthetic", seed=5)[0], expected)


def test_made_series_are_generated_ones_written_down():
    expected = seasonal_series(60, 2, torch.Generator().manual_seed(1))
    found, notes = take()
    assert torch.allclose(found, expected, atol=1e-4)
    assert notes == []


def test_the_users_own_are_every_column_of_numbers(tmp_path, monkeypatch):
    own(ETT, tmp_path, monkeypatch)
    found, notes = take()
    hours = list(range(24))
    assert torch.allclose(found, standardised([hours, [hour * hour / 4 for hour in hours]]), atol=1e-6)
    assert notes == [f"the series are the user's own, {tmp_path / 'series.csv'} (CUPEL_SERIES)"]
    assert take(SimpleNamespace(**{**vars(SIZES), "length": 10}))[0].shape == (10, 2)


def test_gaps_hold_the_value_before_them(tmp_path, monkeypatch):
    own("x,y\n,1\n2,1\nNA,1\n?,1\n5,1\n4,1\n3,1\n1,1\n", tmp_path, monkeypatch)
    found, _ = take()
    assert torch.allclose(found[:, :1], standardised([[2, 2, 2, 2, 5, 4, 3, 1]]))
    assert torch.equal(found[:, 1], torch.zeros(8)), "a series that stands still is zero, and no division by zero"


@pytest.mark.parametrize(
    ("text", "found"),
    [("x\n" + "1\n" * 7, "1 columns of numbers and 7 rows"), ("x\n" + "a\n" * 9, "0 columns of numbers and 0 rows")],
)
def test_too_short_or_wordy_tables_are_refused(tmp_path, monkeypatch, text, found):
    own(text, tmp_path, monkeypatch)
    with pytest.raises(UsageError, match=f"has {found}; expected one column or more, and 8 rows"):
        take()
