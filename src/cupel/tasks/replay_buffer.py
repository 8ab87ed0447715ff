"""A ring of past experience on the device, to learn from in random order.

Where to write next is a number of the host, since every write has the same size: nothing is read back from the device.

Shapes: N rows of one write, M rows drawn, S numbers of state.

Source: Lin 1992, Self-Improving Reactive Agents Based On Reinforcement Learning, Planning and Teaching.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Experience(NamedTuple):
    """What was done and what came of it, one row a step.

    Args:
        state_MS: state before.
        action_M: action, int64.
        reward_M: reward.
        reached_MS: state after, before any new start.
        terminated_M: whether the episode ended by it.
    """

    state_MS: Tensor
    action_M: Tensor
    reward_M: Tensor
    reached_MS: Tensor
    terminated_M: Tensor


class ReplayBuffer:
    """The last `capacity` rows.

    Args:
        capacity: rows to keep; a multiple of the rows of one write.
        num_state: numbers of a state.
        device: where the rows are.
    """

    def __init__(self, capacity: int, num_state: int, *, device: torch.device) -> None:
        self.capacity = capacity
        self.num_rows = 0
        self._next_row = 0
        self.rows = Experience(
            torch.zeros(capacity, num_state, device=device),
            torch.zeros(capacity, dtype=torch.int64, device=device),
            torch.zeros(capacity, device=device),
            torch.zeros(capacity, num_state, device=device),
            torch.zeros(capacity, dtype=torch.bool, device=device),
        )

    def add(self, new: Experience) -> None:
        """Write rows over the oldest ones.

        Raises:
            ValueError: the capacity is not a multiple of their number.
        """
        num = len(new.action_M)
        if self.capacity % num:
            raise ValueError(
                f"{num} rows were to be written to a buffer of {self.capacity}; expected a capacity that is a multiple."
            )
        for column, added in zip(self.rows, new, strict=True):
            column[self._next_row : self._next_row + num] = added
        self._next_row = (self._next_row + num) % self.capacity
        self.num_rows = min(self.num_rows + num, self.capacity)

    def draw(self, num: int, generator: torch.Generator) -> Experience:
        """Rows at random, with replacement."""
        chosen_M = torch.randint(self.num_rows, (num,), generator=generator, device=generator.device)
        return Experience(*(column[chosen_M] for column in self.rows))
