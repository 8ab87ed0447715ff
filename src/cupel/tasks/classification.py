"""Training a classifier of images, and the check that it learns; for the workloads that do so.

Shapes: N images, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.spec import Done, Slot
from cupel.tasks.data.random_images import ImageBatch
from cupel.tasks.learning import check_fall, check_gradients, check_output

NUM_VISITS = 12
"""Updates on each batch between the first and the last loss that the check compares."""


def logits_of(model: Any, batch: ImageBatch, slot: Slot) -> Tensor:
    """Logits (N, K) at the run's precision, of a model that returns them or an output of transformers with them."""
    with slot.autocast():
        output = model(batch.images_NCHW)
    return output if isinstance(output, Tensor) else output.logits


def cross_entropy(model: Any, batch: ImageBatch, slot: Slot, *, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy in fp32 of the logits at the run's precision.

    Args:
        model: the network.
        batch: images and labels.
        slot: the precision.
        smoothing: share of the target that goes to all classes alike (Szegedy et al. 2015, section 7).
    """
    return F.cross_entropy(logits_of(model, batch, slot).float(), batch.labels_N, label_smoothing=smoothing)


class Classifier:
    """A prepared model and the batches that it is trained on, in rotation; each call of `step` is one update.

    Args:
        model: the network as `slot.prepare` returned it.
        batches: the data.
        slot: updates and precision.
        smoothing: of the labels, in the loss.
        clip_norm: norm that gradients are cut to; None leaves them as they are.
    """

    def __init__(
        self,
        model: Any,
        batches: Sequence[ImageBatch],
        *,
        slot: Slot,
        smoothing: float = 0.0,
        clip_norm: float | None = None,
    ) -> None:
        self.model = model
        self.batches = batches
        self.slot = slot
        self.smoothing = smoothing
        self.clip_norm = clip_norm
        self.num_steps = 0

    def loss(self, batch: ImageBatch) -> Tensor:
        """What an update lowers."""
        return cross_entropy(self.model, batch, self.slot, smoothing=self.smoothing)

    def step(self) -> Done:
        """One update on the next batch; its images are counted."""
        batch = self.batches[self.num_steps % len(self.batches)]
        self.num_steps += 1
        loss = self.loss(batch)
        if self.clip_norm is None:
            self.slot.step(loss)
        else:
            self.slot.step(loss, self.clip_norm)
        return Done(items=len(batch.labels_N), loss=loss.detach())


def check_classifier(what: str, classifier: Classifier, *, num_classes: int) -> None:
    """Logits have their shape, the loss reaches every parameter and falls from one visit of a batch to a later one.

    One round of the classifier's batches is held, so that those from files come again.

    Raises:
        WrongWorkError: one of the three is not so; the message starts with `what`.
    """
    classifier.batches = list(classifier.batches)
    first = classifier.batches[0]
    logits_NK = logits_of(classifier.model, first, classifier.slot)
    check_output(what, logits_NK, shape=(len(first.labels_N), num_classes), dtype=classifier.slot.dtype)
    check_gradients(what, classifier.model, classifier.loss(first))
    check_visits(what, classifier.step, num_batches=len(classifier.batches))


def check_visits(what: str, step: Callable[[], Done], *, num_batches: int) -> None:
    """The loss of the first batch falls while training goes round all batches.

    Raises:
        WrongWorkError: it does not.
    """
    losses = [step().loss for _ in range(NUM_VISITS * num_batches + 1)]
    check_fall(what, [float(loss) for loss in losses[::num_batches]])
