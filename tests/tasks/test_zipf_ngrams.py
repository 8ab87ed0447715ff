"""The made-up language is as common and as predictable as it says."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="texts are torch tensors")

from cupel.spec.errors import UsageError
from cupel.tasks.data.zipf_ngrams import zipf_ngrams


def text(num=40_000, *, seed=0, language=0, num_words=60, num_classes=6):
    generator = torch.Generator().manual_seed(seed)
    return zipf_ngrams(num, num_words=num_words, num_classes=num_classes, language=language, generator=generator)


def test_pairs_overlap_as_a_text_does():
    found = text(50)
    assert torch.equal(found.context[1:, 0], found.context[:-1, 1])
    assert torch.equal(found.context[2:, 1], found.following[1:-1])
    assert found.context.shape == (50, 2)


def test_words_of_a_class_follow_zipfs_law_and_all_occur():
    found = text().following
    counts = (found // 6).bincount(minlength=10).double()
    expected = 1.0 / torch.arange(1.0, 11.0, dtype=torch.float64)
    ratio = counts / counts[0] / expected
    assert float((ratio - ratio[1:].mean())[1:].abs().max()) < 0.25
    assert bool((found.bincount(minlength=60) > 0).all())


def test_the_last_class_decides_six_times_in_ten_and_the_one_before_it_three_times():
    found = text(num_classes=6)
    first, last = found.context[:, 0] % 6, found.context[:, 1] % 6
    following = found.following % 6
    table = torch.zeros(6, 6).index_put_((last, following), torch.ones(len(last)), accumulate=True)
    favourite = table.argmax(1)
    assert sorted(favourite.tolist()) == list(range(6))
    by_last = following == favourite[last]
    assert float(by_last.double().mean()) == pytest.approx(0.6 + 0.4 / 6, abs=0.03)
    rest = ~by_last
    other = torch.zeros(6, 6).index_put_((first[rest], following[rest]), torch.ones(int(rest.sum())), accumulate=True)
    known = by_last | (following == other.argmax(1)[first])
    assert float(known.double().mean()) == pytest.approx(0.92, abs=0.03)


def test_seeds_tell_texts_and_languages_apart_and_the_global_generator_is_left_alone():
    state = torch.get_rng_state()
    assert torch.equal(text(100).following, text(100).following)
    assert not torch.equal(text(100).following, text(100, seed=1).following)
    assert not torch.equal(text(100).following, text(100, language=1).following)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("changed", [{"num": 0}, {"num_classes": 7}, {"num_words": 0}])
def test_numbers_that_do_not_fit_are_refused(changed):
    with pytest.raises(UsageError, match="as many words in each class"):
        text(**changed)
