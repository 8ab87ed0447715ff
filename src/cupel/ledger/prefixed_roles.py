"""Roles that parameters, tags and attributes of a tool fill by their own names (`params.seed`, `tags.task`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cupel.spec.column_names import role_named

ROLES = ("method", "task", "seed", "hpo_run", "split", "rep")
"""What tells runs apart; values, budgets and status are the tool's own."""


def prefixed_roles(names: Iterable[str], prefixes: Mapping[str, bool]) -> tuple[dict[str, str], list[str]]:
    """Role to the one column that says it behind a prefix, and notes on roles that several columns could fill.

    Args:
        names: of all columns.
        prefixes: prefix to whether other names of a role count (`params.optimizer` as the method), or its own alone.

    Example:
        >>> prefixed_roles(["params.optimizer", "params.seed", "tags.task"], {"params.": True, "tags.": True})
        ({'method': 'params.optimizer', 'task': 'tags.task', 'seed': 'params.seed'}, [])
    """
    found: dict[str, list[str]] = {role: [] for role in ROLES}
    exact: dict[str, list[str]] = {role: [] for role in ROLES}
    for name in names:
        prefix = next((prefix for prefix in prefixes if name.startswith(prefix)), None)
        role = None if prefix is None else role_named(name[len(prefix) :])
        if prefix is None or role not in found:
            continue
        if name[len(prefix) :].strip().lower() == role:
            exact[role].append(name)
        elif prefixes[prefix]:
            found[role].append(name)
    roles, notes = {}, []
    for role in ROLES:
        candidates = exact[role] or found[role]
        if len(candidates) == 1:
            roles[role] = candidates[0]
        elif candidates:
            notes.append(
                f"Several columns could be the {role}: {', '.join(candidates)}. Say which: --map {role}={candidates[0]}"
            )
    return roles, notes
