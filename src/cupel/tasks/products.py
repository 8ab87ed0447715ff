"""Matrix products of random operands, at every precision that a device may have.

Operands are independent standard normal numbers rounded to the precision (int8: uniform in -127..127): devices draw
less power and run faster on zeros and on regular numbers. bf16 and fp16 products are stored in their own dtype, fp8
(e4m3, scales of 1, fast accumulation) in bf16, int8 in int32; tf32 is a mode of fp32 that the slot sets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from cupel.spec import Slot, UnsupportedError

TOLERANCE = {"fp32": 1e-5, "tf32": 2e-3, "bf16": 1e-2, "fp16": 2e-3, "fp8": 2e-2, "int8": 0.0}
"""Largest error of a product of the operands as rounded, relative in the Frobenius norm, by precision."""
CAPABILITY = {"fp8": (8, 9), "int8": (7, 5)}
"""Least NVIDIA compute capability, where a precision needs one."""


@dataclass(frozen=True)
class Product:
    """One product: left (m, k) times right (k, n) into out (m, n), done by calling `multiply`."""

    left: Tensor
    right: Tensor
    out: Tensor
    multiply: Callable[[], object]

    @property
    def flop(self) -> int:
        """Multiplications and additions, as counted for the plain algorithm."""
        return 2 * self.left.shape[0] * self.left.shape[1] * self.right.shape[1]

    def error(self) -> float:
        """Distance of `out` from the product in float64, relative to that product (Frobenius norm)."""
        exact = self.left.cpu().double() @ self.right.cpu().double()
        return float((self.out.cpu().double() - exact).norm() / exact.norm())


def require_units(slot: Slot) -> None:
    """Refuse a precision that the device has no units for.

    Raises:
        UnsupportedError: fp8 or int8 on a device that this package knows no product for, or fp16 on a processor where
            it is done one number at a time (a hundred times slower than fp32).
    """
    if slot.precision == "fp16" and slot.device.type == "cpu" and not torch.ops.mkldnn._is_mkldnn_fp16_supported():  # noqa: SLF001
        raise UnsupportedError("precision=fp16 was asked on a CPU without fp16 units. Take bf16 or fp32.")
    if slot.precision not in CAPABILITY or (slot.precision == "int8" and slot.device.type == "cpu"):
        return
    major, minor = CAPABILITY[slot.precision]
    wanted = f"an NVIDIA GPU of compute capability {major}.{minor} or more"
    if slot.device.type != "cuda" or torch.version.hip is not None:
        raise UnsupportedError(f"precision={slot.precision} was asked on {slot.device}; it needs {wanted}. Take bf16.")
    found = torch.cuda.get_device_capability(slot.device)
    if found < (major, minor):
        raise UnsupportedError(
            f"precision={slot.precision} was asked on {slot.device} of compute capability {found[0]}.{found[1]}; "
            f"it needs {wanted}. Take fp16."
        )


def random_product(m: int, k: int, n: int, *, slot: Slot, generator: torch.Generator) -> Product:
    """A product of random operands on the slot's device, at its precision."""
    if slot.precision == "int8":
        return _int8(m, k, n, generator)
    left = torch.randn(m, k, generator=generator, device=slot.device)
    right = torch.randn(n, k, generator=generator, device=slot.device).t()
    if slot.precision == "fp8":
        return _fp8(left, right)
    left, right = left.to(slot.dtype), right.to(slot.dtype).contiguous()
    out = torch.empty(m, n, dtype=slot.dtype, device=slot.device)
    return Product(left, right, out, lambda: torch.mm(left, right, out=out))


def _int8(m: int, k: int, n: int, generator: torch.Generator) -> Product:
    """Whole numbers, summed exactly in int32."""
    device = generator.device
    left = torch.randint(-127, 128, (m, k), generator=generator, device=device, dtype=torch.int8)
    right = torch.randint(-127, 128, (n, k), generator=generator, device=device, dtype=torch.int8).t()
    out = torch.empty(m, n, dtype=torch.int32, device=device)
    return Product(left, right, out, lambda: torch._int_mm(left, right, out=out))  # noqa: SLF001 (no public name)


def _fp8(left: Tensor, right: Tensor) -> Product:
    """Operands in e4m3, the right one column by column as the units want it."""
    left8, right8 = left.to(torch.float8_e4m3fn), right.to(torch.float8_e4m3fn)
    out = torch.empty(left.shape[0], right.shape[1], dtype=torch.bfloat16, device=left.device)
    one = torch.ones((), device=left.device)
    kinds = {"scale_a": one, "scale_b": one, "out_dtype": torch.bfloat16, "use_fast_accum": True}
    scaled_mm = torch._scaled_mm  # noqa: SLF001 (no public name)
    return Product(left8, right8, out, lambda: scaled_mm(left8, right8, out=out, **kinds))
