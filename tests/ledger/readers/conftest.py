import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parent / "samples"


@pytest.fixture
def samples() -> Path:
    """Files that the tools themselves wrote (or numpy and pandas), kept small."""
    return SAMPLES


@pytest.fixture
def database(tmp_path: Path) -> Callable[[str], Path]:
    """A database of the statements in a sample, as its tool keeps it."""

    def make(name: str) -> Path:
        path = tmp_path / f"{name}.db"
        made = sqlite3.connect(path)
        made.executescript((SAMPLES / f"{name}.sql").read_text())
        made.close()
        return path

    return make


@pytest.fixture
def mlruns(tmp_path: Path) -> Path:
    """The folder `mlruns` as MLflow left it."""
    for name, text in json.loads((SAMPLES / "mlflow_folder.tree").read_text()).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "mlruns"
