"""Identities that stored runs depend on. If a value here must change, old runs can no longer be resumed: say so."""

import dataclasses

import pytest

from cupel.spec.job import Job, digest_text
from cupel.spec.seeds import Seeds

PLAIN = Job(entry="workload/matmul", source="matmul.py", digest="0123456789abcdef")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "matmul.small.000.d8ad002b72fa"),
        ({"kind": "sane"}, "matmul.small.sane.f9ebdeb69ad2"),
        ({"size": "tiny", "launch": 3}, "matmul.tiny.003.f8365c3ea30e"),
        ({"settings": {"precision": "bf16"}}, "matmul.small.000.8f7c507718d7"),
        ({"overrides": {"batch": 8}}, "matmul.small.000.6924667c50e9"),
        ({"device": "cuda:1", "threads": 2}, "matmul.small.000.047775373336"),
        ({"seed": 7}, "matmul.small.000.a5eab02fb8dc"),
        ({"ranks": 2}, "matmul.small.000.c0bfd3b9e62f"),
    ],
)
def test_job_ids_are_what_they_were(changed: dict[str, object], expected: str) -> None:
    assert dataclasses.replace(PLAIN, **changed).id == expected


def test_how_long_and_from_where_is_no_part_of_an_id() -> None:
    other = dataclasses.replace(PLAIN, timeout_s=9.0, stepping_s=1.0, source="elsewhere/matmul.py", sizes={"n": 3})
    assert other.id == PLAIN.id


def test_digests_and_seeds_are_what_they_were() -> None:
    assert digest_text("CARD = 1\n") == digest_text("CARD = 1  \r\n\r\n") == "3ce714499aef6799"
    assert Seeds(0).seed("init") == 7797302695267191734
    assert Seeds(0).seed("data", 3) == 7744771279370058725
    assert Seeds(1).child("a").seed("b") == 4864236103459523552
