"""All partial products of a chain of Jacobians with a gradient, in a logarithmic number of dependent steps.

Back-propagation multiplies the gradient of the end with one transposed Jacobian after the other. Products of matrices
may be grouped in any way as long as their order stays, so all partial products are a *scan*: many products can be
computed at once, where the plain way waits for each. Work grows for it: matrices are multiplied with matrices.

Paper to code: the array [grad x_n, J_n^T, ..., J_1^T] is `last` and `transposed`; A <> B = B A is the order in which
products are taken; the result is the exclusive scan and its total: the gradients at x_n, ..., x_0.

Source: Wang, Bai, Pekhimenko: BPPSA: Scaling Back-propagation by Parallel Scan Algorithm (MLSys 2020, arXiv
1907.10134), section 3; Blelloch, Prefix Sums and Their Applications (1990); Hillis and Steele, Data Parallel Algorithms
(1986).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from cupel.spec.errors import UnknownNameError, UsageError

Scan: TypeAlias = Literal["blelloch", "hillis-steele", "sequential"]


@dataclass(frozen=True, eq=False)
class NodeGradients:
    """Gradients at every node of a chain of T steps, and what they took.

    Attributes:
        gradients: at x_0, ..., x_T, in this order: (T + 1, B, d).
        steps: batched products that had to wait for one another.
        macs: multiplications of all of them.
    """

    gradients: Tensor
    steps: int
    macs: int


def scan_jacobians(jacobians: Tensor, last: Tensor, *, scan: Scan = "blelloch") -> NodeGradients:
    """Gradients at every node of a chain from its Jacobians and the gradient at its end.

    Args:
        jacobians: of x_t by x_(t-1), for t = 1 to T, of B examples: (T, B, d, d), row i being the derivatives of output
            i. Nodes of different widths are filled up with zeros.
        last: gradient at x_T, (B, d).
        scan: `blelloch`, 2 ceil(log2 T) steps and some T d^3 multiplications; `hillis-steele`, 1 + ceil(log2 T) steps
            and some T log2(T) d^3; `sequential`, T steps and T d^2, as back-propagation does it.

    Raises:
        UsageError: shapes do not fit, or the scan has another name.

    Cost:
        Memory: about 2 T B d^2 numbers; T B d^2 for `sequential`. Products of many Jacobians run out of the range of
        float32 sooner than products with a vector do: where the chain itself explodes or vanishes.

    Example:
        >>> import torch
        >>> from cupel.methods.jacobian_scan import scan_jacobians
        >>> doubling = 2.0 * torch.eye(2).expand(3, 1, 2, 2)
        >>> found = scan_jacobians(doubling, torch.ones(1, 2))
        >>> found.gradients[:, 0, 0].tolist(), found.steps
        ([8.0, 4.0, 2.0, 1.0], 4)
    """
    if scan not in SCANS:
        raise UnknownNameError("scan", scan, SCANS)
    if jacobians.ndim != 4 or jacobians.shape[2] != jacobians.shape[3] or jacobians.shape[1:3] != last.shape:
        raise UsageError(
            f"jacobians {tuple(jacobians.shape)} with last {tuple(last.shape)} were given; expected (T, B, d, d) with "
            "(B, d)."
        )
    counted = _Products()
    if len(jacobians) == 0:
        return NodeGradients(last[None], 0, 0)
    gradients = SCANS[scan](jacobians.flip(0).transpose(2, 3), last, counted)
    return NodeGradients(gradients.flip(0), counted.steps, counted.macs)


class _Products:
    """Batched products, counted."""

    def __init__(self) -> None:
        self.steps = 0
        self.macs = 0

    def of(self, later: Tensor, earlier: Tensor, *, waits: bool = True) -> Tensor:
        """Products later x earlier of (n, B, d, d) with (n, B, d, d) or (n, B, d); `waits` for the step before."""
        self.steps += waits
        self.macs += earlier.numel() * later.shape[-1]
        return later @ earlier if earlier.ndim == later.ndim else (later @ earlier[..., None])[..., 0]


def _blelloch(transposed: Tensor, last: Tensor, products: _Products) -> Tensor:
    """Gradients at x_T, ..., x_0: up a binary tree with products of matrices, down again with the vector."""
    levels = [transposed]
    while len(levels[-1]) > 1:
        now = levels[-1]
        pairs = len(now) // 2
        above = products.of(now[1::2], now[: 2 * pairs : 2])
        levels.append(torch.cat([above, now[2 * pairs :]]) if len(now) % 2 else above)
    before = last[None]  # what comes before the root: the gradient at the end
    first = products.of(levels.pop(), before, waits=not levels)  # the total, beside the first step down
    for now in reversed(levels):
        below = now.new_empty(len(now), *last.shape)
        below[0::2] = before
        below[1::2] = products.of(now[: 2 * (len(now) // 2) : 2], before[: len(now) // 2])
        before = below
    return torch.cat([before, first])


def _hillis_steele(transposed: Tensor, last: Tensor, products: _Products) -> Tensor:
    """Gradients at x_T, ..., x_0: each product takes in the one 1, 2, 4, ... places before it."""
    now, reach = transposed, 1
    while reach < len(transposed):
        now = torch.cat([now[:reach], products.of(now[reach:], now[:-reach])])
        reach *= 2
    return torch.cat([last[None], products.of(now, last.expand(len(now), *last.shape))])


def _sequential(transposed: Tensor, last: Tensor, products: _Products) -> Tensor:
    """Gradients at x_T, ..., x_0, one after the other."""
    found = [last]
    for step in transposed:
        found.append(products.of(step, found[-1]))
    return torch.stack(found)


SCANS: dict[str, Callable[[Tensor, Tensor, _Products], Tensor]] = {
    "blelloch": _blelloch,
    "hillis-steele": _hillis_steele,
    "sequential": _sequential,
}
