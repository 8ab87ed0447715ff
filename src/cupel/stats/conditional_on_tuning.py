"""The label that a verdict carries when the hyperparameters behind it were tuned once.

Rule
    A method whose runs all stem from one tuning has shown what that tuning
    does. More seeds make this surer, and say nothing of another tuning:
    with the standard deviations that Bouthillier et al. publish, their test
    finds a difference between equal methods in 17 % of cases instead of
    2 % (`cupel explain detection_rates`).
    A table without a column of tunings does not say; then nothing is
    labelled, as nothing may have been tuned at all.

Source: Bouthillier et al. (2021), "Accounting for Variance in Machine
Learning Benchmarks", section 3; docs/variance_paper.md.
"""

from __future__ import annotations

import numpy as np

from cupel.stats.frame import Frame
from cupel.stats.meaningful import ONE_TUNING
from cupel.stats.note import Note
from cupel.stats.results import results


def conditional_on_tuning(frame: Frame) -> Note | None:
    """The label for a verdict from this table, where one is due.

    Args:
        frame: one row per run, with a column `hpo_run` that names the tuning it stems from.

    Returns:
        A note that names the methods with one tuning on a task; None when there are none, or the table does not say.

    Raises:
        UsageError: when the table cannot be read.

    Example:
        >>> runs = {"method": ["A", "A", "B", "B"], "hpo_run": [1, 1, 1, 2], "value": [1, 2, 3, 4]}
        >>> conditional_on_tuning(runs).text
        'conditional on one HPO run: A was tuned once; another tuning may turn the verdict'
    """
    table = results(frame)
    if table.hpo_run is None or np.any(table.hpo_run.codes < 0):
        return None
    once = []
    for m, method in enumerate(table.methods):
        cells = [
            table.hpo_run.codes[(table.method.codes == m) & (table.task.codes == t)] for t in range(len(table.tasks))
        ]
        if any(np.unique(cell).size == 1 for cell in cells):
            once.append(method)
    if not once:
        return None
    verb = "was" if len(once) == 1 else "were"
    text = f"{', '.join(once)} {verb} tuned once{' on a task' if len(table.tasks) > 1 else ''}"
    return Note("one hpo run", f"{ONE_TUNING}: {text}; another tuning may turn the verdict")
