"""Bytes of the tensors that live while code runs, counted tensor by tensor.

Every kernel that torch calls is seen, and every storage that it makes is followed to its end. What the process holds
resident says nothing here: allocators keep what was freed. Not seen: scratch memory within a kernel.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cupel.methods.rematerialisation.kernels import storage


class LiveBytes(TorchDispatchMode):
    """A context that follows the storages made within it.

    Example:
        >>> import torch
        >>> with LiveBytes() as live:
        ...     x = torch.ones(4)  # 16 bytes
        ...     for _ in range(3):
        ...         y = x + 1.0
        ...         del y
        >>> live.peak_bytes()
        32
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's own signature
        self._births: list[tuple[int, int]] = []
        self._events: list[tuple[int, int]] = []
        self._known: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the kernel, and follow what is new in its output."""
        given = {storage(x) for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)}
        out = func(*args, **(kwargs or {}))
        for x in tree_leaves(out):
            if isinstance(x, Tensor) and storage(x) not in given:
                self._follow(x.untyped_storage())
        return out

    def _follow(self, piece: Any) -> None:
        if piece in self._known:
            return
        name = len(self._births)
        self._known[piece] = name
        self._births.append((name, piece.nbytes()))
        self._events.append((name, piece.nbytes()))
        weakref.finalize(piece, self._events.append, (name, -piece.nbytes()))

    def peak_bytes(self, *, but: Iterable[Tensor] = ()) -> int:
        """The most bytes that lived at once; storages of the tensors named are not counted."""
        left_out = {self._known.get(x.untyped_storage()) for x in but}
        now = peak = 0
        for name, change in self._events:
            now += 0 if name in left_out else change
            peak = max(peak, now)
        return peak
