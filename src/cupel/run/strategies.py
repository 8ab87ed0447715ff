"""How the training of one model is shared out over the ranks of a job.

Strategies
    ddp     every rank has the whole model and its own data; gradients are
            averaged over ranks while the backward pass goes on.
    fsdp    parameters, gradients and optimiser state are cut over ranks;
            each block (a member of an outermost ModuleList, or of a Sequential
            of equal blocks) gathers its parameters when its turn comes. The
            gradients are the same averages.
    tp      all ranks have the same data, and layers are cut: each rank has
            some of the heads and inner features. Where a cut ends, the parts
            are summed or put together. Layers that the plan leaves out are
            whole on every rank, and get the same gradients there.

A model is cut by tp along its plan: a method `parallel_plan(num_ranks)` that returns, for patterns of its modules'
names, one of the words in `CUTS`, and raises `UnsupportedError` where that many ranks cannot have equal parts. A model
or block of which more is called than `forward` names those methods in `further_calls`, for fsdp to gather parameters.

Source: Li et al. 2020, PyTorch Distributed (VLDB 13); Zhao et al. 2023, PyTorch FSDP (VLDB 16); Shoeybi et al. 2019,
Megatron-LM, section 3; by torch's own `DistributedDataParallel`, `fully_shard` and `parallelize_module`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from fnmatch import fnmatchcase
from typing import Any

from cupel.spec.errors import UnsupportedError

STRATEGIES = ("ddp", "fsdp", "tp")
CUTS = ("colwise", "colwise_gathered", "rowwise")
"""A linear layer's outputs are cut; cut and put together again; its inputs, or an embedding's rows, are cut."""


def shared_out(model: Any, strategy: str, device: Any) -> Any:
    """The model as each rank calls it.

    Args:
        model: the same on every rank, on its device.
        strategy: one of `STRATEGIES`.
        device: of this rank.

    Raises:
        UnsupportedError: there is no such strategy, or the model cannot be shared out by it.
    """
    if strategy == "ddp":
        return _ddp(model, device)
    if strategy == "fsdp":
        return _fsdp(model, device)
    if strategy == "tp":
        return _tp(model, device)
    raise UnsupportedError(f"strategy={strategy} was asked; there are: {', '.join(STRATEGIES)}.")


def held_beside(model: Any, strategy: str, device: Any) -> Any:
    """A model that is not trained as each rank holds it: cut by fsdp as the trained one is, and whole otherwise.

    Args:
        model: the same on every rank, on its device.
        strategy: by which another model is trained.
        device: of this rank.
    """
    return _fsdp(model, device, is_trained=False) if strategy == "fsdp" else model


def _ddp(model: Any, device: Any) -> Any:
    from torch.nn.parallel import DistributedDataParallel

    return DistributedDataParallel(model, device_ids=None if device.type == "cpu" else [device.index])


def _fsdp(model: Any, device: Any, *, is_trained: bool = True) -> Any:
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    mesh = _mesh(device)
    blocks = [block for stack in stacks(model) for block in stack if any(True for _ in block.parameters())]
    for block in blocks:
        fully_shard(block, mesh=mesh)
    # What no block holds stays gathered from the forward to the backward pass; without one it would stay for ever.
    fully_shard(model, mesh=mesh, reshard_after_forward=None if is_trained else True)
    for module in (*blocks, model):
        for method in getattr(module, "further_calls", ()):
            register_fsdp_forward_method(module, method)
    return model


def stacks(module: Any) -> Iterator[Any]:
    """The outermost lists of blocks, such as the layers of a transformer or of a residual network; none within them."""
    from torch.nn import ModuleList, Sequential

    for child in module.children():
        is_chain = isinstance(child, Sequential) and len(child) > 1 and len({type(block) for block in child}) == 1
        if isinstance(child, ModuleList) or (is_chain and any(True for _ in child[0].children())):
            yield child
        else:
            yield from stacks(child)


def _tp(model: Any, device: Any) -> Any:
    import torch.distributed as dist
    from torch.distributed.tensor.parallel import parallelize_module
    from torch.nn import Embedding, Linear

    if not hasattr(model, "parallel_plan"):
        raise UnsupportedError(
            f"strategy=tp was asked of {type(model).__name__}, which has no parallel_plan. Take ddp or fsdp."
        )
    plan, mesh = model.parallel_plan(dist.get_world_size()), _mesh(device)
    for pattern, cut in plan.items():
        found = [(name, module) for name, module in model.named_modules() if fnmatchcase(name, pattern)]
        if not found:
            raise UnsupportedError(
                f"The parallel_plan of {type(model).__name__} names {pattern!r}, and it has no such module."
            )
        for name, module in found:
            if not isinstance(module, Linear | Embedding):
                raise UnsupportedError(
                    f"strategy=tp cuts linear layers and embeddings; {name} is a {type(module).__name__}. "
                    "Take ddp or fsdp, or another precision than fp8."
                )
            parallelize_module(module, mesh, _style(cut, is_lookup=isinstance(module, Embedding)))
    return model


def _style(cut: str, *, is_lookup: bool) -> Any:
    """A cut of `CUTS` in torch's words."""
    from torch.distributed.tensor import Replicate
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel

    if cut == "rowwise":
        return RowwiseParallel(input_layouts=Replicate()) if is_lookup else RowwiseParallel()
    if cut == "colwise":
        return ColwiseParallel()
    if cut == "colwise_gathered":
        return ColwiseParallel(output_layouts=Replicate())
    raise UnsupportedError(f"A parallel_plan asks for the cut {cut!r}; there are: {', '.join(CUTS)}.")


def _mesh(device: Any) -> Any:
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh

    return init_device_mesh(device.type, (dist.get_world_size(),))


def trained_parameters(model: Any, strategy: str) -> Iterator[Any]:
    """The parameters for an optimiser: of tp those that are cut first.

    By the first gradient torch decides whether an overflow that one rank found is told to the others.
    """
    if strategy != "tp":
        return model.parameters()  # type: ignore[no-any-return]
    return iter(sorted(model.parameters(), key=lambda parameter: not _is_cut(parameter)))


def updating(strategy: str) -> AbstractContextManager[Any]:
    """The context of an update: with tp, parameters that are cut are updated beside whole ones."""
    if strategy != "tp":
        return contextlib.nullcontext()
    from torch.distributed.tensor.experimental import implicit_replication

    return implicit_replication()


def fingerprint(model: Any) -> int:
    """A number that is the same for the same weights, bit for bit, and in all likelihood another for others.

    Of weights that are cut over ranks, nothing is in it.
    """
    import torch

    whole = {8: torch.int64, 4: torch.int32, 2: torch.int16, 1: torch.int8}
    total = 0
    for place, parameter in enumerate(model.parameters()):
        if _is_cut(parameter):
            continue
        mine = parameter.to_local() if hasattr(parameter, "to_local") else parameter
        bits = mine.detach().contiguous().view(whole[mine.element_size()])
        total += (2 * place + 1) * int(bits.sum(dtype=torch.int64))
    return total % 2**62


def _is_cut(parameter: Any) -> bool:
    """Whether each rank has a part of a parameter; those that it has whole may be `DTensor` too."""
    return any(placement.is_shard() for placement in getattr(parameter, "placements", ()))
