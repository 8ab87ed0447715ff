"""Clients' data: the laws that they were drawn from, read back from the samples."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the data are tensors")
pytest.importorskip("sklearn", reason="digits come with scikit-learn")

from cupel.spec.errors import UsageError
from cupel.tasks.data.digits import digits_split
from cupel.tasks.data.federated_digits import LEAST_IMAGES, digit_clients
from cupel.tasks.data.federated_synthetic import NUM_FEATURES, shared_out, synthetic_clients


def joined(client):
    return tuple(torch.cat(parts) for parts in zip(client.train, client.valid, client.test, strict=True))


def test_inputs_have_the_variances_of_the_paper_and_means_that_differ_by_beta():
    clients = synthetic_clients(0, alpha=0.0, beta=3.0, num_clients=80, most_samples=400)
    inputs = [joined(client)[0].double().numpy() for client in clients]
    within = np.mean([x.var(axis=0, ddof=1) for x in inputs], axis=0)
    np.testing.assert_allclose(within, np.arange(1, NUM_FEATURES + 1) ** -1.2, rtol=0.1)
    means = np.array([x.mean(axis=0) for x in inputs])
    assert means.var(axis=1, ddof=1).mean() == pytest.approx(1.0, rel=0.1), "v_k around B_k"
    assert means.mean(axis=1).var(ddof=1) == pytest.approx(9.0 + 1.0 / NUM_FEATURES, rel=0.5), "B_k, chi-squared of 79"


def test_classes_come_from_a_linear_model_of_the_client():
    client = max(synthetic_clients(1, alpha=1.0, beta=1.0, most_samples=2000), key=lambda c: len(c.train[0]))
    x, y = (part.numpy() for part in client.train)
    from sklearn.linear_model import LogisticRegression

    assert len(x) > 500
    fitted = LogisticRegression(C=1e4, max_iter=4000).fit(x, y)
    assert fitted.score(x, y) > 0.99
    assert fitted.score(client.test[0].numpy(), client.test[1].numpy()) > 0.8, "no noise in the labels"


def test_samples_are_log_normal_above_50_and_can_be_capped():
    counts = np.array([len(joined(c)[0]) for c in synthetic_clients(2, alpha=1.0, beta=1.0, num_clients=60)])
    capped = np.array(
        [len(joined(c)[0]) for c in synthetic_clients(2, alpha=1.0, beta=1.0, num_clients=60, most_samples=120)]
    )
    assert counts.min() >= 50
    logs = np.log(counts - 50.0 + 0.5)
    assert logs.mean() == pytest.approx(4.0, abs=4 * 2.0 / 60**0.5)
    assert 1.4 < logs.std(ddof=1) < 2.7
    np.testing.assert_array_equal(capped, np.minimum(counts, 120))


def test_alpha_changes_no_label_since_it_shifts_the_scores_of_all_classes_alike():
    near, far = (synthetic_clients(3, alpha=alpha, beta=1.0, most_samples=300) for alpha in (0.0, 5.0))
    for one, other in zip(near, far, strict=True):
        assert torch.equal(joined(one)[0], joined(other)[0])
        assert torch.equal(joined(one)[1], joined(other)[1])


def test_digits_are_all_shared_out_once_and_more_unequally_at_a_low_concentration():
    def skew(clients):
        tables = np.array([np.bincount(joined(c)[1].numpy(), minlength=10) for c in clients], float)
        return (tables / tables.sum(1, keepdims=True)).max(1).mean()

    low, high = (digit_clients(5, concentration=c, num_clients=20) for c in (0.2, 100.0))
    images = digits_split(5, num_train=1797).train[0]
    for clients in (low, high):
        sizes = [len(joined(client)[0]) for client in clients]
        assert sum(sizes) == 1797
        assert min(sizes) >= LEAST_IMAGES
        seen = torch.cat([client.train[0] for client in clients])
        assert abs(float(seen.mean())) < 1e-5
        assert float(seen.std()) == pytest.approx(1.0, rel=1e-5)
        flat = torch.cat([joined(client)[0] for client in clients])
        back = (flat - flat.min()) / (flat.max() - flat.min())
        assert np.allclose(sorted(back.sum(1).tolist()), sorted(images.sum(1).tolist()), atol=1e-3)
    assert skew(low) > 0.45
    assert skew(high) < 0.2


@pytest.mark.parametrize(
    "make", [lambda seed: synthetic_clients(seed, alpha=1, beta=1), lambda seed: digit_clients(seed, concentration=0.3)]
)
def test_the_same_seed_gives_the_same_bits_another_seed_others_and_no_global_generator_moves(make):
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002 (what must not move)
    first, again, other = make(0), make(0), make(1)
    assert all(torch.equal(a.train[0], b.train[0]) for a, b in zip(first, again, strict=True))
    assert any(
        a.train[0].shape != b.train[0].shape or not torch.equal(a.train[0], b.train[0])
        for a, b in zip(first, other, strict=True)
    )
    assert torch.equal(torch_state, torch.get_rng_state())
    assert all(np.array_equal(a, b) for a, b in zip(numpy_state, np.random.get_state(), strict=True))  # noqa: NPY002


def test_a_client_is_cut_into_three_sets_without_overlap():
    split = shared_out(torch.arange(57.0)[:, None], torch.arange(57))
    assert [len(part[0]) for part in (split.train, split.valid, split.test)] == [47, 5, 5]
    assert torch.equal(torch.cat([split.train[1], split.valid[1], split.test[1]]), torch.arange(57))
    small = shared_out(torch.ones(6, 1), torch.ones(6))
    assert [len(part[0]) for part in (small.train, small.valid, small.test)] == [4, 1, 1]


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: synthetic_clients(0, alpha=-1.0, beta=0.0), "synthetic(-1.0, 0.0)"),
        (lambda: synthetic_clients(0, alpha=1.0, beta=1.0, most_samples=20), "at most 20 samples"),
        (lambda: digit_clients(0, concentration=0.0), "a concentration of 0.0"),
        (lambda: digit_clients(0, concentration=1.0, num_clients=500), "expected 1 to 179 clients"),
        (lambda: digit_clients(0, concentration=0.01, num_clients=150), "No draw of 200"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_words(made, words):
    with pytest.raises(UsageError) as caught:
        made()
    assert words in str(caught.value)
