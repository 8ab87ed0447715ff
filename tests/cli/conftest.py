"""A workload of half a millisecond a step, for the verbs that run."""

from __future__ import annotations

from pathlib import Path

import pytest

WORKLOAD = """
from cupel.spec import Done, Workload, WrongWorkError

CARD = Workload(
    measures="test work", unit="calls", better="higher", source="a test", also=("tokens",), tags=("quick",),
    settings={"speed": ("slow", "fast")},
    tiny={"spin_us": 500}, small={"spin_us": 500}, full={"spin_us": 500}, stepping_s={"tiny": 0.2, "small": 1.0},
)


def setup(sizes, slot, rng):
    import time

    def step():
        end = time.perf_counter() + sizes.spin_us * 1e-6
        while time.perf_counter() < end:
            pass
        return Done(items=1, also={"tokens": 3})

    return step


def sane(sizes, slot, rng):
    pass
"""


@pytest.fixture(scope="session")
def workload() -> str:
    """The text of its file."""
    return WORKLOAD


@pytest.fixture
def entry(tmp_path: Path) -> str:
    """Its file."""
    path = tmp_path / "quick.py"
    path.write_text(WORKLOAD)
    return str(path)
