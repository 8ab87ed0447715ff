"""Boosting of decision trees by LightGBM on a table like HIGGS.

Decisions:
- A step is one boosting round: gradients of all rows, one tree grown leaf by leaf, scores of all rows. `full` has the
  10.5 M training rows of HIGGS and the settings under which LightGBM's authors measure it: 255 leaves, 255 bins,
  learning rate 0.1, 500 rounds, at least 100 of hessian in a leaf. After these rounds a new ensemble is begun.
- No sampling of rows or features; histograms row by row, deterministic, with as many threads as the slot has. On the
  CPU at every size, in LightGBM's own mixture of single and double precision: there is nothing to set.
- Data: generated collisions (`cupel.tasks.data.collisions`), 28 numbers each, binned at set-up.
- `data=disk`: at most as many rows, four fifths of a table in ARFF, the user's own (`CUPEL_OPENML`) or a made one of
  98 050 rows at most, read and binned at set-up (`cupel.tasks.data.table_source`).
- The loss is the log loss on the training rows after the round, worked out within the step as whoever watches a
  training does: one pass over the scores.
- Counted: rows, all of them in each round.
- Memory at `full`: the table 10.5 M x 28 x 4 bytes = 1.1 GiB while it is binned, bins 0.3 GiB, gradients, hessians and
  scores 16 bytes a row = 0.2 GiB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.data.table_source import labelled_table
from cupel.tasks.learning import check_fall
from cupel.tasks.without_files import without_files

if TYPE_CHECKING:
    from numpy.typing import NDArray

CARD = Workload(
    measures="training throughput",
    unit="rows",
    better="higher",
    source="Ke et al. 2017, LightGBM: A Highly Efficient Gradient Boosting Decision Tree",
    tags=("training", "tabular", "trees", "cpu"),
    needs=("tabular",),
    settings={"data": ("synthetic", "disk")},
    optimizer="gradient boosting, learning rate 0.1",
    tiny={"rows": 2000, "leaves": 15, "bins": 63, "min_hessian": 5.0, "rounds": 20},
    small={"rows": 100000, "leaves": 63, "bins": 255, "min_hessian": 20.0, "rounds": 100},
    full={"rows": 10500000, "leaves": 255, "bins": 255, "min_hessian": 100.0, "rounds": 500},
    memory_gib={"tiny": 0.05, "small": 0.2, "full": 3.0},
)


class Boosting:
    """A table, binned once, and the ensemble that is being trained on it."""

    def __init__(self, sizes: Sizes, slot: Slot, rng: Seeds) -> None:
        import lightgbm

        self.rounds = sizes.rounds
        self.features, self.is_signal = labelled_table(sizes.rows, slot, seed=rng.seed("data"))
        self.num_rows = len(self.features)
        self.parameters: dict[str, Any] = {
            "objective": "binary",
            "metric": "binary_logloss",
            "learning_rate": 0.1,
            "num_leaves": sizes.leaves,
            "max_bin": sizes.bins,
            "min_data_in_leaf": 1,
            "min_sum_hessian_in_leaf": sizes.min_hessian,
            "num_threads": slot.threads,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }
        self.table = lightgbm.Dataset(self.features, self.is_signal, params=self.parameters).construct()
        self.booster_class: Any = lightgbm.Booster
        self.booster = self.begin()

    def begin(self) -> Any:
        """An ensemble without trees."""
        return self.booster_class(self.parameters, self.table)

    def round(self) -> float:
        """Grow one tree; returns the log loss on the training rows afterwards."""
        if self.booster.current_iteration() == self.rounds:
            self.booster = self.begin()
        self.booster.update()
        loss: float = self.booster.eval_train()[0][2]
        return loss


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """A binned table and an empty ensemble; a step adds a tree."""
    boosting = Boosting(sizes, slot, rng)
    boosting.features, boosting.is_signal = (
        np.empty(0, np.float32),
        np.empty(0, np.float32),
    )  # the bins are all that training reads
    return lambda: Done(items=boosting.num_rows, loss=boosting.round())


def area_under_curve(score: NDArray[Any], is_signal: NDArray[Any]) -> float:
    """Share of pairs of a signal and a background row in which the signal has the higher score, ties counted half."""
    signal, background = score[is_signal > 0], np.sort(score[is_signal == 0])
    below = np.searchsorted(background, signal, side="left") + np.searchsorted(background, signal, side="right")
    return float(below.mean() / 2 / len(background))


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """The loss is that of the predictions and falls, every tree splits, and rows not trained on are told apart."""
    slot = without_files(slot)
    boosting = Boosting(sizes, slot, rng)
    losses = [boosting.round() for _ in range(sizes.rounds)]
    probability = np.asarray(boosting.booster.predict(boosting.features, num_threads=slot.threads))
    expected = -float(np.log(np.where(boosting.is_signal > 0, probability, 1 - probability)).mean())
    if not abs(losses[-1] - expected) < 1e-6:
        raise WrongWorkError(
            f"gradient_boosting: the loss after {sizes.rounds} rounds is {losses[-1]:.6f}; "
            f"expected {expected:.6f}, from the predictions."
        )
    check_fall("gradient_boosting", losses)
    leaves = [tree["num_leaves"] for tree in boosting.booster.dump_model()["tree_info"]]
    if len(leaves) != sizes.rounds or not min(leaves) > sizes.leaves / 2:
        raise WrongWorkError(
            f"gradient_boosting: {sizes.rounds} rounds left {len(leaves)} trees of {min(leaves, default=0)} leaves or "
            f"more; expected a tree from each, of more than half of {sizes.leaves} leaves."
        )
    features, is_signal = labelled_table(2000, slot, seed=rng.seed("held out"))
    area = area_under_curve(np.asarray(boosting.booster.predict(features, num_threads=slot.threads)), is_signal)
    if not area > 0.65:
        raise WrongWorkError(
            f"gradient_boosting: on rows not trained on, the area under the ROC curve is {area:.3f}; expected > 0.65."
        )
