"""Trees of fragments that grow one fragment at a time, many at once, on the device.

Decisions:
- A fragment of each type has a number of open slots; an action puts a fragment of some type into a free slot of one
  that is there, or stops. So a state is known by what is in which slot, no two actions lead to the same tree, and a
  tree has as many parents as leaves: forward and backward probabilities are exact, without looking for isomorphisms.
- Trees are padded; the root is fragment 0, the others follow in the order in which they came, which means nothing.
- Nothing is read back from the device, `enumerate_trees` excepted.

Shapes: B trees, N places for fragments, S slots of a fragment, F types, A = N S F + 1 actions, the last to stop.

Source: Bengio et al. 2021, Flow Network based Generative Models for Non-Iterative Diverse Candidate Generation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Trees(NamedTuple):
    """A batch of trees.

    Args:
        type_BN: types of the fragments; F where there is none.
        parent_BN: index of the fragment that each is attached to; 0 for the root and where there is none.
        slot_BN: in which slot of it; S for the root and where there is none.
        is_used_BNS: which slots are taken.
        count_B: how many fragments there are.
    """

    type_BN: Tensor
    parent_BN: Tensor
    slot_BN: Tensor
    is_used_BNS: Tensor
    count_B: Tensor


class Space:
    """The trees that can be built.

    Args:
        slots: open slots of a fragment of each type.
        max_nodes: most fragments of a tree.
        device: where the trees are.
    """

    def __init__(self, slots: Sequence[int], max_nodes: int, *, device: torch.device) -> None:
        self.num_types = len(slots)
        self.num_slots = max(slots)
        self.max_nodes = max_nodes
        self.stop = max_nodes * self.num_slots * self.num_types
        self.device = device
        self._slots_F = torch.tensor([*slots, 0], device=device)
        self._node_N = torch.arange(max_nodes, device=device)
        self._slot_S = torch.arange(self.num_slots, device=device)

    def empty(self, num: int) -> Trees:
        """Trees without a fragment."""
        shape = (num, self.max_nodes)
        return Trees(
            torch.full(shape, self.num_types, device=self.device),
            torch.zeros(shape, dtype=torch.int64, device=self.device),
            torch.full(shape, self.num_slots, device=self.device),
            torch.zeros(*shape, self.num_slots, dtype=torch.bool, device=self.device),
            torch.zeros(num, dtype=torch.int64, device=self.device),
        )

    def exists(self, trees: Trees) -> Tensor:
        """Where there is a fragment, shape (B, N)."""
        return self._node_N < trees.count_B[:, None]

    def allowed(self, trees: Trees) -> Tensor:
        """Which actions there are, shape (B, A): any root first; then any fragment in a free slot, or to stop."""
        is_open_BNS = self._slot_S < self._slots_F[trees.type_BN][:, :, None]
        is_room_B = trees.count_B < self.max_nodes
        is_free_BNS = is_open_BNS & ~trees.is_used_BNS & is_room_B[:, None, None]
        is_first_NS = (self._node_N[:, None] == 0) & (self._slot_S == 0)
        is_free_BNS = is_free_BNS | (is_first_NS & (trees.count_B == 0)[:, None, None])
        can_add_BA = is_free_BNS[..., None].expand(*is_free_BNS.shape, self.num_types).flatten(1)
        return torch.cat([can_add_BA, (trees.count_B > 0)[:, None]], dim=1)

    def extend(self, trees: Trees, action_B: Tensor) -> Trees:
        """The trees after these actions; to stop changes nothing."""
        is_add_B = action_B != self.stop
        place_B, type_B = action_B.clamp_max(self.stop - 1) // self.num_types, action_B % self.num_types
        parent_B, slot_B = place_B // self.num_slots, place_B % self.num_slots
        is_root_B = trees.count_B == 0
        is_new_BN = (self._node_N == trees.count_B[:, None]) & is_add_B[:, None]
        is_taken_BNS = (self._node_N == parent_B[:, None])[:, :, None] & (self._slot_S == slot_B[:, None])[:, None]
        is_taken_BNS = is_taken_BNS & (is_add_B & ~is_root_B)[:, None, None]
        return Trees(
            torch.where(is_new_BN, type_B[:, None], trees.type_BN),
            torch.where(is_new_BN, parent_B[:, None], trees.parent_BN),
            torch.where(is_new_BN & ~is_root_B[:, None], slot_B[:, None], trees.slot_BN),
            trees.is_used_BNS | is_taken_BNS,
            trees.count_B + is_add_B,
        )

    def num_leaves(self, trees: Trees) -> Tensor:
        """Fragments without another attached, shape (B): so many trees lead to this one."""
        return (self.exists(trees) & ~trees.is_used_BNS.any(dim=2)).sum(dim=1)


def joined(batches: Sequence[Trees]) -> Trees:
    """Batches of trees, one after the other."""
    return Trees(*(torch.cat(columns) for columns in zip(*batches, strict=True)))


def key_of(trees: Trees, tree_idx: int) -> frozenset[tuple[tuple[int, ...], int]]:
    """What is in which slot, as a set of (slots from the root on, type): the same for every order of building."""
    paths: list[tuple[int, ...]] = []
    found = set()
    for node in range(int(trees.count_B[tree_idx])):
        parent, slot = int(trees.parent_BN[tree_idx, node]), int(trees.slot_BN[tree_idx, node])
        paths.append((*paths[parent], slot) if node else ())
        found.add((paths[node], int(trees.type_BN[tree_idx, node])))
    return frozenset(found)


class Enumerated(NamedTuple):
    """All trees of a small space.

    Args:
        trees: each once, smaller ones first; the empty one is the first.
        links: for each tree, its actions other than to stop, with the index of the tree that each leads to.
    """

    trees: Trees
    links: list[list[tuple[int, int]]]


def enumerate_trees(space: Space) -> Enumerated:
    """All trees of a space, for checks; waits for the device."""
    found = [space.empty(1)]
    number = {key_of(found[0], 0): 0}
    links: list[list[tuple[int, int]]] = []
    while len(links) < len(found):
        tree = found[len(links)]
        actions = [action for action in space.allowed(tree)[0].nonzero().flatten().tolist() if action != space.stop]
        row = []
        for action in actions:
            grown = space.extend(tree, torch.tensor([action], device=space.device))
            key = key_of(grown, 0)
            if key not in number:
                number[key] = len(found)
                found.append(grown)
            row.append((action, number[key]))
        links.append(row)
    return Enumerated(joined(found), links)
