"""What tests of several rooms share: the reference data, which are not part of the project."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ENVIRONMENT = "CUPEL_REFERENCE_DATA"
REFERENCE_DATA = Path(os.environ.get(ENVIRONMENT, Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(autouse=True, scope="session")
def cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Files that workloads make once are made into a folder of the tests, and not into the user's cache."""
    before = os.environ.get("CUPEL_CACHE")
    os.environ["CUPEL_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["CUPEL_CACHE"]
    else:
        os.environ["CUPEL_CACHE"] = before


@pytest.fixture(scope="session")
def reference_data() -> Callable[[str], Path]:
    """The path of a file of reference data; the test is skipped where it is absent."""

    def find(name: str) -> Path:
        path = REFERENCE_DATA / name
        if not path.exists():
            pytest.skip(f"needs the reference data {name}; set {ENVIRONMENT}")
        return path

    return find
