"""resnet50 trains ResNet-50, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.models.resnet import BLOCKS, Bottleneck, ResNet
from cupel.workloads import resnet50

TINY = SimpleNamespace(**resnet50.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32", data: str = "synthetic") -> TorchSlot:
    settings = {"precision": precision, "compile": False, "data": data}
    return TorchSlot(device="cpu", settings=settings, threads=1)


def test_full_is_the_papers_network():
    sizes = resnet50.CARD.sizes("full")
    with torch.device("meta"):
        model = ResNet(depth=sizes["depth"], width=sizes["width"], num_classes=sizes["num_classes"])
        logits = model(torch.empty(2, 3, sizes["image_px"], sizes["image_px"]))
        last = model.blocks(model.pool(model.stem(torch.empty(2, 3, 224, 224))))
    assert sum(parameter.numel() for parameter in model.parameters()) == 25_557_032
    assert logits.shape == (2, 1000)
    assert last.shape == (2, 2048, 7, 7)
    assert (sizes["batch"], sizes["image_px"]) == (256, 224)


@pytest.mark.parametrize("depth", BLOCKS)
def test_depth_counts_the_weighted_layers(depth):
    with torch.device("meta"):
        model = ResNet(depth=depth, width=8, num_classes=10)
    is_shortcut = [".shortcut." in name for name, _ in model.named_modules()]
    layers = [m for _, m in model.named_modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    shortcuts = sum(isinstance(block.shortcut, torch.nn.Sequential) for block in model.blocks)
    assert len(layers) - shortcuts == depth
    assert any(is_shortcut)


def test_a_block_is_its_residual_plus_its_shortcut():
    block = Bottleneck(64, 16, 1).eval()
    x = torch.randn(2, 64, 5, 5)
    conv = torch.nn.functional.conv2d
    scale = (1 + 1e-5) ** -0.5
    residual = torch.relu(conv(x, block.reduce[0].weight) * scale)
    residual = torch.relu(conv(residual, block.spatial[0].weight, padding=1) * scale)
    expected = torch.relu(conv(residual, block.expand[0].weight) * scale + x)
    torch.testing.assert_close(block(x), expected)


def test_a_step_counts_the_images_of_its_batch():
    step = resnet50.setup(TINY, make_slot(), Seeds(0))
    assert [step().items for _ in range(3)] == [TINY.batch] * 3


@pytest.fixture
def cache(tmp_path_factory, monkeypatch) -> None:
    pytest.importorskip("PIL", reason="photographs are decoded by Pillow")
    monkeypatch.delenv("CUPEL_IMAGENET", raising=False)
    monkeypatch.setenv("CUPEL_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def test_photographs_are_trained_on(cache):
    losses = []
    for seed in (0, 0, 1):
        torch.manual_seed(0)
        step = resnet50.setup(TINY, make_slot(data="disk"), Seeds(seed))
        done = [step() for _ in range(3)]
        assert [one.items for one in done] == [TINY.batch] * 3
        losses.append([float(one.loss) for one in done])
    assert losses[0] == losses[1] != losses[2]


def test_the_check_passes_on_photographs_and_fails_without_updates(cache):
    resnet50.sane(TINY, make_slot(data="disk"), Seeds(0))
    slot = make_slot(data="disk")
    slot.step = lambda _: None
    with pytest.raises(WrongWorkError, match="expected it to fall"):
        resnet50.sane(TINY, slot, Seeds(0))


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_check_passes(precision):
    resnet50.sane(TINY, make_slot(precision), Seeds(0))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(lambda slot: setattr(slot, "step", lambda _: None), "expected it to fall", id="no update"),
        pytest.param(
            lambda slot: setattr(slot, "step", lambda loss: TorchSlot.step(slot, -loss)), "fall|finite", id="uphill"
        ),
        pytest.param(lambda slot: setattr(slot, "dtype", torch.bfloat16), "precision of the run", id="precision"),
    ],
)
def test_the_check_fails_when_training_does_not(spoil, message):
    slot = make_slot()
    spoil(slot)
    with pytest.raises(WrongWorkError, match=message):
        resnet50.sane(TINY, slot, Seeds(0))


def test_the_check_fails_when_a_part_is_cut_off(monkeypatch):
    monkeypatch.setattr(Bottleneck, "forward", lambda block, x: torch.relu(block.shortcut(x)))
    with pytest.raises(WrongWorkError, match=r"no gradient reaches blocks\.0\."):
        resnet50.sane(TINY, make_slot(), Seeds(0))


def test_the_check_fails_when_the_output_is_not_finite(monkeypatch):
    forward = ResNet.forward
    monkeypatch.setattr(ResNet, "forward", lambda model, images: forward(model, images) / 0.0)
    with pytest.raises(WrongWorkError, match="not finite"):
        resnet50.sane(TINY, make_slot(), Seeds(0))


def test_the_check_fails_when_the_classes_are_wrong(monkeypatch):
    forward = ResNet.forward
    monkeypatch.setattr(ResNet, "forward", lambda model, images: forward(model, images)[:, :5])
    with pytest.raises(WrongWorkError, match=r"shape \(4, 5\); expected \(4, 10\)"):
        resnet50.sane(TINY, make_slot(), Seeds(0))
