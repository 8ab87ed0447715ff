from itertools import combinations

from cupel.spec.column_names import COLUMN_NAMES, COUNTERS, FURTHER_NAMES, columns_named, role_named


def test_a_name_says_one_role_only():
    names = {role: {*first, *FURTHER_NAMES.get(role, ())} for role, first in COLUMN_NAMES.items()}
    for one, other in combinations(names, 2):
        assert not names[one] & names[other]
    assert not any(role_named(name) for name in COUNTERS)


def test_columns_stand_in_the_order_of_the_names_of_the_role():
    assert columns_named("task", ["problem", "Task"]) == ["Task", "problem"]
    assert columns_named("seed", ["value"]) == []
