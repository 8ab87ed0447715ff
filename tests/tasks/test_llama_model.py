"""The decoder's plan for tensor parallelism cuts what it can in equal parts, and says so where it cannot."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="the decoder needs torch")
pytest.importorskip("transformers", reason="the decoder is of transformers")

from cupel.spec.errors import UnsupportedError
from cupel.tasks.models.llama import llama

NUMBERS = {"layers": 2, "width": 16, "heads": 4, "kv_heads": 2, "feedforward": 24, "vocab_size": 40}


def make_model(**changed: int):
    with torch.device("meta"):
        return llama(SimpleNamespace(**{**NUMBERS, **changed}, checkpoints=False))


def test_all_but_the_norms_is_cut():
    model = make_model()
    plan = model.parallel_plan(2)
    cut = [name for name, _ in model.named_modules() if any(fnmatchcase(name, pattern) for pattern in plan)]
    whole = {name for name, _ in model.named_parameters() if name.rpartition(".")[0] not in cut}
    assert len(cut) == 2 + 2 * 7
    assert {name.rpartition(".")[0].rpartition(".")[2] for name in whole} == {
        "norm",
        "input_layernorm",
        "post_attention_layernorm",
    }


@pytest.mark.parametrize(
    ("changed", "num_ranks", "message"),
    [
        ({"heads": 2, "kv_heads": 1}, 2, "over 2 ranks; 1 key and value heads do not go into"),
        ({}, 3, "over 3 ranks; 4 heads do not go"),
        ({"feedforward": 25}, 2, "25 inner features"),
        ({"vocab_size": 41}, 2, "41 words"),
    ],
)
def test_unequal_parts_are_refused_in_words(changed, num_ranks, message):
    with pytest.raises(UnsupportedError, match=re.escape(message)):
        make_model(**changed).parallel_plan(num_ranks)
