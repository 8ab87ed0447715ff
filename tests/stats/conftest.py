"""Properties are tried on the same examples every time, and no clock decides."""

import pandas as pd
import pytest
from hypothesis import settings

settings.register_profile("statistics", deadline=None, derandomize=True)
settings.load_profile("statistics")


@pytest.fixture(scope="session")
def priorband(reference_data) -> pd.DataFrame:
    """The 86,400 rows of the PriorBand runs: 3 algorithms, 24 benchmarks with priors, 50 seeds, 24 budgets."""
    return pd.read_parquet(reference_data("priorband/priorband_data.parquet"))
