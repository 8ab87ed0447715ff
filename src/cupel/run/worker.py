"""The worker: a process that does one job and leaves records. The only place that imports an entry.

`python -m cupel.run.worker JOB_FOLDER [PARENT [RANK]]` reads `job.json`, does the job, writes `rank0/events.jsonl`. It
ends itself when its parent is gone. It exits with 0 when it left a result, 1 when it left a failure, 74 when there was
no room for either. Of a job of several ranks it starts and watches a process each (`cupel.run.ranks`). Operations are
counted once the result is written, so that a count that fails takes nothing with it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import importlib.util
import json
import math
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from cupel.ledger.records import RecordWriter
from cupel.measure.clock import clock_for
from cupel.measure.memory import peak_rss_bytes
from cupel.measure.stepping import MIN_STEPS, Limits, StepRow, format_rows, run_steps
from cupel.run.parent import die_with_parent
from cupel.run.ranks import Gang, rank_path, run_ranks
from cupel.run.settings import is_joint
from cupel.run.slot import PlainSlot, TorchSlot
from cupel.run.worker_exit import DISK_FULL_EXIT, UNCOUNTED_EXIT
from cupel.spec.entry import ClaimEntry, Entry
from cupel.spec.errors import CupelError, MissingExtraError, UnsupportedError, UsageError, WrongWorkError
from cupel.spec.extras import install_line
from cupel.spec.job import Job
from cupel.spec.protocols import Step
from cupel.spec.read_entry import read_entry
from cupel.spec.seeds import Seeds

LOSS_TOLERANCE = 1e-4
"""How far, as a share, the losses of ranks may differ that share the work on one batch."""


def main(argv: Sequence[str] | None = None) -> int:
    """Do the job in the folder that the first argument names, or one rank of it."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    die_with_parent(int(arguments[1]) if len(arguments) > 1 else os.getppid())
    path = Path(arguments[0])
    return do_rank(path, int(arguments[2])) if len(arguments) > 2 else do_job(path)


def do_job(path: Path) -> int:
    """Do the job in a folder, by a process for each rank where it has several."""
    with contextlib.suppress(OSError, ValueError, TypeError):  # a damaged job is told of by its only rank
        job = _read_job(path)
        if job.ranks > 1:
            return run_ranks(path, job, do_rank)
    return do_rank(path, 0)


def do_rank(path: Path, rank: int) -> int:
    """Do what one rank does; every way to fail leaves a record."""
    # Installed before anything can hang: the supervisor asks for the stack of a job that timed out.
    faulthandler.register(signal.SIGUSR2, all_threads=True, chain=False)
    writer = RecordWriter(rank_path(path, rank) / "events.jsonl")
    try:
        job = _read_job(path)
        place = Place(job, rank, _gang(job, path, rank) if job.ranks > 1 else None)
        if job.kind == "sane":
            _check(place, writer)
            return 0
        return _launch(place, writer)
    except BaseException as error:  # noqa: BLE001  whatever an entry raises, SystemExit included, is its failure
        reason, message = explain_failure(error)
        with contextlib.suppress(OSError):
            traceback.print_exc()
            sys.stderr.flush()
        try:
            writer.write("failure", t=time.time(), reason=reason, message=message)
        except OSError:
            return DISK_FULL_EXIT
        return 1


@dataclass(frozen=True)
class Place:
    """Where in which job a process stands.

    Args:
        job: the job.
        rank: of this process, from 0.
        gang: the job's ranks, where there are several.
    """

    job: Job
    rank: int
    gang: Gang | None

    @property
    def device(self) -> str:
        """The device of this rank: the one of its number where there are several."""
        kind, _, _ = self.job.device.partition(":")
        return self.job.device if self.gang is None or kind == "cpu" else f"{kind}:{self.rank}"


def _read_job(path: Path) -> Job:
    return Job.from_dict(json.loads((path / "job.json").read_text(encoding="utf-8")))


def _gang(job: Job, path: Path, rank: int) -> Gang:
    try:
        return Gang(path, rank, world=job.ranks, kind=job.device.partition(":")[0])
    except ImportError as error:
        raise MissingExtraError(f"{job.stem} on several ranks needs torch: {install_line(('torch',))}") from error


def _launch(place: Place, writer: RecordWriter) -> int:
    """Set up, step, say what it took, and count its operations; the exit code."""
    job, gang = place.job, place.gang
    started = time.perf_counter()
    writer.write("phase", phase="starting", t=time.time())
    entry, module = load_entry(job)
    slot = _slot(place, entry)
    if gang is not None:
        gang.hold(slot)
    imported = time.perf_counter()
    writer.write("phase", phase="setting up", t=time.time())
    step = _step_of(module, job, slot)
    slot.sync()
    ready = time.perf_counter()
    if gang is not None:
        gang.hold(step)
        gang.meet()  # their clocks begin together
    writer.write("phase", phase="stepping", t=time.time())
    is_host = str(slot.device).startswith("cpu")

    last_loss: float | None = None

    def write(rows: Sequence[StepRow]) -> None:
        nonlocal last_loss
        writer.write_text(format_rows(rows))
        _refuse_bad_loss([row.loss for row in rows], rows[0].index)
        last_loss = rows[-1].loss

    agree = gang.agree if gang is not None and is_joint(job.settings, entry.card) else None
    late = run_steps(
        step,
        clock_for(slot.device),
        # tiny keeps to its half second, interval or not
        limits=Limits(job.stepping_s, 1 if job.size == "tiny" else MIN_STEPS, agree),
        write=write,
        has_late_losses=not is_host,
    )
    writer.write("phase", phase="finishing", t=time.time())
    if late:
        losses = [float(loss) for loss in late]
        writer.write("losses", loss=[x if math.isfinite(x) else str(x) for x in losses])
        _refuse_bad_loss(losses, 0)
        last_loss = losses[-1]
    if gang is not None and isinstance(slot, TorchSlot):
        _refuse_strays(gang, slot, loss=last_loss if job.counts_once else None)
    done = {
        "import_s": imported - started,
        "setup_s": ready - imported,
        "peak_device_bytes": _peak_device_bytes(slot.device),
        "peak": _peak(job, slot),
        "notes": slot.notes,
    }
    _write_result(writer, done)
    code = _count(place, step, slot=slot, writer=writer)
    if gang is not None and not code:
        gang.part()
    return code


def _write_result(writer: RecordWriter, done: dict[str, Any]) -> None:
    writer.write("result", t=time.time(), peak_rss_bytes=peak_rss_bytes(), **done)


def _refuse_strays(gang: Gang, slot: TorchSlot, *, loss: float | None) -> None:
    """Ranks that train one model hold the same weights, as far as each has them whole, and have the same loss.

    Args:
        gang: the ranks.
        slot: of this one.
        loss: of the last step, where all ranks have the same data.
    """
    if loss is not None:
        first = gang.told(loss)
        if not math.isclose(first, loss, rel_tol=LOSS_TOLERANCE):
            raise WrongWorkError(
                f"the ranks share the work on one batch, and their last losses are {first:.7g} on rank 0 and "
                f"{loss:.7g} here; expected the same. With strategy=tp, data must not depend on the rank."
            )
    mine = slot.fingerprint()
    if mine is not None and gang.agree(mine) != mine:
        raise WrongWorkError(
            "the ranks hold different weights after training together; expected the same on each. A step must call the "
            "model that slot.prepare returned, or gradients are not averaged."
        )


def _count(place: Place, step: Step, *, slot: PlainSlot | TorchSlot, writer: RecordWriter) -> int:
    """Count operations per item, once per cell, by one more step of its first launch; the exit code.

    A rank whose count fails within a common step leaves the others waiting, so all have results before it is begun.
    """
    if place.job.launch != 0 or place.job.arm or isinstance(slot, PlainSlot):
        return 0
    from cupel.measure.flop import flop_per_item

    is_common = place.gang is not None and place.job.settings.get("devices") != "each"
    if place.gang is not None and is_common:
        place.gang.meet()
    try:
        mine = flop_per_item(step)
        slot.sync()
        num_parts = place.job.ranks if place.job.counts_once else 1  # of an item's work, one on each rank
        writer.write("count", flop_per_item=None if mine is None else num_parts * mine)
    except Exception as error:  # noqa: BLE001  the launch is measured; only this number is not known
        writer.write("count", flop_per_item=None, note=f"{type(error).__name__}: {error}"[:400])
        return UNCOUNTED_EXIT if is_common else 0
    return 0


def _check(place: Place, writer: RecordWriter) -> None:
    """Run the entry's own check of its work."""
    job = place.job
    writer.write("phase", phase="starting", t=time.time())
    entry, module = load_entry(job)
    slot = _slot(place, entry)
    module.sane(SimpleNamespace(**job.sizes), slot, Seeds(job.seed))
    slot.sync()
    _write_result(writer, {})


def _step_of(module: ModuleType, job: Job, slot: PlainSlot | TorchSlot) -> Step:
    """The step to be timed: a workload's, or that of a claim's arm."""
    sizes, seeds = SimpleNamespace(**job.sizes), Seeds(job.seed)
    step: Step
    if job.arm:
        make = getattr(module, f"{job.arm}_step", None) or getattr(module, job.arm)
        step = make(module.task(sizes, slot, seeds), slot, seeds, dict(job.hp))
    else:
        step = module.setup(sizes, slot, seeds)
    return step


def load_entry(job: Job) -> tuple[Entry | ClaimEntry, ModuleType]:
    """The entry's card and module; the source must be the one that the job names."""
    entry = read_entry(Path(job.source), job.module or None)
    if entry.digest != job.digest:
        raise CupelError(f"{job.source} changed since the run was planned; start a new run with cupel run {job.stem}.")
    if entry.module is not None:
        return entry, importlib.import_module(entry.module)
    spec = importlib.util.spec_from_file_location(f"cupel_entry_{entry.stem}", entry.path)
    if spec is None or spec.loader is None:
        raise CupelError(f"{entry.path} cannot be imported; expected a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return entry, module


def _slot(place: Place, entry: Entry | ClaimEntry) -> PlainSlot | TorchSlot:
    """What a launch is given to work with."""
    job = place.job
    slot = make_slot(job, entry, device=place.device, seeds=Seeds(job.seed))
    if isinstance(slot, TorchSlot):
        slot.rank = place.rank
        if job.ranks > 1 and is_joint(job.settings, entry.card):
            slot.join(job.ranks)
    return slot


def make_slot(job: Job, entry: Entry | ClaimEntry, *, device: str, seeds: Seeds) -> PlainSlot | TorchSlot:
    """What a job is given to work with; the global generators are seeded for models that draw from them."""
    settings = {name: values[0] for name, values in entry.card.settings.items()} | dict(job.settings)
    if not {"torch", "models"} & set(entry.card.needs):
        return PlainSlot(device=job.device, settings=settings, threads=job.threads)
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError(f"{job.stem} needs torch. Install it: {install_line(entry.card.needs)}") from error
    torch.set_num_threads(job.threads)
    torch.manual_seed(seeds.seed("init"))
    return TorchSlot(device=device, settings=settings, threads=job.threads)


def _refuse_bad_loss(losses: Sequence[float | None], first: int) -> None:
    """Raise at the first loss that is no number."""
    for offset, loss in enumerate(losses):
        if loss is not None and not math.isfinite(loss):
            raise _BadLossError(f"the loss is {loss} at step {first + offset}; expected a finite number at every step")


class _BadLossError(CupelError):
    """A loss is NaN or infinite."""


def explain_failure(error: BaseException) -> tuple[str, str]:
    """Reason and message of a failure."""
    text = str(error).strip() or type(error).__name__
    name = type(error).__name__
    if isinstance(error, _BadLossError):
        return "loss is not finite", text
    if isinstance(error, UnsupportedError | MissingExtraError):
        return "not supported here", text
    if isinstance(error, WrongWorkError):
        return "wrong work", text
    if isinstance(error, UsageError):
        return "refused", text  # a sentence for the user: what was asked, found and expected
    if isinstance(error, OSError) and error.errno is not None and error.errno in _FULL:
        return "disk full", f"{error.strerror}: {error.filename or 'the run folder'}"
    first_line = text.splitlines()[0][:400]
    is_memory = isinstance(error, MemoryError) or name == "OutOfMemoryError" or "not enough memory" in text
    return ("out of memory" if is_memory else "crashed"), f"{name}: {first_line}"


def _peak(job: Job, slot: PlainSlot | TorchSlot) -> dict[str, Any]:
    """Upper bounds of what the devices can do, to refuse impossible rates by."""
    from cupel.measure.peaks import device_peak

    peak = device_peak(job.device, slot.precision)
    num = 1 if job.device == "cpu" else job.ranks  # ranks share a processor, and have an accelerator each
    flop, byte = (None if rate is None else num * rate for rate in (peak.flop_per_s, peak.bytes_per_s))
    return {"flop": flop, "byte": byte, "source": peak.source}


def _peak_device_bytes(device: Any) -> int | None:
    """Largest memory that the work held on its accelerator; None on a CPU."""
    if getattr(device, "type", "cpu") != "cuda":
        return None
    import torch

    return int(torch.cuda.max_memory_allocated(device))


def _full_errnos() -> frozenset[int]:
    import errno

    return frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


_FULL = _full_errnos()

if __name__ == "__main__":
    exit_code = main()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(exit_code)  # an exit by the book would replace the code where a log cannot be flushed
