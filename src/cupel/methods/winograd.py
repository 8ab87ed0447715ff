"""Convolution by Winograd's algorithm as a layer: exact in real numbers, and trained with its rounding where quantised.

The output is made in tiles of m x m, each from n x n inputs, n = m + r - 1:

    Y = A^T [ sum over channels of (G g G^T) * (B^T d B) ] A

with 2.25, 4 and 5.06 times fewer multiplications than the direct sum for r = 3 and m = 2, 4, 6. What is lost is
digits: sums of large terms of both signs cancel, the more the larger the tile. A *Winograd-aware* layer shows these
errors to training: at b bits it rounds the input, the filter, the matrices, G g G^T, B^T d B, the sum of products and
the output, with gradients straight through. *Learned* (the paper's flex) makes A^T, G and B^T parameters of the layer,
which start as the exact ones and need not stay a convolution.

Decisions: each of the roundings has one range for the whole tensor, as in the paper; `by_position` gives G g G^T,
B^T d B and the sum of products a range for each of the n^2 positions of a tile instead, which later work found to be
what low precision needs (Andri et al. 2022, arXiv 2209.12982). Both 1-D passes of a transform are one product with the
Kronecker square of its matrix, so that nothing is rounded between them.

Paper to code: A^T, G, B^T `output`, `filter`, `input` of `Transforms`, and `output_transform`, `filter_transform`,
`input_transform` of the layer; g `weight`, d a tile of the input, F(m x m, r x r) `tile=m`.

Shapes: N images, C input channels, K output channels, S groups, T tiles of all images, n^2 positions of a tile.

Source: Fernandez-Marques, Whatmough, Mundy, Mattina: Searching for Winograd-aware Quantized Networks (MLSys 2020, arXiv
2002.10711); Lavin and Gray (CVPR 2016, arXiv 1509.09308).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from cupel.methods.cook_toom import Transforms, cook_toom
from cupel.methods.fake_quantizer import FakeQuantizer
from cupel.spec.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Winograd:
    """How a convolution is to be computed.

    Args:
        tile: m, outputs along a side of a tile; 2, 4 and 6 are in use.
        bits: of every rounding, 2 to 16; None for none.
        is_learned: whether A^T, G and B^T are trained with the weights (flex), or stand still (static).
        by_position: whether values within a tile have a range for each position, or one for all.
        transforms: matrices to start from; those of `cook_toom(tile, r)` where None.
    """

    tile: int = 4
    bits: int | None = 8
    is_learned: bool = False
    by_position: bool = False
    transforms: Transforms | None = None

    def convert(self, conv: nn.Conv2d) -> WinogradConv2d:
        """A layer in the place of a convolution, with the same weight and bias."""
        return WinogradConv2d(conv, self)


@dataclass(frozen=True)
class Direct:
    """A convolution computed as usual, at b bits: input, weight and output are rounded.

    Args:
        bits: 2 to 16; None for no rounding.
    """

    bits: int | None = 8

    def convert(self, conv: nn.Conv2d) -> QuantizedConv2d:
        """A layer in the place of a convolution, with the same weight and bias."""
        return QuantizedConv2d(conv, bits=self.bits)


class _InPlaceOf(nn.Module):
    """What a layer in the place of a convolution takes over: parameters, padding, and ranges where it has them."""

    weight: nn.Parameter
    bias: nn.Parameter | None
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[int, ...] | str
    padding_mode: str
    groups: int

    def __init__(self, conv: nn.Conv2d | _InPlaceOf, bits: int | None) -> None:
        super().__init__()
        self.weight = cast("nn.Parameter", conv.weight)
        self.register_parameter("bias", cast("nn.Parameter | None", conv.bias))
        self.kernel_size, self.stride, self.dilation = conv.kernel_size, conv.stride, conv.dilation
        self.padding, self.padding_mode, self.groups = conv.padding, conv.padding_mode, conv.groups
        self.input_quantizer, self.weight_quantizer, self.output_quantizer = (
            FakeQuantizer(bits=bits).to(conv.weight.device) for _ in range(3)
        )
        if isinstance(conv, _InPlaceOf):
            for own, theirs in zip(self.quantizers, conv.quantizers, strict=True):
                own.follow(theirs)
        self.train(conv.training)

    @property
    def quantizers(self) -> tuple[FakeQuantizer, FakeQuantizer, FakeQuantizer]:
        """Of input, weight and output."""
        return self.input_quantizer, self.weight_quantizer, self.output_quantizer

    def padded(self, x_NCHW: Tensor) -> Tensor:
        """The input with the convolution's own padding around it."""
        sides: list[int] = []
        for axis in (1, 0):  # the last axis first, as `pad` takes them
            size, dilation = self.kernel_size[axis], self.dilation[axis]
            if isinstance(self.padding, str):
                total = dilation * (size - 1) if self.padding == "same" else 0
                sides += [total // 2, total - total // 2]
            else:
                sides += [self.padding[axis], self.padding[axis]]
        if not any(sides):
            return x_NCHW
        return functional.pad(x_NCHW, sides, mode="constant" if self.padding_mode == "zeros" else self.padding_mode)


class QuantizedConv2d(_InPlaceOf):
    """A convolution whose input, weight and output are rounded to b bits, in training too.

    Args:
        conv: the convolution in whose place it stands; parameters stay the same objects.
        bits: 2 to 16; None for no rounding.
    """

    def __init__(self, conv: nn.Conv2d | _InPlaceOf, *, bits: int | None = 8) -> None:
        super().__init__(conv, bits)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """The convolution, (N, K, H', W')."""
        x_NCHW, weight = self.padded(self.input_quantizer(x_NCHW)), self.weight_quantizer(self.weight)
        found = functional.conv2d(
            x_NCHW, weight, self.bias, stride=self.stride, dilation=self.dilation, groups=self.groups
        )
        return self.output_quantizer(found)  # type: ignore[no-any-return]


class WinogradConv2d(_InPlaceOf):
    """A convolution computed by Winograd's algorithm.

    Args:
        conv: the convolution in whose place it stands, of a square filter, without stride and dilation; parameters
            stay the same objects. Ranges of a `QuantizedConv2d` are taken over.
        form: tile, bits, and whether the transforms are learned.

    Raises:
        UsageError: Winograd's algorithm does not exist for the convolution (`why_not` says so beforehand), or the
            transforms are for another filter.

    Attributes:
        output_transform, filter_transform, input_transform: A^T (m, n), G (n, r), B^T (n, n); parameters where they
            are learned, else buffers.

    Cost:
        n^2 / m^2 products for each output and pair of channels, where the direct sum has r^2, besides 2 n^4 / m^2 or so
        for the transforms as they are computed here. Memory in training: each of the three stages within tiles, n^2 /
        m^2 as large as input or output.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from cupel.methods.winograd import Winograd, WinogradConv2d
        >>> conv = nn.Conv2d(3, 8, 3, padding=1).double()
        >>> x = torch.ones(1, 3, 9, 7, dtype=torch.float64)
        >>> exact = WinogradConv2d(conv, Winograd(tile=4, bits=None))
        >>> torch.testing.assert_close(exact(x), conv(x), rtol=1e-12, atol=1e-12)
        >>> aware = WinogradConv2d(conv, Winograd(tile=4, bits=8, is_learned=True))  # train it as any other layer
        >>> aware(x).shape
        torch.Size([1, 8, 9, 7])
    """

    output_transform: Tensor
    filter_transform: Tensor
    input_transform: Tensor

    def __init__(self, conv: nn.Conv2d | _InPlaceOf, form: Winograd) -> None:
        reason = why_not(conv)
        if reason:
            raise UsageError(f"A layer by Winograd's algorithm was asked in the place of {conv}: {reason}.")
        super().__init__(conv, form.bits)
        self.form = form
        taps = conv.kernel_size[0]
        transforms = form.transforms or cook_toom(form.tile, taps)
        if (transforms.num_outputs, transforms.num_taps) != (form.tile, taps):
            raise UsageError(
                f"The transforms are of F({transforms.num_outputs}, {transforms.num_taps}); expected those of "
                f"F({form.tile}, {taps}), for tile={form.tile} and a filter of {taps} x {taps}."
            )
        names = ("output_transform", "filter_transform", "input_transform")
        for name, array in zip(names, transforms.arrays(), strict=True):
            matrix = torch.from_numpy(array).to(conv.weight)
            if form.is_learned:
                self.register_parameter(name, nn.Parameter(matrix))
            else:
                self.register_buffer(name, matrix)
        positions = transforms.num_products**2 if form.by_position else 0
        self.matrix_quantizers = nn.ModuleDict({name: FakeQuantizer(bits=form.bits) for name in names})
        stages = ("filter_stage", "input_stage", "product_stage")
        self.stage_quantizers = nn.ModuleDict(
            {name: FakeQuantizer(bits=form.bits, positions=positions) for name in stages}
        )
        self.to(conv.weight.device).train(conv.training)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """The convolution, (N, K, H', W')."""
        m, n = self.output_transform.shape
        num_images, num_channels = x_NCHW.shape[:2]
        x_NCHW = self.padded(self.input_quantizer(x_NCHW))
        height, width = (side - (n - m) for side in x_NCHW.shape[2:])
        if min(height, width) < 1:
            raise UsageError(
                f"The input is {x_NCHW.shape[2]} x {x_NCHW.shape[3]} with its padding; expected at least {n - m + 1} "
                f"each way for a filter of {n - m + 1} x {n - m + 1}."
            )
        down, across = -(-height // m), -(-width // m)
        x_NCHW = functional.pad(x_NCHW, (0, across * m - width, 0, down * m - height))
        tiles_NCPT = functional.unfold(x_NCHW, n, stride=m).view(num_images, num_channels, n * n, -1)
        tiles_PSCT = tiles_NCPT.permute(2, 1, 0, 3).reshape(n * n, self.groups, num_channels // self.groups, -1)
        product_PSKT = self._filter_stage() @ self._stage("input", tiles_PSCT)
        product_PSKT = self.stage_quantizers["product_stage"](product_PSKT)
        output_QKT = self._square("output_transform") @ product_PSKT.flatten(1)
        output = output_QKT.view(m, m, -1, num_images, down, across).permute(3, 2, 4, 0, 5, 1)
        output = output.reshape(num_images, -1, down * m, across * m)[:, :, :height, :width]
        if self.bias is not None:
            output = output + self.bias.view(-1, 1, 1)
        return self.output_quantizer(output)  # type: ignore[no-any-return]

    def _filter_stage(self) -> Tensor:
        """G g G^T, rounded, as (n^2, S, K / S, C / S)."""
        weight = self.weight_quantizer(self.weight)
        num_filters, channels = weight.shape[:2]
        taps_RKC = weight.flatten(2).permute(2, 0, 1)
        return self._stage("filter", taps_RKC.reshape(-1, self.groups, num_filters // self.groups, channels))

    def _stage(self, what: str, values: Tensor) -> Tensor:
        """Filters or tiles, transformed and rounded; the first axis goes from their elements to the n^2 positions."""
        found = self._square(f"{what}_transform") @ values.flatten(1)
        return self.stage_quantizers[f"{what}_stage"](found.view(-1, *values.shape[1:]))  # type: ignore[no-any-return]

    def _square(self, name: str) -> Tensor:
        """A matrix, rounded, as its Kronecker square: both passes of a transform of flattened tiles."""
        matrix = self.matrix_quantizers[name](getattr(self, name))
        return torch.kron(matrix, matrix)

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        channels = f"{self.weight.shape[1] * self.groups}, {self.weight.shape[0]}"
        return f"{channels}, padding={self.padding}, groups={self.groups}, {self.form}"


def why_not(conv: nn.Module) -> str:
    """Why Winograd's algorithm cannot stand in the place of a layer, in words; empty where it can."""
    if not isinstance(conv, nn.Conv2d | QuantizedConv2d):
        return "it is no Conv2d"
    if isinstance(conv, nn.LazyConv2d) or "weight" not in conv._parameters:  # noqa: SLF001 (a parametrised weight is none)
        return "its weight is no parameter of its own yet; run the model once, or remove the parametrisation"
    if conv.kernel_size[0] != conv.kernel_size[1] or conv.kernel_size[0] < 2:
        return f"its filter is {conv.kernel_size[0]} x {conv.kernel_size[1]}; expected a square one of 2 x 2 or more"
    if set(conv.stride) != {1} or set(conv.dilation) != {1}:
        return f"its stride is {conv.stride} and its dilation {conv.dilation}; expected 1 (pool before it instead)"
    return ""
