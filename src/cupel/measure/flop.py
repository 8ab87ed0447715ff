"""Floating-point operations of a step, counted once, outside the timed part.

Rules
    Counted: products of matrices (2 m n k), convolutions and attention, forward
    and backward, as they are executed: what is computed again in the backward
    pass counts again. Not counted: sums, element-wise functions, Fourier
    transforms, lookups.
    The step is run eagerly, so that every product is seen whatever the run
    compiled.

Source: torch's `FlopCounterMode`, with formulas for the kernels that it does not know.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Sequence
from typing import Any

from cupel.spec.protocols import Step


def flop_per_item(step: Step) -> float | None:
    """Operations of one more step, per item that it did.

    Args:
        step: a step that has been run before.

    Returns:
        Multiplications and additions per item; None where nothing that counts was done.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")  # that the counter's hooks fire twice on a compiled module changes no count
        stack.enter_context(torch.compiler.set_stance("force_eager"))
        counter = stack.enter_context(FlopCounterMode(display=False, custom_mapping=_further_kernels()))
        done = step()
    total, items = float(counter.get_total_flops()), float(done.items)
    return total / items if total > 0 and items > 0 else None


def _further_kernels() -> dict[Any, Any]:
    """Formulas for kernels that torch's counter passes over."""
    import torch
    from torch.utils import flop_counter

    formulas: Any = flop_counter

    def attention(query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: Any, **__: Any) -> int:
        return int(formulas.sdpa_flop_count(query, key, value))

    def attention_back(grad: Sequence[int], *shapes: Any, **_: Any) -> int:
        return int(formulas.sdpa_backward_flop_count(grad, *shapes[:3]))

    def product(left: Sequence[int], right: Sequence[int], *_: Any, **__: Any) -> int:
        return 2 * left[0] * left[1] * right[1]

    def layer(times: int) -> Any:
        """A recurrent layer: each element of its matrices once per element of the input's sequences."""

        def count(x: Sequence[int], *rest: Any, **_: Any) -> int:
            weights = rest[0] if isinstance(rest[0], (list, tuple)) and isinstance(rest[0][0], Sequence) else rest[:2]
            return times * 2 * x[0] * x[1] * sum(math.prod(w) for w in weights if len(w) == 2)

        return count

    aten = torch.ops.aten
    return {
        aten._scaled_dot_product_flash_attention_for_cpu: attention,  # noqa: SLF001 (no public names)
        aten._scaled_dot_product_flash_attention_for_cpu_backward: attention_back,  # noqa: SLF001
        aten._int_mm: product,  # noqa: SLF001
        aten.mkldnn_rnn_layer: layer(1),
        aten.mkldnn_rnn_layer_backward: layer(2),
        aten._cudnn_rnn: layer(1),  # noqa: SLF001
        aten._cudnn_rnn_backward: layer(2),  # noqa: SLF001
    }
