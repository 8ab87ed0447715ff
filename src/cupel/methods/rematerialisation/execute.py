"""A training step run kernel by kernel, in the sequence that a schedule says."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.fx import Node
from torch.fx.node import map_arg

from cupel.methods.rematerialisation.kernels import Kernel, Kernels, packet, storage, tensors_of
from cupel.methods.rematerialisation.schedule import Schedule
from cupel.methods.rematerialisation.trace import StepTrace
from cupel.methods.rematerialisation.units import Units
from cupel.spec.errors import UsageError

Watch: TypeAlias = Callable[[int, float], None]
"""Told each unit that ran, by number, and the seconds that it took."""


class Ran(NamedTuple):
    """What a step gave: the loss, detached, and gradients by the parameter's name, None where autograd gives none."""

    loss: Tensor
    gradients: Mapping[str, Tensor | None]


class Memory:
    """The tensors that are held: outputs of kernels by storage, and what views show of them."""

    def __init__(self, kernels: Kernels, placed: Mapping[Node, Tensor]) -> None:
        self.placed = placed
        self.num_bytes: dict[int, int] = {}
        self.lasting = {storage(x) for x in placed.values()}
        self._is_view = kernels.is_view
        self._home = {s: (kernel.node, i) for kernel in kernels.kernels for i, s in kernel.makes.items()}
        self._writers = {kernel.node: kernel.written[0] for kernel in kernels.kernels if not kernel.makes}
        self._held: dict[Node, dict[int, Tensor]] = {}

    def keep(self, kernel: Kernel, value: Any, *, but: AbstractSet[int]) -> None:
        """Hold what a kernel gave, but not the storages named."""
        outputs = tensors_of(value)
        held = self._held.setdefault(kernel.node, {})
        for place, made in kernel.makes.items():
            tensor = outputs[place]
            if tensor is not None:
                self.num_bytes[made] = max(self.num_bytes.get(made, 0), tensor.untyped_storage().nbytes())
                held |= {place: tensor} if made not in but else {}

    def drop(self, made: int) -> None:
        """Let a storage go, where it is held."""
        node, place = self._home[made]
        self._held.get(node, {}).pop(place, None)

    def value(self, node: Node) -> Any:
        """The value of a node: given, held, or a view of such."""
        if node in self.placed:
            return self.placed[node]
        if node in self._writers:  # it gives back what it wrote into
            return self.of(node.args[self._writers[node]])
        if node not in self._is_view:
            return self._held[node][0]
        source = node.args[0]
        if packet(node).endswith("getitem>") and isinstance(source, Node) and source in self._held:
            return self._held[source][int(node.args[1])]  # type: ignore[arg-type]  # a place among its outputs
        return node.target(*self.of(node.args), **self.of(node.kwargs))  # type: ignore[operator]

    def of(self, arguments: Any) -> Any:
        """Arguments with the values of nodes in their place."""
        return map_arg(arguments, self.value)


class Draws:
    """States of the generators when a kernel first drew, so that it draws the same again."""

    def __init__(self) -> None:
        self._states: dict[Kernel, Tensor] = {}

    @contextlib.contextmanager
    def replayed(self, kernel: Kernel, *, is_again: bool) -> Iterator[None]:
        """Remember the state; or, the second time, set it back for the while."""
        device = next(x.device for x in tensors_of(kernel.node.meta["val"]) if x is not None)
        if device.type == "cpu":
            read, write = torch.get_rng_state, torch.set_rng_state
        else:
            part: Any = torch.get_device_module(device)
            read, write = partial(part.get_rng_state, device), partial(part.set_rng_state, device=device)
        now = read()
        if not is_again:
            self._states[kernel] = now
            yield
            return
        write(self._states[kernel])
        try:
            yield
        finally:
            write(now)


class Execution:
    """One run of a step under a schedule; torch's generators are left as an ordinary step leaves them.

    Args:
        trace: the program.
        kernels: what its kernels read and make.
        units: as which they run.
        placed: tensors for the program's placeholders and constants.
        is_trial: in a trial it is no error if a kernel makes more bytes than was planned; see `num_bytes`.
    """

    def __init__(
        self,
        trace: StepTrace,
        kernels: Kernels,
        units: Units,
        *,
        placed: Mapping[Node, Tensor],
        is_trial: bool = False,
    ) -> None:
        self._trace, self._units = trace, units
        self._planned = None if is_trial else kernels.num_bytes
        self._memory = Memory(kernels, placed)
        self._draws = Draws()
        self._forward = frozenset(kernels.kernels[: kernels.num_forward])
        self._done: set[int] = set()

    @property
    def num_bytes(self) -> dict[int, int]:
        """Bytes of each storage that was made."""
        return self._memory.num_bytes

    def run(self, schedule: Schedule, watch: Watch | None = None) -> Ran:
        """Compute and let go, step by step."""
        kinds = {x.device.type for x in self._memory.placed.values()}
        with contextlib.ExitStack() as stack:
            for kind in kinds:  # casts are in the program already
                stack.enter_context(torch.autocast(kind, enabled=False))
            for i, released in zip(schedule.order, schedule.released, strict=True):
                start = time.perf_counter()
                self._run_unit(i)
                if watch is not None:
                    _wait(kinds)
                    watch(i, time.perf_counter() - start)
                for made in (s for v in released for s in self._units.values[v]):
                    self._memory.drop(made)
            return self._ran()

    def _run_unit(self, i: int) -> None:
        unit, is_again = self._units.units[i], i in self._done
        for kernel, drops in zip(unit.kernels, unit.drops, strict=True):
            if not is_again or kernel in unit.again:
                self._run_kernel(kernel, is_again=is_again)
            for made in drops:
                self._memory.drop(made)
        self._done.add(i)

    def _run_kernel(self, kernel: Kernel, *, is_again: bool) -> None:
        memory, node = self._memory, kernel.node
        arguments = list(memory.of(node.args))
        if is_again:  # running averages move once
            for place in kernel.written:
                is_lasting = storage(arguments[place]) in memory.lasting
                arguments[place] = arguments[place].clone() if is_lasting else arguments[place]
        replay = self._draws.replayed(kernel, is_again=is_again) if kernel.is_random else contextlib.nullcontext()
        # nothing requires a gradient here, but some kernels ask whether there is a backward pass
        with replay, torch.set_grad_enabled(kernel in self._forward):
            value = node.target(*arguments, **memory.of(node.kwargs))  # type: ignore[operator]
        memory.keep(kernel, value, but=self._units.results if is_again else frozenset())
        self._refuse_more_than_planned(kernel)

    def _refuse_more_than_planned(self, kernel: Kernel) -> None:
        if self._planned is None:
            return
        for made in kernel.makes.values():
            if self._memory.num_bytes.get(made, 0) > self._planned[made]:
                raise UsageError(
                    f"{kernel.node.target} was planned to make {self._planned[made]:,} bytes and made "
                    f"{self._memory.num_bytes[made]:,}: torch does not know without data how much it keeps, and the "
                    "schedule's peak is not what is held. Plan from TrainingStep(...).sized(*inputs)."
                )

    def _ran(self) -> Ran:
        """The outputs, each with memory of its own."""
        outputs: list[Tensor | None] = []
        seen = set(self._memory.lasting)
        for node in self._trace.outputs:
            value = None if node is None else self._memory.value(node)
            if value is not None:
                size = value.numel() * value.element_size()
                is_own = storage(value) not in seen and value.untyped_storage().nbytes() == size
                seen.add(storage(value))
                value = value if is_own else value.clone()
            outputs.append(value)
        names = (name.removeprefix("model.") for name in self._trace.trained)
        loss = outputs[0]
        assert loss is not None
        return Ran(loss, dict(zip(names, outputs[1:], strict=True)))


def _wait(kinds: AbstractSet[str]) -> None:
    """Wait until the devices have done what they were handed."""
    for kind in kinds - {"cpu"}:
        torch.get_device_module(kind).synchronize()
