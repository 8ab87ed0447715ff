"""convnext_large trains ConvNeXt-L, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="this workload needs torch")
pytest.importorskip("transformers", reason="this workload needs transformers")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.classification import cross_entropy
from cupel.workloads import convnext_large

TINY = SimpleNamespace(**convnext_large.CARD.sizes("tiny"))
FULL = SimpleNamespace(**convnext_large.CARD.sizes("full"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision, "compile": False}, threads=1)


def test_full_is_the_papers_network():
    with torch.device("meta"):
        model = convnext_large.build_model(FULL)
        logits = model(torch.empty(2, 3, 224, 224)).logits
    assert sum(parameter.numel() for parameter in model.parameters()) == 197_767_336
    assert logits.shape == (2, 1000)
    assert (FULL.batch, FULL.image_px) == (128, 224)
    assert FULL.learning_rate == pytest.approx(4e-3 * FULL.batch / 4096)


def test_layers_scale_from_the_papers_value_and_are_dropped_more_with_depth():
    with torch.device("meta"):
        model = convnext_large.build_model(FULL)
    dropped = [module.drop_prob for module in model.modules() if hasattr(module, "drop_prob")]
    assert len(dropped) == 35, "the first block of 36 is never dropped"
    assert dropped == sorted(dropped)
    assert dropped[-1] == pytest.approx(0.5)
    assert model.config.layer_scale_init_value == 1e-6


def test_the_loss_is_the_librarys_but_for_the_smoothing():
    torch.manual_seed(0)
    classifier = convnext_large.build(TINY, make_slot(), Seeds(0))
    classifier.model.eval()
    batch = classifier.batches[0]
    with torch.no_grad():
        output = classifier.model(batch.images_NCHW, labels=batch.labels_N)
        torch.testing.assert_close(cross_entropy(classifier.model, batch, classifier.slot), output.loss)
        spread = -output.logits.log_softmax(dim=1).mean()
        torch.testing.assert_close(classifier.loss(batch), 0.9 * output.loss + 0.1 * spread)


def test_a_step_counts_the_images_of_its_batch_and_drops_blocks_at_random():
    classifier = convnext_large.build(TINY, make_slot(), Seeds(0))
    assert len({float(classifier.loss(classifier.batches[0]).detach()) for _ in range(4)}) > 1
    assert classifier.step().items == TINY.batch


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_check_passes(precision):
    convnext_large.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_fails_without_updates(monkeypatch):
    monkeypatch.setattr(TorchSlot, "step", lambda _slot, _loss: None)
    with pytest.raises(WrongWorkError, match=r"convnext_large: .*expected it to fall"):
        convnext_large.sane(TINY, make_slot(), Seeds(0))


def test_the_check_fails_when_blocks_are_skipped(monkeypatch):
    from transformers.models.convnext.modeling_convnext import ConvNextLayer

    monkeypatch.setattr(ConvNextLayer, "forward", lambda _layer, x: x)
    with pytest.raises(WrongWorkError, match=r"no gradient reaches .*layer_scale_parameter"):
        convnext_large.sane(TINY, make_slot(), Seeds(0))
