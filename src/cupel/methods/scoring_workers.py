"""Processes that score training examples while the master trains: weights for importance sampling that cost it no time.

The master publishes its parameters into shared memory every so many updates; each worker takes them from there, scores
one chunk of examples after another, and writes lengths of gradients into a shared row of weights, which the master
reads. Nothing waits for anything: weights are a little old, and gradients unbiased all the same
(`cupel.methods.importance_sampling`).

Decisions: nothing is locked, so that a worker may be killed at any moment. A number of 4 bytes is written whole;
parameters may be read half old and half new, which makes a weight a little wrong, as age does. Every worker goes round
all examples, each from a place of its own: where one ends, the others still reach every example. A worker ends itself
when its parent is gone.

Source: Alain, Lamb, Sankar, Courville, Bengio (2015, arXiv 1511.06481): master, workers and the store between them,
without barriers.
"""

from __future__ import annotations

import copy
import pickle
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, multiprocessing, nn

from cupel.methods.gradient_norms import ExampleLoss, GradientNorms
from cupel.methods.importance_sampling import ImportanceSampler
from cupel.spec.errors import UsageError

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

IDLE_S = 0.005
"""A worker looks so often for new parameters, when all examples were scored with the present ones."""
GRACE_S = 10.0
"""A worker has so long to end by itself; then it is told, then killed."""
MOST_TEXT_BYTES = 400


@dataclass(frozen=True, kw_only=True)
class Workers:
    """How many workers, and how they work.

    Args:
        num: processes, 1 or more.
        chunk: examples that are scored at once.
        threads: of each worker.
        device: where they score: `cpu`, or a GPU that the master leaves free.
        start_method: `spawn`, which is safe; model and loss must then be defined in a module, and the script be guarded
            by `if __name__ == "__main__":`. `fork` takes those of a notebook too, on Linux, before CUDA is used.
    """

    num: int = 1
    chunk: int = 256
    threads: int = 1
    device: str = "cpu"
    start_method: str = "spawn"

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for name in ("num", "chunk", "threads"):
            if getattr(self, name) < 1:
                raise UsageError(f"Workers({name}={getattr(self, name)}) was asked; expected 1 or more.")
        if self.start_method not in multiprocessing.get_all_start_methods():
            known = ", ".join(multiprocessing.get_all_start_methods())
            raise UsageError(f"start_method={self.start_method!r} was asked; expected one of {known}.")


@dataclass(frozen=True, eq=False)
class _Shared:
    """What master and workers share; every tensor lies in shared memory."""

    model: nn.Module
    loss: ExampleLoss
    inputs: Tensor
    targets: Tensor
    weights: Tensor
    """(N,) float32, NaN where an example was not scored yet."""
    versions: Tensor
    """(N,) int64, which published parameters an example was scored with; -1 for none."""
    counts: Tensor
    """(workers,) int64, examples scored."""
    signals: Tensor
    """(2,) int64: whether to stop, and the version of the parameters."""
    texts: Tensor
    """(workers, bytes) uint8, why a worker failed."""
    workers: Workers


class ScoringWorkers:
    """Scores examples in other processes, as long as the `with` block lasts.

    Args:
        model: the model that is trained; a copy of it is shared. It is scored in evaluation, as `GradientNorms` says.
        loss: gives a loss per example.
        data: inputs (N, ...) and targets (N, ...), the training set; copied once into shared memory on the CPU, unless
            they lie there already.
        every: updates from one publication of the parameters to the next, when new weights are taken too.
        workers: how many, and how.

    Raises:
        UsageError: an argument is out of its range, or model or loss cannot be handed to another process.

    Attributes:
        notes: what a reader must know, such as a worker that has died; training goes on without it.

    Example:
        The loop of `Rescoring`, in a script whose network is defined in a module::

            with ScoringWorkers(model, loss, data=(x, y), every=20, workers=Workers(num=2)) as scoring:
                for step in range(steps):
                    scoring.tick(sampler)
                    drawn = sampler.draw(32)
                    ...
    """

    def __init__(
        self,
        model: nn.Module,
        loss: ExampleLoss,
        *,
        data: tuple[Tensor, Tensor],
        every: int,
        workers: Workers | None = None,
    ) -> None:
        inputs, targets = data
        if every < 1:
            raise UsageError(f"every={every} was asked; expected 1 update or more between two publications.")
        if len(inputs) != len(targets) or not len(inputs):
            raise UsageError(
                f"{len(inputs)} inputs and {len(targets)} targets were given; expected as many, 1 or more."
            )
        self.notes: list[str] = []
        self.every = every
        self._model = model
        self._workers = workers or Workers()
        self._num_ticks = 0
        self._processes: list[BaseProcess] = []
        num = len(inputs)
        self._shared = _Shared(
            model=copy.deepcopy(model).cpu().eval().share_memory(),
            loss=loss,
            inputs=_in_shared_memory(inputs),
            targets=_in_shared_memory(targets),
            weights=_in_shared_memory(torch.full((num,), float("nan"))),
            versions=_in_shared_memory(torch.full((num,), -1)),
            counts=_in_shared_memory(torch.zeros(self._workers.num, dtype=torch.int64)),
            signals=_in_shared_memory(torch.zeros(2, dtype=torch.int64)),
            texts=_in_shared_memory(torch.zeros(self._workers.num, MOST_TEXT_BYTES, dtype=torch.uint8)),
            workers=self._workers,
        )

    def __enter__(self) -> Self:
        context: Any = multiprocessing.get_context(self._workers.start_method)
        try:
            for rank in range(self._workers.num):
                process = context.Process(target=_score, args=(self._shared, rank), daemon=True)
                process.start()
                self._processes.append(process)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            self.stop()
            raise UsageError(
                f"Model, loss or data cannot be handed to a worker started by {self._workers.start_method}: {error}. "
                'Define them in a module that can be imported, or take start_method="fork" where the system has it.'
            ) from error
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @property
    def num_alive(self) -> int:
        """Workers that are at work."""
        return sum(process.exitcode is None for process in self._processes)

    @property
    def pids(self) -> tuple[int | None, ...]:
        """Process ids of the workers, those that have ended too."""
        return tuple(process.pid for process in self._processes)

    @property
    def num_scored(self) -> int:
        """Examples scored so far, by all workers together; each costs about two thirds of a gradient."""
        return int(self._shared.counts.sum())

    @property
    def weights(self) -> Tensor:
        """The weights as they are now, (N,), a copy; NaN where an example was not scored yet."""
        return self._shared.weights.clone()

    @property
    def ages(self) -> Tensor:
        """How many publications ago the parameters were new that each example was scored with, (N,); -1 for never."""
        versions = self._shared.versions.clone()
        return torch.where(versions < 0, versions, self._shared.signals[1] - versions)

    def tick(self, sampler: ImportanceSampler) -> None:
        """Call before each update: publishes parameters and takes weights where it is time, and waits for nothing."""
        if self._num_ticks % self.every == 0:
            self.publish()
            sampler.update(self.weights)
            self._look()
        self._num_ticks += 1

    def publish(self) -> None:
        """Give the workers the present parameters."""
        mine, shared = self._model.state_dict(), self._shared.model.state_dict()
        with torch.no_grad():
            for name, tensor in shared.items():
                tensor.copy_(mine[name])
        self._shared.signals[1] += 1

    def stop(self) -> None:
        """End all workers; what they have written stays readable."""
        self._look()
        self._shared.signals[0] = 1
        deadline = time.monotonic() + GRACE_S
        for process in self._processes:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                process.terminate()
                process.join(GRACE_S)
            if process.is_alive():
                process.kill()
                process.join()

    def _look(self) -> None:
        """Note workers that have ended without being told to."""
        if self._shared.signals[0]:
            return
        for rank, process in enumerate(self._processes):
            if process.exitcode is None or any(note.startswith(f"Scoring worker {rank} ") for note in self.notes):
                continue
            text = bytes(self._shared.texts[rank].tolist()).rstrip(b"\0").decode("utf-8", "replace")
            left = self.num_alive
            self.notes.append(
                f"Scoring worker {rank} ended ({text or f'exit code {process.exitcode}'}); "
                + (f"{left} go on." if left else "none is left: weights keep their last values, training goes on.")
            )


def _in_shared_memory(tensor: Tensor) -> Tensor:
    """A tensor of the CPU that other processes see too."""
    found: Any = tensor.detach().cpu()
    shared: Tensor = found if found.is_shared() else found.clone().share_memory_()
    return shared


def _score(shared: _Shared, rank: int) -> None:
    """A worker: score chunk after chunk until told to stop, or until the master is gone."""
    torch.set_num_threads(shared.workers.threads)
    try:
        _rounds(shared, rank)
    except Exception as error:  # noqa: BLE001 (whatever a user's model raises is told to the master)
        text = f"{type(error).__name__}: {error}".encode()[:MOST_TEXT_BYTES]
        shared.texts[rank, : len(text)] = torch.tensor(list(text), dtype=torch.uint8)
        raise SystemExit(1) from None


def _rounds(shared: _Shared, rank: int) -> None:
    """Score all examples round after round."""
    parent = multiprocessing.parent_process()
    model = copy.deepcopy(shared.model).to(shared.workers.device)
    norms = GradientNorms(model, shared.loss, chunk=shared.workers.chunk)
    starts = list(range(0, len(shared.inputs), shared.workers.chunk))
    first = rank * len(starts) // shared.workers.num
    starts = starts[first:] + starts[:first]
    held, unscored = -1, 0
    while True:
        for start in starts:
            if shared.signals[0] or (parent is not None and not parent.is_alive()):
                return
            version = int(shared.signals[1])
            if version != held:
                model.load_state_dict(shared.model.state_dict())
                held, unscored = version, len(starts)
            elif unscored == 0:
                time.sleep(IDLE_S)
                continue
            part = slice(start, start + shared.workers.chunk)
            _write(shared, part, norms, version)
            shared.counts[rank] += len(shared.weights[part])
            unscored -= 1


def _write(shared: _Shared, part: slice, norms: GradientNorms, version: int) -> None:
    """Score a chunk; a length that is not finite leaves the last one in its place."""
    device = shared.workers.device
    found = norms(shared.inputs[part].to(device), shared.targets[part].to(device)).to("cpu", torch.float32)
    is_known = found.isfinite()
    shared.weights[part] = torch.where(is_known, found, shared.weights[part])
    shared.versions[part] = torch.where(is_known, version, shared.versions[part])
