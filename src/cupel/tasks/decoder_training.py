"""Parts of training a decoder on padded documents: batches of a size, the loss, and checks of both.

Shapes: B documents, T tokens of each with its padding.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cupel.spec import Seeds, Sizes, Slot, WrongWorkError
from cupel.tasks.data.batch_stream import held_or_streamed, is_from_files
from cupel.tasks.data.padded_documents import (
    FIRST_WORD,
    DocumentBatch,
    document_batch,
    document_lengths,
    padded_batch,
)
from cupel.tasks.data.text_documents import text_documents
from cupel.tasks.learning import check_output

if TYPE_CHECKING:
    from torch import Tensor


def document_batches(sizes: Sizes, slot: Slot, *, seed: int) -> Sequence[DocumentBatch]:
    """Batches of `batch` documents on the device: `batches` held ones, or a stream of `disk`.

    Random documents have lengths from `shortest` to `longest`; texts have their own, and are cut off at `padded_to`.
    """
    if is_from_files(slot):
        texts = text_documents(slot, Seeds(seed), ids=range(FIRST_WORD, sizes.vocab_size))
        documents = (list(itertools.islice(texts, sizes.batch)) for _ in itertools.count())
        return held_or_streamed((padded_batch(rows, sizes.padded_to, slot=slot) for rows in documents), sizes, slot)
    lengths = document_lengths(batch=sizes.batch, shortest=sizes.shortest, longest=sizes.longest)
    shape = {"lengths": lengths, "padded_to": sizes.padded_to, "vocab_size": sizes.vocab_size}
    generator = slot.generator(seed)
    return held_or_streamed((document_batch(**shape, generator=generator) for _ in itertools.count()), sizes, slot)


def next_token_loss(model: Any, batch: DocumentBatch, *, slot: Slot) -> Tensor:
    """Mean cross-entropy, in fp32, of the real tokens that have a real predecessor."""
    with slot.autocast():
        loss: Tensor = model(input_ids=batch.ids_BT, attention_mask=batch.may_see_B1TT, labels=batch.labels_BT).loss
    return loss


def check_untrained(what: str, model: Any, batch: DocumentBatch, *, slot: Slot) -> None:
    """Logits have their shape and dtype, and a model that has learned nothing guesses.

    Raises:
        WrongWorkError: one of these is not so.
    """
    with slot.autocast():
        output = model(input_ids=batch.ids_BT, attention_mask=batch.may_see_B1TT, labels=batch.labels_BT)
    vocab_size = model.config.vocab_size
    check_output(what, output.logits, shape=(*batch.ids_BT.shape, vocab_size), dtype=slot.dtype)
    guess, found = math.log(vocab_size), float(output.loss.detach())
    if not abs(found - guess) < 0.1 * guess:
        raise WrongWorkError(f"{what}: the loss before training is {found:.3f}; expected ln(vocabulary) = {guess:.3f}.")


def check_counted(what: str, items: float, batch: DocumentBatch) -> None:
    """A step counted the real tokens of its batch and no padding.

    Raises:
        WrongWorkError: it did not.
    """
    num_real = int((batch.labels_BT >= 0).sum())
    if items != num_real:
        raise WrongWorkError(f"{what}: a step counted {items} tokens; expected {num_real}, padding excluded.")
