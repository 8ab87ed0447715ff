"""Tables of results whose truth is known."""

import numpy as np
import pandas as pd
import pytest


def make_table(values, **more):
    """(methods, tasks, seeds) values as rows; NaN is a failure."""
    m, t, s = np.indices(values.shape).reshape(3, -1)
    base = {"method": [f"m{k}" for k in m], "task": [f"t{k}" for k in t], "seed": s, "value": values.ravel()}
    return pd.DataFrame({**base, **{name: f(m, t, s) for name, f in more.items()}})


@pytest.fixture
def table():
    """Makes a table of a given shape: methods, tasks, seeds; a shift per method; task-by-method spread."""

    def make(shape=(3, 8, 5), shift=(0.0, 1.0, 0.0), seed=0, **spreads):
        rng = np.random.default_rng(seed)
        noise, suits = spreads.get("noise", 0.5), spreads.get("suits", 0.1)
        values = noise * rng.normal(size=shape) + 3 * rng.normal(size=(1, shape[1], 1))
        values += suits * rng.normal(size=(shape[0], shape[1], 1)) + np.array(shift[: shape[0]])[:, None, None]
        return make_table(values, **{k: v for k, v in spreads.items() if callable(v)})

    return make
