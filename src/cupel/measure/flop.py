"""Floating-point operations of a step, counted once, outside the timed part.

Rules
    Counted: products of matrices (2 m n k), convolutions and attention, forward
    and backward, as they are executed: what is computed again in the backward
    pass counts again. A product of complex numbers is four of real ones. Each
    product counts whole, also where a mask hides a part of it. Of a product
    that is cut over ranks, the part of this rank.
    Not counted: sums, element-wise functions, Fourier transforms, lookups.
    The step is run eagerly, so that every product is seen whatever the run
    compiled.

Source: the formulas of torch's `FlopCounterMode`, with others for the kernels that it does not know or counts wrongly;
its hooks on modules are left out, since they refuse gradients of gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from cupel.spec.protocols import Step

Formula: TypeAlias = Callable[..., int]
"""Operations of one call of a kernel, from its arguments and, as `out_val`, its result."""

COMPLEX_FACTOR = 4
"""(a + bi)(c + di) and its addition to a sum: 4 multiplications and 4 additions, where real numbers take one each."""


def flop_per_item(step: Step) -> float | None:
    """Operations of one more step, per item that it did.

    Args:
        step: a step that has been run before.

    Returns:
        Multiplications and additions per item; None where nothing that counts was done.
    """
    import torch

    counter = counting_mode()
    with torch.compiler.set_stance("force_eager"), counter:
        done = step()
    total, items = float(counter.total), float(done.items)
    return total / items if total > 0 and items > 0 else None


def counting_mode() -> Any:
    """A context in which torch's products are counted: `total` holds their operations."""
    from torch import Tensor
    from torch.utils._python_dispatch import TorchDispatchMode

    class Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own signature
        """Sees every kernel that is called, also by the backward pass."""

        supports_higher_order_operators = True

        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.total = 0
            self._formulas = _formulas()

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if any(hasattr(kind, "redistribute") for kind in types):
                return NotImplemented  # a tensor that is cut over ranks: the products of its parts come here in turn
            kwargs = kwargs or {}
            formula = self._formulas.get(str(getattr(func, "overloadpacket", func)))
            if formula is None and getattr(func, "namespace", "prim") != "prim":  # the others have no parts
                with self:
                    parts = func.decompose(*args, **kwargs)
                if parts is not NotImplemented:
                    return parts
            out = func(*args, **kwargs)
            if formula is not None:
                is_complex = any(isinstance(x, Tensor) and x.is_complex() for x in args)
                self.total += formula(*args, **kwargs, out_val=out) * (COMPLEX_FACTOR if is_complex else 1)
            return out

    return Counter()


def _formulas() -> Mapping[str, Formula]:
    """The formula of each kernel that does products, by its name."""
    from torch.utils import flop_counter

    known = {str(kernel): formula for kernel, formula in flop_counter.flop_registry.items()}
    return {
        **known,
        "aten.convolution_backward": _convolution_back,
        "aten.mv": _product,
        "aten._int_mm": _product,
        "aten._grouped_mm": _grouped_products,
        "transformers.grouped_mm_fallback": _grouped_products,
        "aten._scaled_dot_product_flash_attention_for_cpu": _attention,
        "aten._scaled_dot_product_flash_attention_for_cpu_backward": _attention_back,
        "aten.mkldnn_rnn_layer": _recurrent_layer(1),
        "aten.mkldnn_rnn_layer_backward": _recurrent_layer(2),
        **dict.fromkeys(("aten._cudnn_rnn", "aten.miopen_rnn"), _recurrent_layer(1)),
        **dict.fromkeys(("aten._cudnn_rnn_backward", "aten.miopen_rnn_backward"), _recurrent_layer(2)),
    }


def _product(left: Any, right: Any, *_: Any, **__: Any) -> int:
    """A matrix by a matrix or a vector."""
    return int(2 * left.numel() * math.prod(right.shape[1:]))


def _grouped_products(left: Any, right: Any, *_: Any, **__: Any) -> int:
    """Products of groups: of rows with a matrix each, of matrices with columns each, or cut along what is summed."""
    groups = left.shape[0] if left.ndim > right.ndim else 1  # each matrix meets the columns of its own group only
    return int(2 * left.numel() * right.shape[-1] // groups)


def _convolution_back(grad: Any, x: Any, weight: Any, *rest: Any, **_: Any) -> int:
    """As many operations as forward for each gradient that is asked: of the input, of the weight.

    Torch's own formula forgets that the channels of a group meet each other only.
    """
    is_transposed, output_mask = rest[4], rest[7]
    places = math.prod((x if is_transposed else grad).shape[2:])
    return int(2 * (bool(output_mask[0]) + bool(output_mask[1])) * x.shape[0] * places * weight.numel())


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    from torch.utils import flop_counter

    formulas: Any = flop_counter
    return int(formulas.sdpa_flop_count(query.shape, key.shape, value.shape))


def _attention_back(grad: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    from torch.utils import flop_counter

    formulas: Any = flop_counter
    return int(formulas.sdpa_backward_flop_count(grad.shape, query.shape, key.shape, value.shape))


def _recurrent_layer(times: int) -> Formula:
    """A recurrent layer: each element of its matrices once per element of the input's sequences."""

    def count(x: Any, *rest: Any, **_: Any) -> int:
        weights: Sequence[Any] = rest[0] if isinstance(rest[0], list | tuple) else rest[:2]
        return int(times * 2 * x.shape[0] * x.shape[1] * sum(w.numel() for w in weights if w.ndim == 2))

    return count
