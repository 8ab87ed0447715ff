"""Training of classifiers: the loss, the rotation, the count, and a check that can fail."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="this part needs torch")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.classification import Classifier, check_classifier, cross_entropy, logits_of
from cupel.tasks.data.random_images import image_batches

SIZES = SimpleNamespace(batch=4, batches=2, image_px=4, num_classes=5)


class Wrapped(torch.nn.Module):
    """A model whose logits are a part of its output, as those of transformers."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        return SimpleNamespace(logits=self.model(images))


def make_classifier(precision="fp32", *, wrapped=False, **changed):
    torch.manual_seed(0)
    slot = TorchSlot(device="cpu", settings={"precision": precision}, threads=1)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 8), torch.nn.ReLU(), torch.nn.Linear(8, 5))
    model = slot.prepare(Wrapped(model) if wrapped else model, lambda parameters: torch.optim.SGD(parameters, lr=0.05))
    return Classifier(model, image_batches(SIZES, slot, Seeds(0)), slot=slot, **changed)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_the_cross_entropy_worked_out_by_hand(smoothing):
    classifier = make_classifier()
    batch = classifier.batches[0]
    with torch.no_grad():
        logits = classifier.model(batch.images_NCHW).double().tolist()
        found = cross_entropy(classifier.model, batch, classifier.slot, smoothing=smoothing)
    expected = 0.0
    for row, label in zip(logits, batch.labels_N.tolist(), strict=True):
        total = math.log(sum(math.exp(logit) for logit in row))
        target = [smoothing / 5 + (1 - smoothing) * (idx == label) for idx in range(5)]
        expected -= sum(share * (logit - total) for share, logit in zip(target, row, strict=True)) / 4
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_logits_of_a_wrapped_output_are_the_same():
    plain, wrapped = make_classifier(), make_classifier(wrapped=True)
    batch = plain.batches[0]
    assert torch.equal(logits_of(plain.model, batch, plain.slot), logits_of(wrapped.model, batch, wrapped.slot))


def test_batches_come_in_rotation_and_their_images_are_counted():
    classifier = make_classifier()
    seen = []
    classifier.slot.step = seen.append
    done = [classifier.step() for _ in range(4)]
    assert [one.items for one in done] == [4, 4, 4, 4]
    losses = [float(loss.detach()) for loss in seen]
    assert losses[:2] == losses[2:]
    assert losses[0] != losses[1]
    assert not done[0].loss.requires_grad


def test_the_norm_that_gradients_are_cut_to_reaches_the_update():
    classifier = make_classifier(clip_norm=1e-9)
    before = [parameter.detach().clone() for parameter in classifier.model.parameters()]
    classifier.step()
    for parameter, was in zip(classifier.model.parameters(), before, strict=True):
        torch.testing.assert_close(parameter.detach(), was, atol=1e-8, rtol=0.0)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_check_passes(precision):
    check_classifier("it", make_classifier(precision, smoothing=0.1, clip_norm=5.0), num_classes=5)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(lambda c: setattr(c.slot, "step", lambda _: None), "it: .* expected it to fall", id="no update"),
        pytest.param(lambda c: setattr(c.slot, "dtype", torch.bfloat16), "precision of the run", id="precision"),
        pytest.param(lambda c: c.model.append(torch.nn.Linear(5, 3)), r"shape \(4, 3\)", id="classes"),
        pytest.param(lambda c: c.model[1].weight.data.fill_(math.inf), "not finite", id="not finite"),
        pytest.param(lambda c: c.model[3].weight.data.zero_(), r"no gradient reaches 1\.weight", id="cut off"),
    ],
)
def test_the_check_fails_when_training_is_spoiled(spoil, message):
    classifier = make_classifier()
    spoil(classifier)
    with pytest.raises(WrongWorkError, match=message):
        check_classifier("it", classifier, num_classes=5)
