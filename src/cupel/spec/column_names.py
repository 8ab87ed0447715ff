"""The names under which tables of results keep their method, task, seed and the like."""

from __future__ import annotations

from collections.abc import Iterable

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
FURTHER_NAMES: dict[str, tuple[str, ...]] = {
    "method": (
        *("method_name", "algorithm_name", "algo_name", "model_name", "optimizer_name", "system_name", "agent_name"),
        *("classifier", "classifier_name", "regressor", "estimator", "learner", "tuner", "solver"),
    ),
    "task": (
        *("task_name", "task_id", "benchmark_name", "dataset_name", "dataset_id", "problem_name", "problem_id"),
        *("environment_name", "environment_id", "env_name", "env_id", "game_name", "workload_name"),
    ),
    "seed": ("rng_seed",),
    "rep": ("replication",),
    "budget": ("global_step", "timestep", "timesteps", "total_timesteps"),
    "split": ("fold_id", "split_id"),
    "metric": ("metric_name",),
}
"""Names that fill a role only where no column has one of the names above."""
COUNTERS = ("iteration", "iter", "iterations")
"""Names that say repeats in one table and the progress of one run in another, so that no role can be read from them."""


def plain_name(name: str) -> str:
    """A column's name as the names above are written.

    Example:
        >>> plain_name(" Data Set")
        'data_set'
    """
    return name.strip().lower().replace(" ", "_")


def role_named(name: str) -> str | None:
    """The role that a column's name says, or None.

    Example:
        >>> role_named("Data Set"), role_named("env_id"), role_named("accuracy")
        ('task', 'task', None)
    """
    plain = plain_name(name)
    return next((role for role, names in COLUMN_NAMES.items() if plain in (*names, *FURTHER_NAMES.get(role, ()))), None)


def columns_named(role: str, names: Iterable[str]) -> list[str]:
    """The columns whose names say a role: by its first names, or where there is none of those by its further ones.

    They stand in the order in which the names of the role are listed.

    Example:
        >>> columns_named("task", ["env_id", "Dataset", "accuracy"]), columns_named("task", ["env_id", "accuracy"])
        (['Dataset'], ['env_id'])
    """
    listed = list(names)
    for known in (COLUMN_NAMES[role], FURTHER_NAMES.get(role, ())):
        found = [name for name in listed if plain_name(name) in known]
        if found:
            return sorted(found, key=lambda name: known.index(plain_name(name)))
    return []
