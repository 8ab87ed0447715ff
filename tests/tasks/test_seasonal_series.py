"""Series are standardised, drift as an autoregression does, and repeat daily; windows are pieces of them."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the data are made by torch")

from cupel.tasks.data.seasonal_series import PERIODS, PERSISTENCE, drift, random_windows, seasonal_series


def make(length: int = 20_000, channels: int = 4, seed: int = 0):
    return seasonal_series(length, channels, torch.Generator().manual_seed(seed))


def test_drift_is_the_autoregression_step_by_step():
    shocks = torch.randn(70, 3, generator=torch.Generator().manual_seed(0))
    state, expected = torch.zeros(3), []
    for shock in shocks:
        state = PERSISTENCE * state + (1 - PERSISTENCE**2) ** 0.5 * shock
        expected.append(state)
    torch.testing.assert_close(drift(shocks), torch.stack(expected))


def test_series_are_standardised_and_differ():
    series = make()
    assert series.shape == (20_000, 4)
    torch.testing.assert_close(series.mean(dim=0), torch.zeros(4), rtol=0, atol=1e-4)
    torch.testing.assert_close(series.std(dim=0), torch.ones(4), rtol=1e-4, atol=0)
    assert not torch.equal(series[:, 0], series[:, 1])


def test_a_day_shows_in_the_spectrum():
    power = torch.fft.rfft(make(length=144 * 140), dim=0).abs().square().mean(dim=1)
    day = int(144 * 140 / PERIODS[0])
    assert power[day] > 20 * power[day - 20 : day + 21].median()


def test_windows_are_pieces_of_the_series():
    series = make(length=60)
    windows = random_windows(series, num_windows=200, window=50, generator=torch.Generator().manual_seed(0))
    starts = [int((series == window[0]).all(dim=1).nonzero()[0]) for window in windows]
    for window, start in zip(windows, starts, strict=True):
        assert torch.equal(window, series[start : start + 50])
    assert set(starts) == set(range(11))
