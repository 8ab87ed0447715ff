"""Time series side by side, from where the run's `data` setting says: generated ones, or a table of them.

`disk` reads the table that `$CUPEL_SERIES` names: CSV with a head and a row for each time step, as the ETT and Weather
data sets have it (Parquet and the rest of `cupel.tasks.data.hf_rows` too), or generated series in CSV, made once. Every
column of numbers is a series; others, such as the date, are left out. A gap holds the value before it.

Shapes: L time steps, C channels (series).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cupel.spec import Sizes, Slot, UsageError
from cupel.tasks.data.batch_stream import is_from_files
from cupel.tasks.data.file_cache import cached_folder, users_path
from cupel.tasks.data.hf_rows import as_columns, read_split
from cupel.tasks.data.seasonal_series import seasonal_series

ENVIRONMENT = "CUPEL_SERIES"
VERSION = 1
"""Part of the made file's name: changed with anything that changes a number."""
STEP_S = 600


def series_of(sizes: Sizes, slot: Slot, generator: torch.Generator) -> Tensor:
    """Series (L, C) on the device, each standardised over its length.

    Args:
        sizes: `length` and `channels` of generated series; of the user's own, at most `length` steps and every channel
            are taken. A window has `look_back` + `horizon` steps.
        slot: the setting `data`; is told whose series they are.
        generator: of random series, on the device.

    Raises:
        UsageError: the table cannot be read, has no column of numbers, or fewer steps than a window.
    """
    if not is_from_files(slot):
        return seasonal_series(sizes.length, sizes.channels, generator)
    own = users_path(ENVIRONMENT, "a table of time series in CSV, a row for each time step")
    if own is not None:
        slot.note(f"the series are the user's own, {own} ({ENVIRONMENT})")
    path = own or made_series(sizes.length, sizes.channels)
    columns = as_columns(itertools.islice(read_split(path), sizes.length))
    series = [_filled(values) for values in columns.values() if _is_numbers(values)]
    num_steps = len(series[0]) if series else 0
    if num_steps < sizes.look_back + sizes.horizon:
        raise UsageError(
            f"{path} has {len(series)} columns of numbers and {num_steps} rows; expected one column or more, and "
            f"{sizes.look_back + sizes.horizon} rows, which is one window."
        )
    series_LC = torch.from_numpy(np.column_stack(series)).to(slot.device, torch.float32)
    spread_C = series_LC.std(dim=0)
    return (series_LC - series_LC.mean(dim=0)) / torch.where(spread_C > 0, spread_C, 1.0)


def made_series(length: int, channels: int) -> Path:
    """The file of generated series, in CSV with a date."""

    def make(folder: Path) -> None:
        series = seasonal_series(length, channels, torch.Generator().manual_seed(VERSION)).numpy()
        dates = np.datetime64("2020-01-01T00:00:00") + STEP_S * np.arange(length)
        lines = [",".join(["date", *(f"series_{idx}" for idx in range(channels))])]
        lines += [
            f"{date},{','.join(f'{value:.6g}' for value in row)}" for date, row in zip(dates, series, strict=True)
        ]
        (folder / "series.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    return cached_folder(f"series-v{VERSION}-{length}x{channels}", make) / "series.csv"


def _is_numbers(values: Sequence[Any]) -> bool:
    """Whether a column has numbers, and nothing else but gaps."""
    told = [value for value in values if value is not None]
    return bool(told) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in told)


def _filled(values: Sequence[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A column without gaps: each holds the value before it, those at the start the first value."""
    column = np.asarray([np.nan if value is None else value for value in values], np.float64)
    is_told = ~np.isnan(column)
    place = np.maximum.accumulate(np.where(is_told, np.arange(len(column)), -1))
    first = int(np.argmax(is_told))
    return column[np.where(place < 0, first, place)]
