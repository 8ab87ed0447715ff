"""inception_v3 trains Inception-v3 with its auxiliary classifier, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="this workload needs torch")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.models.inception import InceptionV3, Logits
from cupel.workloads import inception_v3

TINY = SimpleNamespace(**inception_v3.CARD.sizes("tiny"))
FULL = SimpleNamespace(**inception_v3.CARD.sizes("full"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision, "compile": False}, threads=1)


def test_full_is_the_papers_network():
    with torch.device("meta"):
        model = inception_v3.build_model(FULL)
        output = model(torch.empty(2, 3, FULL.image_px, FULL.image_px))
    assert sum(parameter.numel() for parameter in model.parameters()) == 27_161_264
    assert [tuple(logits.shape) for logits in output] == [(2, 1000), (2, 1000)]
    assert (FULL.batch, FULL.image_px) == (32, 299)


def test_the_loss_is_that_of_both_classifiers_with_smoothed_labels():
    torch.manual_seed(0)
    training = inception_v3.build(TINY, make_slot(), Seeds(0), learning_rate=0.1)
    batch = training.batches[0]
    main, aux = torch.randn(2, TINY.batch, 10, dtype=torch.float64).unbind()
    target = torch.full((TINY.batch, 10), 0.01, dtype=torch.float64)
    for row, label in enumerate(batch.labels_N.tolist()):
        target[row, label] += 0.9
    cross = [-(target * torch.log(torch.exp(x) / torch.exp(x).sum(1, keepdim=True))).sum(1).mean() for x in (main, aux)]
    training.model = lambda _images: Logits(main, aux)
    assert float(training.loss(batch)) == pytest.approx(float(cross[0] + 0.4 * cross[1]), rel=1e-5)


def test_a_step_counts_the_images_of_its_batch():
    step = inception_v3.setup(TINY, make_slot(), Seeds(0))
    assert [step().items for _ in range(2)] == [TINY.batch] * 2


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_check_passes(precision):
    inception_v3.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_fails_without_updates(monkeypatch):
    monkeypatch.setattr(TorchSlot, "step", lambda _slot, _loss, _norm: None)
    with pytest.raises(WrongWorkError, match=r"inception_v3: .*expected it to fall"):
        inception_v3.sane(TINY, make_slot(), Seeds(0))


def test_the_check_fails_when_the_auxiliary_classifier_does_not_count(monkeypatch):
    monkeypatch.setattr(inception_v3, "AUX_WEIGHT", 0.0)
    with pytest.raises(WrongWorkError, match=r"no gradient reaches aux\."):
        inception_v3.sane(TINY, make_slot(), Seeds(0))


def test_the_check_fails_when_the_late_blocks_are_left_out(monkeypatch):
    def forward(model, images):
        x = model.early(model.stem(images))
        return Logits(model.aux(x), model.aux(x))

    monkeypatch.setattr(InceptionV3, "forward", forward)
    with pytest.raises(WrongWorkError, match=r"no gradient reaches late\."):
        inception_v3.sane(TINY, make_slot(), Seeds(0))
