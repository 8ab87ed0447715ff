"""Documents of a data set on disk as the ids of a tokenizer, without an end.

Decisions:
- The user's data set or a made one (`cupel.tasks.data.text_files`) is read row by row, its documents are mixed within a
  buffer, and at its end it is read again; each rank has documents of its own.
- Ids are those of the tokenizer in the folder that `$CUPEL_TOKENIZER` names, by the `transformers` library; else of
  byte pairs grown out of the data set's first letters (`cupel.tasks.data.byte_pairs`), as many as the model has ids.
- After each document stands the id of its end, where the tokenizer has one.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from cupel.spec import Seeds, Slot, UsageError
from cupel.spec.errors import MissingExtraError
from cupel.spec.extras import has_extra, install_line
from cupel.tasks.data import byte_pairs, text_files
from cupel.tasks.data.file_cache import users_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOKENIZER = "CUPEL_TOKENIZER"
MIXED = 1024
"""Documents that are held, so that the order is mixed."""
LETTERS_PER_ID, MOST_LETTERS = 64, 2**20
"""How many letters of the data set byte pairs are grown out of."""
LEAST_IDS = 3


class Tokenizer(Protocol):
    """What turns a text into ids."""

    @property
    def end(self) -> int | None:
        """The id after a document; None where there is none."""

    def encode(self, text: str) -> Sequence[int]:
        """The ids of a text."""


def text_documents(slot: Slot, rng: Seeds, *, ids: range) -> Iterator[NDArray[np.int64]]:
    """Documents as ids, int64 (T,) with T >= 2, without an end; those of a rank are its own.

    Args:
        slot: the rank; is told whose texts and tokenizer these are.
        rng: seeds of the order.
        ids: those that tokens may have.

    Raises:
        UsageError: data set or tokenizer cannot be read, or has ids that the model lacks.
        MissingExtraError: the user's tokenizer needs the `transformers` library, which is not installed.
    """
    data, is_own = text_files.text_data()
    if is_own:
        slot.note(f"the texts are the user's own, of {data} ({text_files.ENVIRONMENT})")
    first, tokenizer = 0, users_tokenizer(slot)
    if tokenizer is None:
        first, tokenizer = ids.start, grown(data, num_ids=len(ids))
    texts = mixed(lambda: text_files.read_texts(data), seed=rng.seed("order"))
    of_rank = itertools.islice(texts, slot.rank, None, slot.world)
    found = (array for array in encoded(of_rank, tokenizer, first=first, ids=ids) if len(array) > 1)
    return itertools.chain([next(found)], found)  # the first now: what cannot be read is refused before training


def users_tokenizer(slot: Slot) -> Tokenizer | None:
    """The tokenizer that `$CUPEL_TOKENIZER` names; None where it names none.

    Raises:
        UsageError: it cannot be loaded.
        MissingExtraError: the `transformers` library is not installed.
    """
    folder = users_folder(TOKENIZER, "a folder with a tokenizer, as save_pretrained writes it")
    if folder is None:
        return None
    if not has_extra("models"):
        raise MissingExtraError(
            f"{TOKENIZER} names {folder}; to read it, install transformers: {install_line(('models',))}"
        )
    slot.note(f"the tokenizer is the user's own, of {folder} ({TOKENIZER})")
    return _OwnTokenizer(folder)


class _OwnTokenizer:
    """A tokenizer of the `transformers` library; marks around a text are left out."""

    def __init__(self, folder: Path) -> None:
        from transformers.models.auto.tokenization_auto import AutoTokenizer

        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise UsageError(f"{folder} cannot be read as a tokenizer: {error}") from error
        ends = (self.tokenizer.eos_token_id, self.tokenizer.sep_token_id)
        self.end: int | None = next((one for one in ends if one is not None), None)

    def encode(self, text: str) -> Sequence[int]:
        """The ids of a text."""
        ids: Sequence[int] = self.tokenizer.encode(text, add_special_tokens=False, verbose=False)
        return ids


@functools.lru_cache(maxsize=8)
def grown(data: Path, *, num_ids: int) -> byte_pairs.BytePairs:
    """Byte pairs grown out of the first letters of a data set; kept for the process, which does not change it."""
    if num_ids < LEAST_IDS:
        raise UsageError(f"data=disk was asked of a model with {num_ids} ids for words; it needs {LEAST_IDS} or more.")
    parts, num_wanted = [], min(LETTERS_PER_ID * num_ids, MOST_LETTERS)
    for text in text_files.read_texts(data):
        parts.append(text[:num_wanted])
        num_wanted -= len(parts[-1])
        if num_wanted <= 0:
            break
    return byte_pairs.grow("\n\n".join(parts), num_ids=num_ids)


def mixed(read: Callable[[], Iterable[str]], *, seed: int) -> Iterator[str]:
    """Texts in mixed order, again and again: each is drawn from the next `MIXED` ones.

    Args:
        read: begins to read from the start.
        seed: of the order.
    """
    rng = np.random.default_rng(seed)
    while True:
        held: list[str] = []
        for text in read():
            held.append(text)
            if len(held) >= MIXED:
                yield _taken(held, rng)
        while held:
            yield _taken(held, rng)


def _taken(held: list[str], rng: np.random.Generator) -> str:
    """One of the texts, taken out."""
    place = int(rng.integers(len(held)))
    held[place], held[-1] = held[-1], held[place]
    return held.pop()


def encoded(texts: Iterable[str], tokenizer: Tokenizer, *, first: int, ids: range) -> Iterator[NDArray[np.int64]]:
    """The ids of each text and of its end, `first` added to them.

    Raises:
        UsageError: an id is none of the model's.
    """
    end = [] if tokenizer.end is None else [tokenizer.end]
    for text in texts:
        array = np.asarray([*tokenizer.encode(text), *end], np.int64) + first
        highest = int(array.max(initial=0))
        if highest >= ids.stop:
            raise UsageError(
                f"The tokenizer gave the id {highest}; the model has ids below {ids.stop} for words. "
                f"Take a size with more, --set vocab_size=..., or unset {TOKENIZER}."
            )
        yield array
