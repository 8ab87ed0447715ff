"""focalnet trains FocalNet-B with the larger receptive field, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="this workload needs torch")
pytest.importorskip("transformers", reason="this workload needs transformers")

from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.classification import cross_entropy
from cupel.workloads import focalnet

TINY = SimpleNamespace(**focalnet.CARD.sizes("tiny"))
FULL = SimpleNamespace(**focalnet.CARD.sizes("full"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision, "compile": False}, threads=1)


def modulations(model):
    return [module for module in model.modules() if type(module).__name__ == "FocalNetModulation"]


def test_full_is_the_papers_network():
    with torch.device("meta"):
        model = focalnet.build_model(FULL)
        logits = model(torch.empty(2, 3, 224, 224)).logits
    assert sum(parameter.numel() for parameter in model.parameters()) == 88_749_768
    assert logits.shape == (2, 1000)
    assert len(modulations(model)) == 2 + 2 + 18 + 2
    assert {tuple(one.kernel_sizes) for one in modulations(model)} == {(3, 5, 7)}
    assert (FULL.batch, FULL.image_px) == (128, 224)
    assert FULL.learning_rate == pytest.approx(1e-3 * FULL.batch / 1024)


def test_a_block_modulates_as_the_paper_writes_it():
    """Equations 4 to 8: levels of context, gated and summed, then multiplied into the query."""
    torch.manual_seed(0)
    block = modulations(focalnet.build_model(TINY))[0].double()
    x = torch.randn(2, 8, 8, block.dim, dtype=torch.float64)
    query, context, gates = block.projection_in(x).split((block.dim, block.dim, 4), dim=-1)
    total = torch.zeros_like(query)
    for level, layer in enumerate(block.focal_layers):
        kernel = layer[0].weight
        wide = F.conv2d(context.permute(0, 3, 1, 2), kernel, padding=kernel.shape[-1] // 2, groups=block.dim)
        context = F.gelu(wide).permute(0, 2, 3, 1)
        total = total + gates[..., level : level + 1] * context
    total = total + gates[..., 3:] * F.gelu(context.mean(dim=(1, 2), keepdim=True))
    modulator = F.linear(total, block.projection_context.weight[:, :, 0, 0], block.projection_context.bias)
    torch.testing.assert_close(block(x), block.projection_out(query * modulator))


def test_the_loss_is_the_librarys_but_for_the_smoothing():
    torch.manual_seed(0)
    classifier = focalnet.build(TINY, make_slot(), Seeds(0))
    classifier.model.eval()
    batch = classifier.batches[0]
    with torch.no_grad():
        output = classifier.model(batch.images_NCHW, labels=batch.labels_N)
        torch.testing.assert_close(cross_entropy(classifier.model, batch, classifier.slot), output.loss)
        spread = -output.logits.log_softmax(dim=1).mean()
        torch.testing.assert_close(classifier.loss(batch), 0.9 * output.loss + 0.1 * spread)


def test_a_step_counts_the_images_of_its_batch():
    step = focalnet.setup(TINY, make_slot(), Seeds(0))
    assert [step().items for _ in range(2)] == [TINY.batch] * 2


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_check_passes(precision):
    focalnet.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_fails_without_updates(monkeypatch):
    monkeypatch.setattr(TorchSlot, "step", lambda _slot, _loss, _norm: None)
    with pytest.raises(WrongWorkError, match=r"focalnet: .*expected it to fall"):
        focalnet.sane(TINY, make_slot(), Seeds(0))


def test_the_check_fails_when_modulation_is_left_out(monkeypatch):
    monkeypatch.setattr(type(modulations(focalnet.build_model(TINY))[0]), "forward", lambda _block, x: x)
    with pytest.raises(WrongWorkError, match=r"no gradient reaches .*modulation"):
        focalnet.sane(TINY, make_slot(), Seeds(0))
