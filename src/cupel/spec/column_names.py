"""The names under which tables of results keep their method, task, seed and the like."""

from __future__ import annotations

COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    "method": ("method", "algorithm", "algo", "model", "optimizer", "optimiser", "approach", "system", "agent"),
    "task": ("task", "benchmark", "dataset", "data_set", "environment", "env", "game", "problem", "workload"),
    "value": ("value", "score", "result"),
    "seed": ("seed", "random_seed", "random_state"),
    "rep": ("rep", "repeat", "repetition", "replicate"),
    "budget": ("budget", "fidelity", "used_fidelity", "epoch", "step", "resource"),
    "hpo_run": ("hpo_run", "hpo", "hpo_seed", "tuning_run"),
    "split": ("split", "fold", "cv_fold"),
    "metric": ("metric", "measure"),
    "status": ("status", "state"),
    "unit": ("unit", "units"),
    "better": ("better", "direction"),
}
"""Role to the names of columns, in lower case, that fill it; a column with the role's own name wins outright."""


def role_named(name: str) -> str | None:
    """The role that a column's name says, or None.

    Example:
        >>> role_named("Data Set"), role_named("accuracy")
        ('task', None)
    """
    plain = name.strip().lower().replace(" ", "_")
    return next((role for role, names in COLUMN_NAMES.items() if plain in names), None)
