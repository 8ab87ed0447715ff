"""Scoring workers as real processes: right weights, a death on the way, a clean end."""

from __future__ import annotations

import multiprocessing
import sys
import time

import psutil
import pytest

torch = pytest.importorskip("torch", reason="these methods need torch")

from torch import nn
from torch.nn import functional

from cupel.methods.gradient_norms import GradientNorms
from cupel.methods.importance_sampling import ImportanceSampler
from cupel.methods.scoring_workers import ScoringWorkers, Workers
from cupel.spec.errors import UsageError

PATIENCE_S = 120.0
NETWORK = '''
"""A user's own module."""
import torch
from torch.nn import functional


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.into, self.out = torch.nn.Linear(4, 6), torch.nn.Linear(6, 3)

    def forward(self, x):
        return self.out(torch.tanh(self.into(x)))


def losses(output, targets):
    return functional.cross_entropy(output, targets, reduction="none")


def broken(output, targets):
    raise RuntimeError("no loss today")
'''


def FORK(test):  # noqa: N802 (a mark)
    """A test whose workers are forked, which takes no second import of torch."""
    test = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")(test)
    return pytest.mark.skipif(sys.platform != "linux", reason="fork is safe on Linux only")(test)


@pytest.fixture
def users(tmp_path, monkeypatch):
    """A module of the user's own, and data."""
    (tmp_path / "users_network.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    import users_network

    torch.manual_seed(0)
    yield users_network, users_network.Network(), torch.randn(60, 4), torch.arange(60) % 3
    del sys.modules["users_network"]


def wait(condition):
    """Look until something is so; a failure where it never is."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "the workers did not do it"
        time.sleep(0.01)


def is_there(pid):
    """Whether a process is at work; one that nobody has waited for yet is not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def sampler():
    return ImportanceSampler(60, generator=torch.Generator().manual_seed(0), smoothing=0.1)


def update(model, drawn, x, y):
    """One step of plain gradient descent."""
    loss = (drawn.scale * functional.cross_entropy(model(x[drawn.index]), y[drawn.index], reduction="none")).mean()
    parameters = list(model.parameters())
    with torch.no_grad():
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.sub_(gradient, alpha=0.3)
    return float(loss.detach())


@FORK
def test_workers_score_with_published_parameters_and_training_outlives_one_of_them(users):
    module, model, x, y = users
    sampling, state = sampler(), torch.get_rng_state()
    workers = Workers(num=2, chunk=16, start_method="fork")
    with ScoringWorkers(model, module.losses, data=(x, y), every=5, workers=workers) as scoring:
        assert sampling.probabilities.unique().numel() == 1
        first = [update(model, sampling.draw(8), x, y) for _ in range(3) if scoring.tick(sampling) is None]
        wait(lambda: bool((scoring.ages == 0).all()))
        scoring.publish()
        wait(lambda: bool((scoring.ages == 0).all()))
        torch.testing.assert_close(scoring.weights, GradientNorms(model, module.losses)(x, y), rtol=1e-5, atol=1e-6)
        assert scoring.num_scored >= 120
        scoring._processes[0].kill()
        wait(lambda: scoring.num_alive == 1)
        later = [update(model, sampling.draw(8), x, y) for _ in range(60) if scoring.tick(sampling) is None]
        assert scoring.notes == ["Scoring worker 0 ended (exit code -9); 1 go on."]
        scoring.publish()
        wait(lambda: bool((scoring.ages == 0).all()))
        torch.testing.assert_close(scoring.weights, GradientNorms(model, module.losses)(x, y), rtol=1e-5, atol=1e-6)
    assert torch.equal(state, torch.get_rng_state())
    assert sum(later[-5:]) / 5 < sum(first) / 3
    assert sampling.probabilities.unique().numel() > 1
    assert scoring.num_alive == 0
    assert not any(is_there(pid) for pid in scoring.pids)
    assert len(scoring.notes) == 1


def test_a_worker_that_is_spawned_scores_too(users):
    module, model, x, y = users
    sampling = sampler()
    with ScoringWorkers(model, module.losses, data=(x, y), every=1) as scoring:
        scoring.tick(sampling)
        wait(lambda: bool((scoring.ages == 0).all()))
        scoring.tick(sampling)
    norms = GradientNorms(model, module.losses)(x, y)
    torch.testing.assert_close(scoring.weights, norms, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        sampling.probabilities.float(), (norms + 0.1) / (norms + 0.1).sum(), rtol=1e-4, atol=1e-6
    )
    assert not any(is_there(pid) for pid in scoring.pids)


@FORK
def test_a_model_that_fails_in_a_worker_is_told_and_training_goes_on(users):
    module, model, x, y = users
    sampling = sampler()
    workers = Workers(start_method="fork")
    with ScoringWorkers(model, module.broken, data=(x, y), every=1, workers=workers) as scoring:
        wait(lambda: scoring.num_alive == 0)
        scoring.tick(sampling)
        update(model, sampling.draw(8), x, y)
    (note,) = scoring.notes
    assert note.startswith("Scoring worker 0 ended (RuntimeError: no loss today); none is left: weights keep")
    assert sampling.probabilities.unique().numel() == 1
    assert bool((scoring.ages == -1).all())


@FORK
def test_an_error_in_the_training_ends_the_workers(users):
    module, model, x, y = users
    scoring = ScoringWorkers(model, module.losses, data=(x, y), every=1, workers=Workers(start_method="fork"))
    with pytest.raises(ZeroDivisionError), scoring:
        raise ZeroDivisionError
    assert not any(is_there(pid) for pid in scoring.pids)
    assert scoring.notes == []


def master_that_is_killed(users, pipe):
    """A training that starts workers, says which, and then hangs."""
    module, model, x, y = users
    with ScoringWorkers(model, module.losses, data=(x, y), every=1, workers=Workers(num=2, start_method="fork")) as own:
        pipe.send(own.pids)
        time.sleep(PATIENCE_S)


@FORK
def test_workers_end_themselves_when_the_training_was_killed(users):
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    master = context.Process(target=master_that_is_killed, args=(users, theirs))
    master.start()
    pids = ours.recv()
    assert all(is_there(pid) for pid in pids)
    master.kill()
    master.join()
    wait(lambda: not any(is_there(pid) for pid in pids))


def test_what_cannot_be_done_is_refused_in_words(users):
    module, model, x, y = users
    with (
        pytest.raises(UsageError, match='start_method="fork"'),
        ScoringWorkers(model, lambda *given: given[0], data=(x, y), every=1),
    ):
        pass
    with pytest.raises(UsageError, match="every=0"):
        ScoringWorkers(model, module.losses, data=(x, y), every=0)
    with pytest.raises(UsageError, match="60 inputs and 59 targets"):
        ScoringWorkers(model, module.losses, data=(x, y[1:]), every=1)
    with pytest.raises(UsageError, match=r"Workers\(num=0\)"):
        Workers(num=0)
    with pytest.raises(UsageError, match="start_method='spoon'"):
        Workers(start_method="spoon")


def test_the_masters_model_is_neither_shared_nor_changed(users):
    module, model, x, y = users
    before = nn.utils.parameters_to_vector(model.parameters()).clone()
    scoring = ScoringWorkers(model, module.losses, data=(x, y), every=1)
    scoring._shared.model.into.weight.data.zero_()
    assert torch.equal(nn.utils.parameters_to_vector(model.parameters()), before)
    assert not model.into.weight.is_shared()
    assert not x.is_shared()
