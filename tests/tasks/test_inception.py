"""Inception-v3 has the layers of the paper's table."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="this part needs torch")

from torch.utils.flop_counter import FlopCounterMode

from cupel.tasks.models.inception import Blocks, InceptionV3, Parallel


@pytest.fixture(scope="module")
def model():
    """The paper's network, without memory."""
    with torch.device("meta"):
        return InceptionV3(width=32, num_classes=1000, aux_kernel_px=5, dropout=0.0)


def test_the_sizes_between_blocks_are_those_of_table_1(model):
    x = torch.empty(2, 3, 299, 299, device="meta")
    shapes = []
    for layer in (*model.stem, *model.early, *model.late):
        x = layer(x)
        shapes.append(tuple(x.shape[1:3]))
    assert shapes == [
        (32, 149), (32, 147), (64, 147), (64, 73), (80, 73), (192, 71), (192, 35),
        (256, 35), (288, 35), (288, 35), (768, 17), (768, 17), (768, 17), (768, 17), (768, 17),
        (1280, 8), (2048, 8), (2048, 8),
    ]  # fmt: skip


def test_parameters_and_work_are_the_published_ones(model):
    image = torch.empty(1, 3, 299, 299, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.head(model.late(model.early(model.stem(image))).mean(dim=(2, 3)))
    assert sum(parameter.numel() for parameter in model.parameters()) == 27_161_264
    assert sum(parameter.numel() for parameter in model.aux.parameters()) == 3_326_696
    assert counter.get_total_flops() / 2 == pytest.approx(5.71e9, rel=0.005)


def test_branches_see_the_same_input_and_stand_side_by_side():
    x = torch.randn(1, 2, 3, 3)
    output = Parallel(torch.nn.Identity(), torch.nn.ReLU())(x)
    assert torch.equal(output[:, :2], x)
    assert torch.equal(output[:, 2:], x.relu())


@pytest.mark.parametrize(
    ("layer", "is_padded", "shape"),
    [
        ((64, (3, 3)), True, (9, 9)),
        ((64, (3, 3)), False, (7, 7)),
        ((64, (3, 3), 2), True, (4, 4)),
        ((64, (1, 7)), True, (9, 9)),
        ((64, (7, 1)), True, (9, 9)),
    ],
)
def test_a_convolution_is_normalised_cut_at_zero_and_padded_unless_it_strides(layer, is_padded, shape):
    torch.manual_seed(0)
    block = Blocks(4).conv(32, layer, is_padded=is_padded)
    output = block(torch.randn(8, 4, 9, 9)).detach()
    assert output.shape == (8, 8, *shape)
    assert float(output.min()) == 0.0
    assert block[1].eps == 0.001
    assert block[0].bias is None


def test_the_width_scales_all_channels_but_colours(model):
    with torch.device("meta"):
        narrow = InceptionV3(width=8, num_classes=1000, aux_kernel_px=1, dropout=0.0)
    for ours, theirs in zip(narrow.stem, model.stem, strict=True):
        if isinstance(theirs, torch.nn.Sequential):
            assert ours[0].out_channels * 4 == theirs[0].out_channels
    assert narrow.stem[0][0].in_channels == 3
    assert narrow.head[1].in_features == 512
