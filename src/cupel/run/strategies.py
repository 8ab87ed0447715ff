"""How the training of one model is shared out over the ranks of a job.

Strategies
    ddp     every rank has the whole model and its own data; gradients are
            averaged over ranks while the backward pass goes on.
    fsdp    parameters, gradients and optimiser state are cut over ranks;
            each block (a member of an outermost ModuleList) gathers its
            parameters when its turn comes. The gradients are the same averages.

Source: Li et al. 2020, PyTorch Distributed (VLDB 13); Zhao et al. 2023, PyTorch FSDP (VLDB 16); by torch's own
`DistributedDataParallel` and `fully_shard`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from cupel.spec.errors import UnsupportedError

STRATEGIES = ("ddp", "fsdp")


def shared_out(model: Any, strategy: str, device: Any) -> Any:
    """The model as each rank calls it.

    Args:
        model: the same on every rank, on its device.
        strategy: one of `STRATEGIES`.
        device: of this rank.

    Raises:
        UnsupportedError: there is no such strategy.
    """
    if strategy == "ddp":
        return _ddp(model, device)
    if strategy == "fsdp":
        return _fsdp(model, device)
    raise UnsupportedError(f"strategy={strategy} was asked; there are: {', '.join(STRATEGIES)}.")


def _ddp(model: Any, device: Any) -> Any:
    from torch.nn.parallel import DistributedDataParallel

    return DistributedDataParallel(model, device_ids=None if device.type == "cpu" else [device.index])


def _fsdp(model: Any, device: Any) -> Any:
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    for block in itertools.chain.from_iterable(stacks(model)):
        if any(True for _ in block.parameters()):
            fully_shard(block, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def stacks(module: Any) -> Iterator[Any]:
    """The outermost lists of modules, such as the layers of a transformer; not the lists within them."""
    from torch.nn import ModuleList

    for child in module.children():
        if isinstance(child, ModuleList):
            yield child
        else:
            yield from stacks(child)


def fingerprint(model: Any) -> int:
    """A number that is the same for the same weights, bit for bit, and in all likelihood another for others."""
    import torch

    whole = {8: torch.int64, 4: torch.int32, 2: torch.int16, 1: torch.int8}
    total = 0
    for place, parameter in enumerate(model.parameters()):
        bits = parameter.detach().contiguous().view(whole[parameter.element_size()])
        total += (2 * place + 1) * int(bits.sum(dtype=torch.int64))
    return total % 2**62
