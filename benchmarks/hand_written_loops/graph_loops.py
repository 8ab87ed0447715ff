"""Hand-written loops of the entries that learn from graphs, or to build them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.spec import Seeds
from cupel.tasks.data.qm9_molecules import molecule_batch
from cupel.tasks.fragment_trees import Trees
from cupel.tasks.models.graph_transformer import Reward
from interleaved import Step
from plain_training import training


def drawn(sizes: Any, draw: Callable[[torch.Generator], Any]) -> Any:
    """The entry's own batches in rotation: how large graphs are is a matter of chance, and decides the work."""
    generator = torch.Generator().manual_seed(Seeds(0).seed("data"))
    return itertools.cycle([draw(generator) for _ in range(sizes.batches)])


def property_of_graphs(entry: Any, sizes: Any, field: str, draw: Callable[[torch.Generator], Any]) -> Step:
    """A number for each graph, by its absolute error."""
    batches, model = drawn(sizes, draw), entry.build_model(sizes)

    def loss_of() -> Tensor:
        batch = next(batches)
        return F.l1_loss(model(getattr(batch, field)), batch.target_B)

    return training(model, torch.optim.Adam(model.parameters(), lr=1e-4), loss_of, items=sizes.batch)


def dimenet(entry: Any, sizes: Any) -> Step:
    """Molecules with their edges and angles."""
    return property_of_graphs(entry, sizes, "geometry", lambda generator: entry.build_batch(sizes, generator))


def pna(entry: Any, sizes: Any) -> Step:
    """Molecules with their bonds."""
    return property_of_graphs(entry, sizes, "graphs", lambda generator: entry.build_batch(sizes.batch, generator))


def egnn(entry: Any, sizes: Any) -> Step:
    """Atoms are displaced; the property and the way back are learned."""
    batches = drawn(sizes, lambda generator: molecule_batch(sizes.batch, generator))
    model = entry.build_model(sizes)

    def loss_of() -> Tensor:
        batch = next(batches)
        noise = torch.randn_like(batch.positions_N3)
        found, moves = model(batch, batch.positions_N3 + 0.1 * noise)
        return F.l1_loss(found, batch.property_G) + F.mse_loss(moves / 0.1, -noise)

    return training(model, torch.optim.Adam(model.parameters(), lr=1e-4), loss_of, items=sizes.batch)


def recursiongfn(entry: Any, sizes: Any) -> Step:
    """Build trees by the policy, then balance their trajectories; the policy reads all states again with gradients."""
    policy = entry.build_model(sizes)
    space = policy.space
    reward = Reward(space, sizes.power, width=sizes.width, depth=sizes.depth, num_heads=2).requires_grad_(False)

    def actions_of(log_probs: Tensor, allowed: Tensor) -> Tensor:
        """By the policy or, once in a hundred, any that is allowed."""
        chosen = torch.multinomial(log_probs.exp(), 1).squeeze(1)
        anything = torch.multinomial(allowed.float(), 1).squeeze(1)
        return torch.where(torch.rand(sizes.batch) < 0.01, anything, chosen)

    @torch.no_grad()
    def build() -> tuple[list[Trees], list[Tensor], Tensor, Tensor]:
        trees, is_done = space.empty(sizes.batch), torch.zeros(sizes.batch, dtype=torch.bool)
        states, actions, log_backward = [], [], torch.zeros(sizes.batch)
        for _ in range(space.max_nodes + 1):
            action = actions_of(policy(trees)[0], space.allowed(trees))
            action = torch.where(is_done, space.stop, action)
            states.append(trees)
            actions.append(torch.where(is_done, -1, action))
            trees = space.extend(trees, action)
            is_done = is_done | (action == space.stop)
            log_backward -= torch.where(is_done, 0.0, space.num_leaves(trees).clamp(min=1).float().log())
        return states, actions, log_backward, reward(trees)

    def loss_of() -> Tensor:
        states, actions, log_backward, log_reward = build()
        taken = torch.stack(actions)
        log_probs, log_flow = policy(Trees(*(torch.cat(columns) for columns in zip(*states, strict=True))))
        log_forward = log_probs.gather(1, taken.clamp(min=0).flatten()[:, None]).view_as(taken)
        log_forward = torch.where(taken >= 0, log_forward, 0.0).sum(dim=0)
        balance: Tensor = log_flow + log_forward - log_backward - log_reward
        return balance.square().mean()

    optimizer = torch.optim.Adam(policy.parameters(), lr=1e-4)
    return training(policy, optimizer, loss_of, items=sizes.batch, clip_norm=10.0)


LOOPS: dict[str, Callable[[Any, Any], Step]] = {
    "dimenet": dimenet,
    "pna": pna,
    "recursiongfn": recursiongfn,
    "egnn": egnn,
}
