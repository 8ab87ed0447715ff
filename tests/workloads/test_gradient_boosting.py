"""gradient_boosting grows a tree a round, begins anew after the last, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

lightgbm = pytest.importorskip("lightgbm", reason="gradient_boosting needs lightgbm")

from cupel.run.slot import PlainSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.workloads import gradient_boosting
from cupel.workloads.gradient_boosting import Boosting, area_under_curve

TINY = SimpleNamespace(**gradient_boosting.CARD.sizes("tiny"))


def make_slot() -> PlainSlot:
    return PlainSlot(device="cpu", settings={}, threads=1)


def test_full_is_higgs_with_the_settings_of_the_authors():
    full = gradient_boosting.CARD.sizes("full")
    assert (full["rows"], full["leaves"], full["bins"], full["rounds"]) == (10_500_000, 255, 255, 500)


def test_a_step_is_one_tree_and_counts_every_row():
    done = gradient_boosting.setup(TINY, make_slot(), Seeds(0))()
    assert done.items == TINY.rows
    boosting = Boosting(TINY, make_slot(), Seeds(0))
    assert boosting.round() == done.loss
    assert boosting.booster.current_iteration() == 1


def test_after_the_last_round_an_ensemble_is_begun_that_is_the_same():
    boosting = Boosting(TINY, make_slot(), Seeds(0))
    losses = [boosting.round() for _ in range(2 * TINY.rounds)]
    assert losses[: TINY.rounds] == losses[TINY.rounds :]
    assert boosting.booster.current_iteration() == TINY.rounds


def test_the_first_tree_splits_where_the_gain_is_largest():
    """Gains of every split of every feature, by the definition; the first split is at the best of them."""
    boosting = Boosting(TINY, make_slot(), Seeds(0))
    boosting.round()
    root = boosting.booster.dump_model()["tree_info"][0]["tree_structure"]
    gradient = boosting.is_signal.mean() - boosting.is_signal.astype(float)
    hessian = boosting.is_signal.mean() * (1 - boosting.is_signal.mean())

    def gain(column: int, threshold: float) -> float:
        is_left = boosting.features[:, column] <= threshold
        halves = [(gradient[rows].sum(), hessian * rows.sum()) for rows in (is_left, ~is_left)]
        return sum(g**2 / h for g, h in halves if h > 0) - gradient.sum() ** 2 / (hessian * len(gradient))

    best = max(
        gain(column, threshold)
        for column in range(28)
        for threshold in np.quantile(boosting.features[:, column], np.linspace(0.02, 0.98, 49))
    )
    assert gain(root["split_feature"], root["threshold"]) == pytest.approx(root["split_gain"], rel=1e-3)
    assert root["split_gain"] > 0.97 * best


def test_the_area_is_the_share_of_pairs_in_order():
    generator = np.random.default_rng(0)
    score, is_signal = generator.integers(0, 6, 60), generator.integers(0, 2, 60)
    pairs = [(a > b) + 0.5 * (a == b) for a in score[is_signal > 0] for b in score[is_signal == 0]]
    assert area_under_curve(score, is_signal) == pytest.approx(float(np.mean(pairs)))


def test_the_check_passes():
    gradient_boosting.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_rounds_that_grow_no_tree(monkeypatch):
    monkeypatch.setattr(lightgbm.Booster, "update", lambda _: True)
    with pytest.raises(WrongWorkError, match="expected it to fall"):
        gradient_boosting.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_trees_that_do_not_split():
    sizes = SimpleNamespace(**(vars(TINY) | {"min_hessian": 100.0}))
    with pytest.raises(WrongWorkError, match="of more than half of 15 leaves"):
        gradient_boosting.sane(sizes, make_slot(), Seeds(0))


def test_the_check_finds_a_loss_of_something_else(monkeypatch):
    honest = Boosting.round
    monkeypatch.setattr(Boosting, "round", lambda boosting: honest(boosting) + 0.01)
    with pytest.raises(WrongWorkError, match="from the predictions"):
        gradient_boosting.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_a_table_without_signal(monkeypatch):
    honest = gradient_boosting.labelled_table

    def shuffled(num_rows: int, slot: PlainSlot, *, seed: int):
        features, is_signal = honest(num_rows, slot, seed=seed)
        return features, np.random.default_rng(0).permutation(is_signal)

    monkeypatch.setattr(gradient_boosting, "labelled_table", shuffled)
    with pytest.raises(WrongWorkError, match="area under the ROC curve"):
        gradient_boosting.sane(TINY, make_slot(), Seeds(0))


def test_a_table_from_disk_is_trained_on_and_its_rows_are_counted(tmp_path, monkeypatch):
    rows = "".join(f"{idx},{(idx * 7) % 10},{'up' if idx % 20 > 9 else 'down'}\n" for idx in range(50))
    head = "@relation r\n@attribute a numeric\n@attribute b numeric\n@attribute class {down,up}\n@data\n"
    (tmp_path / "own.arff").write_text(head + rows)
    monkeypatch.setenv("CUPEL_OPENML", str(tmp_path / "own.arff"))
    slot = PlainSlot(device="cpu", settings={"data": "disk"}, threads=1)
    done = gradient_boosting.setup(TINY, slot, Seeds(0))()
    assert done.items == 40  # four fifths
    gradient_boosting.sane(TINY, slot, Seeds(0))  # of made rows, since those of a file may tell nothing
