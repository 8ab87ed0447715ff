"""The claim on estimators: arms share the pipeline and its tuning, pay as the algorithms say; the hours are right."""

import math
from types import SimpleNamespace

import pytest

pytest.importorskip("torch", reason="the digits are handed over as tensors")
pytest.importorskip("sklearn", reason="the digits come with scikit-learn (extra digits)")

from cupel.claims import variance_all_sources_vs_init_only as claim
from cupel.run.slot import TorchSlot
from cupel.spec.seeds import TrialSeeds
from cupel.stats.judge import judge_published

SLOT = TorchSlot(device="cpu", settings={}, threads=1)
SIZES = SimpleNamespace(**claim.CARD.sizes("tiny"))
FITS = {"method": 2 * (2 + 3), "baseline": 2 * (2 + 3), "data": 2 * (2 + 3), "ideal": 2 * 3 * (2 + 1)}
"""Repetitions x (trials + k), and for the ideal one repetitions x k x (trials + 1)."""


def trial(arm: str, number: int = 0):
    rng = TrialSeeds(0, number, claim.CARD.varies)
    return getattr(claim, arm)(claim.task(SIZES, SLOT, rng), SLOT, rng, {})


@pytest.mark.parametrize("arm", claim.CARD.arms)
def test_an_arm_gives_every_number_the_same_for_the_same_seeds_and_pays_for_its_trainings(arm: str) -> None:
    found = trial(arm)
    for statement in claim.CARD.said:
        if statement.kind == "quality":
            assert math.isfinite(found.metric(statement.metric))
    assert found == trial(arm)
    assert found != trial(arm, 1)
    assert found.costs["fits"] == FITS[arm]


def test_arms_with_one_tuning_tune_alike(monkeypatch) -> None:
    claim.task(SIZES, SLOT, TrialSeeds(0, 0, claim.CARD.varies))  # whose measures are in the cache from now on
    tuned = {}
    real = claim.DigitsPipeline.tune
    for arm in ("method", "baseline", "data"):
        seen = tuned.setdefault(arm, [])
        monkeypatch.setattr(
            claim.DigitsPipeline, "tune", lambda self, seeds, seen=seen: seen.append(real(self, seeds)) or seen[-1]
        )
        trial(arm)
        assert len(seen) == SIZES.repetitions
    assert tuned["method"] == tuned["baseline"] == tuned["data"]


def test_the_truth_is_the_same_in_all_trials_and_another_for_another_run_or_pipeline() -> None:
    first, second = (claim.task(SIZES, SLOT, TrialSeeds(0, n, claim.CARD.varies)) for n in (0, 1))
    assert first == second
    assert first.uncertainty > 0
    other = claim.task(SIZES, SLOT, TrialSeeds(1, 0, claim.CARD.varies))
    longer = claim.task(SimpleNamespace(**{**vars(SIZES), "steps": 80}), SLOT, TrialSeeds(0, 0, claim.CARD.varies))
    assert len({(one.performance, one.uncertainty) for one in (first, other, longer)}) == 3


def test_the_error_is_right_on_the_average(monkeypatch, tmp_path) -> None:
    """On a pipeline of normal numbers, all of whose variance is drawn anew, it is variance / k."""
    monkeypatch.setenv("CUPEL_CACHE", str(tmp_path))  # the pipeline is not the one whose code is in the cache's name
    import random

    import numpy as np

    monkeypatch.setattr(claim.DigitsPipeline, "tune", lambda *_: None)
    monkeypatch.setattr(
        claim.DigitsPipeline, "measure", lambda _self, _, seeds: random.Random(seeds.seed("init")).gauss(50, 3)
    )
    found = []
    for run in range(200):  # of many runs, as the error of the truth is one for all trials of a run
        monkeypatch.setenv("CUPEL_CACHE", str(tmp_path / str(run)))
        for number in range(2):
            rng = TrialSeeds(run, number, claim.CARD.varies)
            found.append(claim.method(claim.task(SIZES, SLOT, rng), SLOT, rng, {}).values["mse"])
    error = np.reshape(found, (200, 2)).mean(axis=1).std() / 200**0.5
    assert np.mean(found) == pytest.approx(9 / SIZES.k, abs=4 * error)
    assert error < 0.6  # without the variance taken off it would be 6


def test_the_papers_factor_is_recomputed_from_its_hours() -> None:
    (said,) = [statement for statement in claim.CARD.said if statement.kind == "published"]
    found = claim.recompute()
    assert found.metric(said.metric) == pytest.approx(50.95, abs=0.01)
    assert found.values["fits_ratio"] == 50.0
    assert judge_published(said, found.metric(said.metric), found.interval, 1).verdict == "supported"
