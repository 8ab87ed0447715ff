"""Trees grow as their rules say, each in one way from each parent, with as many parents as leaves."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="trees are grown in torch")

from cupel.tasks.fragment_trees import Enumerated, Space, Trees, enumerate_trees, key_of

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def space() -> Space:
    return Space([2, 1], 3, device=CPU)


@pytest.fixture(scope="module")
def every(space) -> Enumerated:
    return enumerate_trees(space)


def count_by_hand(slots: list[int], max_nodes: int) -> int:
    """Trees with 1 to max_nodes fragments, by recursion over what hangs in each slot."""

    def with_nodes(num: int) -> int:
        return sum(filled(num_slots, num - 1) for num_slots in slots) if num > 0 else 0

    def filled(num_slots: int, num: int) -> int:
        if num_slots == 0:
            return int(num == 0)
        return sum(
            (1 if first == 0 else with_nodes(first)) * filled(num_slots - 1, num - first) for first in range(num + 1)
        )

    return sum(with_nodes(num) for num in range(1, max_nodes + 1))


@pytest.mark.parametrize(("slots", "max_nodes"), [([2, 1], 3), ([1, 2, 3], 2), ([1], 4)])
def test_there_are_as_many_trees_as_counted_by_hand(slots, max_nodes):
    found = enumerate_trees(Space(slots, max_nodes, device=CPU))
    assert len(found.links) - 1 == count_by_hand(slots, max_nodes)


def test_a_tree_has_as_many_parents_as_leaves_and_no_action_leads_where_another_does(space, every):
    parents = [0] * len(every.links)
    for row in every.links:
        assert len({later for _, later in row}) == len(row)
        for _, later in row:
            parents[later] += 1
    assert parents == space.num_leaves(every.trees).tolist()


def test_growth_by_hand(space):
    trees = space.empty(1)
    assert space.allowed(trees)[0].nonzero().flatten().tolist() == [0, 1]  # a root of either type, and no stop
    trees = space.extend(trees, torch.tensor([0]))  # type 0, two slots
    assert space.allowed(trees)[0].nonzero().flatten().tolist() == [0, 1, 2, 3, space.stop]
    trees = space.extend(trees, torch.tensor([3]))  # slot 1 takes type 1, one slot
    assert key_of(trees, 0) == {((), 0), ((1,), 1)}
    assert space.allowed(trees)[0].nonzero().flatten().tolist() == [0, 1, 4, 5, space.stop]
    trees = space.extend(trees, torch.tensor([4]))  # the second fragment's slot takes type 0
    assert key_of(trees, 0) == {((), 0), ((1,), 1), ((1, 0), 0)}
    assert space.allowed(trees)[0].nonzero().flatten().tolist() == [space.stop]
    assert space.num_leaves(trees).tolist() == [1]


def test_to_stop_changes_nothing(space, every):
    after = space.extend(every.trees, torch.full_like(every.trees.count_B, space.stop))
    assert all(torch.equal(a, b) for a, b in zip(after, every.trees, strict=True))


def test_trees_of_a_batch_grow_apart(space):
    trees = space.extend(space.empty(2), torch.tensor([0, 1]))
    trees = space.extend(trees, torch.tensor([2, space.stop]))
    assert key_of(trees, 0) == {((), 0), ((1,), 0)}
    assert key_of(trees, 1) == {((), 1)}
    assert isinstance(trees, Trees)
