"""Texts on disk: the user's own data set, or a made one of the same format.

A made document has sentences and paragraphs of words by Zipf's law, the frequent ones short, and a log-normal number of
them, as pages of the web have. It is of no language: no word says what the next one will be.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cupel.spec import UsageError
from cupel.tasks.data.file_cache import cached_folder, users_path
from cupel.tasks.data.hf_rows import read_split
from cupel.tasks.data.power_law import power_law_indices

ENVIRONMENT = "CUPEL_TEXT"
VERSION = 1
"""Part of the folder's name: changed with anything that changes a letter."""
NUM_DOCUMENTS, NUM_WORDS = 1000, 50_000
MEDIAN_WORDS, SPREAD, MOST_WORDS = 250.0, 1.0, 10_000
"""Of a document: median, standard deviation of the logarithm, and the most."""
SENTENCE_WORDS, PARAGRAPH_SENTENCES = (4, 24), (1, 7)
SYLLABLES = [onset + vowel for vowel in "eaoiu" for onset in "tnsrhdlcmfpgwybvkxjz"]


def text_data() -> tuple[Path, bool]:
    """File or folder of the user's data set where `$CUPEL_TEXT` names one, else of the made one; and whether it is own.

    Raises:
        UsageError: it names nothing that is there.
    """
    own = users_path(ENVIRONMENT, "a file or folder of a Hugging Face data set (Parquet, Arrow, JSON lines, CSV)")
    return (own, True) if own else (made_texts(), False)


def made_texts() -> Path:
    """The folder of made documents, in JSON lines."""

    def make(folder: Path) -> None:
        lines = (json.dumps({"text": text}) for text in documents_like_pages(NUM_DOCUMENTS))
        (folder / "train-00000-of-00001.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")

    return cached_folder(f"text-v{VERSION}-{NUM_DOCUMENTS}documents", make)


def read_texts(data: Path) -> Iterator[str]:
    """The texts of a data set's training split, row after row.

    A row's text is that of its column `text`; of a row without one, all its texts one after the other, as those of
    instructions and answers are.

    Raises:
        UsageError: no row has a text; the message names the columns.
    """
    columns: dict[str, None] = {}
    has_text = False
    for row in read_split(data):
        columns.update(dict.fromkeys(row))
        text = row_text(row)
        if text:
            has_text = True
            yield text
    if not has_text:
        raise UsageError(f"{data} has no texts; its columns are {', '.join(columns) or 'none'}; expected one of text.")


def row_text(row: Any) -> str:
    """The text of a row; empty where it has none."""
    if isinstance(row.get("text"), str):
        return str(row["text"]).strip()
    return "\n\n".join(part.strip() for part in row.values() if isinstance(part, str) and part.strip())


def documents_like_pages(num_documents: int) -> Iterator[str]:
    """Made documents, the same ones each time."""
    rng, generator = np.random.default_rng(VERSION), torch.Generator().manual_seed(VERSION)
    for _ in range(num_documents):
        num_words = int(np.clip(MEDIAN_WORDS * np.exp(SPREAD * rng.standard_normal()), 1, MOST_WORDS))
        ranks = power_law_indices((num_words,), num_values=NUM_WORDS, exponent=1.0, generator=generator)
        yield paragraphs([word(rank) for rank in ranks.tolist()], rng)


def word(rank: int) -> str:
    """The word of a rank: the hundred most frequent have one syllable, the next ten thousand two, and so on."""
    syllables = [SYLLABLES[rank % len(SYLLABLES)]]
    rank = rank // len(SYLLABLES)
    while rank:
        rank, place = divmod(rank - 1, len(SYLLABLES))
        syllables.append(SYLLABLES[place])
    return "".join(syllables)


def paragraphs(words: list[str], rng: np.random.Generator) -> str:
    """Words as sentences, and these as paragraphs, of random lengths."""
    sentences, start = [], 0
    while start < len(words):
        end = start + int(rng.integers(*SENTENCE_WORDS))
        sentences.append(" ".join(words[start:end]).capitalize() + ".")
        start = end
    parts, start = [], 0
    while start < len(sentences):
        end = start + int(rng.integers(*PARAGRAPH_SENTENCES))
        parts.append(" ".join(sentences[start:end]))
        start = end
    return "\n\n".join(parts)
