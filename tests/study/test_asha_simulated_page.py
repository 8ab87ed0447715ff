"""The page on ASHA's claims: what it was written from can be simulated again, and says what it says."""

import csv
import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def simulations() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS))
        return importlib.import_module("asha_simulations")


def recorded(part: str) -> list[list[str]]:
    with (DOCS / "asha_simulated" / f"{part}.csv").open(newline="") as file:
        return list(csv.reader(file))[1:]


def test_recorded_times_are_simulated_again_and_asha_wins_at_small_n(simulations: ModuleType) -> None:
    assert simulations.found_target(0, simulations.GOOD) == simulations.target_of(0, simulations.GOOD)
    times = {}
    for method, workers, problems in (("ASHA", 64, 5), ("SHA (waits)", 64, 5), ("random", 64, 5), ("ASHA", 4, 3)):
        for problem in range(problems):
            found = simulations.time_to_target(simulations.TUNERS[method], workers, problem)
            assert simulations.written((method, workers, problem, found)) in recorded("time_to_target")
            times.setdefault((method, workers), []).append(found)
    medians = {key: float(np.median(values)) for key, values in times.items()}
    assert medians["ASHA", 64] < medians["SHA (waits)", 64]
    assert medians["ASHA", 64] < medians["random", 64]
    assert medians["ASHA", 64] < medians["ASHA", 4]


def test_recorded_runs_with_stragglers_and_drops_are_simulated_again(simulations: ModuleType) -> None:
    rows = recorded("appendix")
    for method, setting in (
        ("SHA (waits)", (0.1, 0.0, 0)),
        ("ASHA", (1.33, 0.01, 10_000)),
        ("ASHA", (0.56, 0.005, 0)),
    ):
        found = simulations.appendix_run(simulations.HALVINGS[method], *setting, 0)
        assert simulations.written((method, *setting, 0, *found)) in rows


def test_recorded_tunings_and_comparisons_are_simulated_again(simulations: ModuleType) -> None:
    found = simulations.variance_of("random_search", repeats=(2, 5))
    rows = recorded("variance")
    for (row, run, seed), value in np.ndenumerate(found.values):
        assert simulations.written(("random", found.budgets[row], run, seed, float(value))) in rows
    rows = recorded("comparison")
    again = list(simulations.compared({"random": "random_search", "ASHA": "asha"}, 1, 1))
    assert len(again) == 6
    assert all(simulations.written(row) in rows for row in again)


def test_the_page_and_its_figures_are_what_the_records_say(tmp_path: Path, simulations: ModuleType) -> None:
    del simulations  # which has put docs on the path of its imports
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS))
        importlib.import_module("asha_simulated").main(tmp_path / "asha_simulated.md")
    again = "write it anew: python docs/asha_simulated.py"
    assert (tmp_path / "asha_simulated.md").read_text() == (DOCS / "asha_simulated.md").read_text(), again
    written = sorted((tmp_path / "figures").iterdir())
    assert len(written) == 5
    for figure in written:
        assert figure.read_text() == (DOCS / "figures" / figure.name).read_text(), again


def test_the_page_says_what_it_rests_on_and_what_it_cannot_show() -> None:
    page = " ".join((DOCS / "asha_simulated.md").read_text().split())
    assert "Medians over 30 problems" in page
    assert "(mean of 20 runs)" in page
    assert "Vizier is a service inside one company and cannot be run here" in page
    assert "undecided" in page
