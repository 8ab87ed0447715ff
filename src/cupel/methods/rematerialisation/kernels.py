"""What the kernels of a training step read, make and write, by storage: views take no memory and follow what they show.

A *storage* is a piece of memory that tensors look into. Kernels make storages; views are looked through. A kernel that
writes into a storage that another made belongs with that one, from which on it is run with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node

from cupel.methods.rematerialisation.trace import StepTrace
from cupel.spec.errors import UsageError

HIDDEN_WRITES = ("aten.native_batch_norm", "aten.cudnn_batch_norm", "aten.miopen_batch_norm")
"""Kernels whose schema does not say that in training they write into arguments 3 and 4 (running mean and variance)."""
BATCH_NORMS = (*HIDDEN_WRITES, "aten._native_batch_norm_legit", "aten._batch_norm_with_update")
"""Kernels whose results in training do not depend on the running averages that they write."""
BATCH_NORMS_BACK = (
    "aten.native_batch_norm_backward",
    "aten.cudnn_batch_norm_backward",
    "aten.miopen_batch_norm_backward",
    "aten.batch_norm_backward",
)
"""Kernels that are handed running averages, and in training do not read them."""


@dataclass(frozen=True, eq=False)
class Kernel:
    """One call of a kernel.

    Attributes:
        node: its node in the program.
        reads: storages that it reads and other kernels made.
        makes: storages that it makes, by the place of the output that shows it.
        writes: storages that it writes into and did not make.
        written: the arguments, by place, that it writes into.
        is_random: it draws from torch's generator.
        copied_bytes: bytes of running averages that are copied when it runs a second time, so that they move once.
    """

    node: Node
    reads: frozenset[int]
    makes: dict[int, int]
    writes: frozenset[int]
    written: tuple[int, ...]
    is_random: bool
    copied_bytes: int

    @property
    def name(self) -> str:
        """The kernel's name, without its overload."""
        return packet(self.node)


@dataclass(frozen=True, eq=False)
class Kernels:
    """All kernels of a step, in order.

    Attributes:
        kernels: those that compute; views are none.
        num_bytes: bytes of each storage that a kernel makes.
        maker: index of the kernel that makes each storage.
        outputs: the storage that each output of the program shows; None for no kernel's.
        num_forward: how many of them, from the first, make the loss.
        is_view: nodes that only look at another node's storage.
    """

    kernels: tuple[Kernel, ...]
    num_bytes: dict[int, int]
    maker: dict[int, int]
    outputs: tuple[int | None, ...]
    num_forward: int
    is_view: frozenset[Node]

    def sized(self, num_bytes: Mapping[int, int]) -> Kernels:
        """The same with other bytes, by storage."""
        return replace(self, num_bytes=self.num_bytes | dict(num_bytes))


def packet(node: Node) -> str:
    """The name of a node's kernel without its overload, such as `aten.mm`."""
    return str(getattr(node.target, "overloadpacket", node.target))


def tensors_of(value: Any) -> list[Tensor | None]:
    """The outputs of a node as a list, by place; None for what is no tensor."""
    values = value if isinstance(value, list | tuple) else [value]
    return [x if isinstance(x, Tensor) else None for x in values]


def storage(tensor: Tensor) -> int:
    """What tells a storage from others while it lives."""
    return int(tensor.untyped_storage()._cdata)  # noqa: SLF001  # torch has no public identity of a storage


def _shown(node: Node) -> list[int]:
    """Storages that a node's outputs look into."""
    return [storage(x) for x in tensors_of(node.meta.get("val")) if x is not None]


def _written(node: Node) -> tuple[int, ...]:
    """Places of the arguments that a node writes into."""
    schema = getattr(node.target, "_schema", None)
    if packet(node) in HIDDEN_WRITES:
        return tuple(i for i in (3, 4) if node.args[5] and isinstance(node.args[i], Node))
    if schema is None or not schema.is_mutable:
        return ()
    places = [i for i, a in enumerate(schema.arguments) if a.alias_info is not None and a.alias_info.is_write]
    if any(schema.arguments[i].kwarg_only or not isinstance(node.args[i], Node) for i in places):
        raise UsageError(
            f"The step calls {node.target}, which writes into a list or a keyword argument; such kernels cannot be "
            "scheduled. Write the operation without `out=` and without in-place updates of lists."
        )
    return tuple(places)


def read_kernels(trace: StepTrace) -> Kernels:
    """Find what each kernel of a step reads, makes and writes.

    Raises:
        UsageError: a kernel writes into an input, a weight, or a buffer whose value the step reads.
    """
    wanted = _wanted(trace)
    found: list[Kernel] = []
    views: set[Node] = set()
    num_bytes: dict[int, int] = {}
    maker: dict[int, int] = {}
    given = {s: n for n in trace.module.graph.nodes if n.op in ("placeholder", "get_attr") for s in _shown(n)}
    for node in trace.module.graph.nodes:
        if node.op != "call_function" or node not in wanted:
            continue
        read = {s for n in node.all_input_nodes for s in _shown(n)}
        makes = {i: s for i, s in _places(node, wanted).items() if s not in read}
        written = _written(node)
        if not makes and not written:
            views.add(node)
            continue
        _refuse_half_view(node, read, makes, written)
        for place, s in makes.items():
            num_bytes[s] = tensors_of(node.meta["val"])[place].untyped_storage().nbytes()  # type: ignore[union-attr]
            maker.setdefault(s, len(found))
        writes = frozenset(s for i in written for s in _shown(node.args[i]))
        is_random = torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())
        lasting = [tensors_of(node.args[i].meta["val"])[0] for i in written if makes]
        copied = sum(x.untyped_storage().nbytes() for x in lasting if x is not None and storage(x) in given)
        found.append(Kernel(node, frozenset(read - set(given)), makes, writes, written, is_random, copied))
    _refuse_lasting_writes(trace, found, given)
    outputs = tuple(next((s for s in (_shown(n) if n else []) if s in maker), None) for n in trace.outputs)
    num_forward = 1 + (maker[outputs[0]] if outputs[0] is not None else 0)
    return Kernels(tuple(found), num_bytes, maker, outputs, num_forward, frozenset(views))


def _places(node: Node, wanted: set[Node]) -> dict[int, int]:
    """For each storage that a node's outputs show, one output: one that is used, where there is any."""
    used = {user.args[1] for user in node.users if user in wanted and packet(user).endswith("getitem>")}
    shown = {i: storage(x) for i, x in enumerate(tensors_of(node.meta.get("val"))) if x is not None}
    place = {shown[i]: i for i in sorted(shown, key=lambda i: i in used)}
    return {i: s for s, i in place.items()}


def _wanted(trace: StepTrace) -> set[Node]:
    """Nodes that an output needs, or that leave a mark: a write, or a draw from a generator."""
    found = {node for node in trace.outputs if node is not None}
    for node in reversed(trace.module.graph.nodes):
        is_call = node.op == "call_function"
        if is_call and (_written(node) or torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())):
            found.add(node)
        if node in found:
            found.update(node.all_input_nodes)
    return found


def _refuse_half_view(node: Node, read: set[int], makes: dict[int, int], written: tuple[int, ...]) -> None:
    """A kernel makes all its outputs, or none."""
    shown = _shown(node)
    if makes and not written and any(s in read for s in shown):
        raise UsageError(
            f"The step calls {node.target}, one of whose outputs is new and another a view of its input; such kernels "
            "cannot be scheduled."
        )


def _refuse_lasting_writes(trace: StepTrace, kernels: list[Kernel], given: dict[int, Node]) -> None:
    """What outlives the step may be written only where computing again stays harmless: running averages."""
    num, placeholders = len(trace.parameters), [n for n in trace.module.graph.nodes if n.op == "placeholder"]
    buffers = dict(zip(placeholders[num : num + len(trace.buffers)], trace.buffers, strict=True))
    lasting = {s for k in kernels for s in k.writes if s in given}
    for s in lasting:
        if given[s] not in buffers:
            raise UsageError(
                f"The step writes into {given[s].name}, one of its inputs, weights or constants, in place; expected "
                "writes into buffers alone. Write the operation without its in-place form."
            )
    for kernel in kernels:
        seen = {s for n in kernel.node.all_input_nodes for s in _shown(n)} & lasting
        is_harmless = kernel.name in (*BATCH_NORMS, *BATCH_NORMS_BACK) or (seen <= kernel.writes and not kernel.makes)
        if seen and not is_harmless:
            raise UsageError(
                f"The step writes into the buffer {buffers[given[min(seen)]].removeprefix('model.')!r} and its result "
                f"depends on it ({kernel.node.target}): computed again, it would read another value. Expected buffers "
                "that are only written, such as running averages. Compute from the value before it is written, passed "
                "as an input."
            )


def used_tensors(node: Node) -> Iterator[Tensor]:
    """The tensors without data that a kernel is handed and gives."""
    for source in (*node.all_input_nodes, node):
        yield from (x for x in tensors_of(source.meta.get("val")) if x is not None)
