"""A run while it goes on: a table that is drawn again on a terminal, plain lines elsewhere; always on stderr.

Drawing must not disturb what is measured: at most two times a second, less often where drawing is slow (never more than
one part in a hundred of the time), only when something happened, and no thread of its own.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from cupel.report.console import STYLES, Column, fitted_table, is_live, open_console, styled
from cupel.report.words import DASH, STATUS, Sign, num, plain
from cupel.spec.events import Decided, Event, Finished, JobEnded, JobStarted, Planned, Progress
from cupel.spec.job import Job
from cupel.spec.units import format_bytes, format_duration, format_rate

if TYPE_CHECKING:
    from rich.console import RenderableType

LEAST_WAIT_S = 0.5
COST_SHARE = 100
ROWS_AROUND = 6
"""Lines of the screen that are not rows of the table."""
RUNNING = Sign("▸", "running", ">", "good")
WAITING = Sign("·", "waiting", "-", "calm")
INTERRUPTED = Sign("…", "interrupted", ".", "calm")
MIXED = Sign("!", "some failed", "!", "warn")


@dataclass
class _Row:
    """What is known of one cell so far."""

    label: str
    unit: str
    num_ok: int = 0
    num_failed: int = 0
    num_skipped: int = 0
    is_interrupted: bool = False
    launch_of: int | None = None
    launch: int | None = None
    phase: str = ""
    rate: float | None = None
    memory_bytes: float | None = None
    power_w: float | None = None
    last_word: str = ""

    @property
    def num_ended(self) -> int:
        return self.num_ok + self.num_failed + self.num_skipped

    @property
    def is_done(self) -> bool:
        return not self.phase and self.launch_of is not None and self.num_ended >= self.launch_of > 0

    @property
    def sign(self) -> Sign:
        """Running, waiting, or how its launches ended."""
        if self.phase:
            return RUNNING
        if self.num_failed:
            return MIXED if self.num_ok else STATUS["failed"]
        if self.num_skipped and not self.num_ok:
            return STATUS["skipped"]
        if self.is_interrupted:
            return INTERRUPTED
        return STATUS["ok"] if self.num_ok else WAITING


class Live:
    """Shows the events of a run as they come; a context manager.

    Args:
        file: where to; stderr unless given.
        width: columns, the terminal's own unless given.
        clock: seconds that only go forward.
    """

    def __init__(
        self, *, file: TextIO | None = None, width: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = open_console(sys.stderr if file is None else file, width)
        self._clock = clock
        self._live: Any = None
        self._next_draw_s = 0.0
        self._start_s = clock()
        self._plan: Planned | None = None
        self._rows: dict[str, _Row] = {}
        self._num_jobs = self._num_ended = self._num_failed = 0
        self._is_gone = False

    def __enter__(self) -> Self:
        """Begin to draw, where the stream is a terminal."""
        if is_live(self._console):
            from rich.live import Live as Drawing

            self._live = Drawing(
                console=self._console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
            )
            with self._while_there():
                self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the table away and give the cursor back."""
        if self._live is not None:
            with self._while_there():
                self._live.stop()
            self._live = None

    @contextlib.contextmanager
    def _while_there(self) -> Iterator[None]:
        """Go quiet when the terminal is gone (a closed window, a lost connection): the run goes on without it."""
        try:
            yield
        except (OSError, ValueError) as error:
            if isinstance(error, ValueError) and "closed file" not in str(error):
                raise
            self._is_gone = True

    def handle(self, event: Event) -> None:
        """Take an event in, and draw if it is time."""
        match event:
            case Planned():
                self._on_planned(event)
            case JobStarted():
                self._on_started(event)
            case Progress():
                self._on_progress(event)
            case JobEnded():
                self._on_ended(event)
            case Decided():
                self._say(f"· {plain(event.text)}", "dim")
            case Finished():
                self._on_finished(event)
        self._draw_if_due()

    def _on_planned(self, event: Planned) -> None:
        self._plan, self._num_jobs, self._start_s = event, event.num_jobs, self._clock()
        for key, (label, unit) in event.cells.items():
            self._rows.setdefault(key, _Row(plain(label), plain(unit)))
        about = "" if event.expected_s is None else f", about {format_duration(event.expected_s)}"
        jobs = num(event.num_jobs, "job")
        self._say(
            f"{plain(event.name)} on {plain(event.machine)}: {jobs}{about}; records in {plain(event.run_dir)}", "dim"
        )
        for name, reason in event.skipped.items():
            self._say(f"{STATUS['skipped'].mark} {plain(name)} skipped: {plain(reason)}", "dim")

    def _row(self, job: Job) -> _Row:
        cell = self._plan.checks.get(job.id, job.cell) if self._plan else job.cell
        return self._rows.setdefault(cell, _Row(plain(job.stem), ""))

    def _on_started(self, event: JobStarted) -> None:
        row = self._row(event.job)
        row.phase = "checking" if event.job.kind == "sane" else "starting"
        if event.job.kind == "launch":
            row.launch, row.launch_of = event.job.launch + 1, event.launch_of

    def _on_progress(self, event: Progress) -> None:
        row = self._row(event.job)
        row.phase = "checking" if event.job.kind == "sane" else event.phase
        row.memory_bytes, row.power_w = event.memory_bytes, event.power_w
        if event.job.kind == "launch" and event.rate is not None:
            row.rate = event.rate

    def _on_ended(self, event: JobEnded) -> None:
        row = self._row(event.job)
        row.phase = ""
        self._num_ended += 1
        self._num_jobs = max(self._num_jobs, self._num_ended)
        is_interrupted = event.status == "failed" and event.reason == INTERRUPTED.word
        is_failed = event.status == "failed" and not is_interrupted
        self._num_failed += is_failed
        row.is_interrupted = is_interrupted
        if event.job.kind == "launch" or event.status != "ok":
            row.num_ok += event.status == "ok"
            row.num_failed += is_failed
            row.num_skipped += event.status == "skipped"
        if event.job.kind == "launch" and event.rate is not None:
            row.rate = event.rate
        row.last_word = "" if event.status == "ok" else plain(event.reason) or event.status
        if self._live is None or event.status != "ok":
            sign = INTERRUPTED if is_interrupted else STATUS[event.status]
            self._say(self._ended_line(event, row, sign), "" if event.status == "ok" else sign.tone)

    def _ended_line(self, event: JobEnded, row: _Row, sign: Sign) -> str:
        """`✓ [ 3/24] resnet50 launch 2 of 3: 12.40 images/s (4.2 s)`."""
        place = f"[{self._num_ended:>{len(str(self._num_jobs))}}/{self._num_jobs}]"
        of = "" if row.launch_of is None else f" of {row.launch_of}"
        what = "check" if event.job.kind == "sane" else f"launch {event.job.launch + 1}{of}"
        took = f"({format_duration(event.elapsed_s)})"
        head = f"{sign.mark} {place} {row.label} {what}"
        if event.status == "ok":
            return (
                f"{head}: {_rate_words(event.rate, row.unit)} {took}"
                if event.job.kind == "launch"
                else f"{head} {took}"
            )
        if sign is INTERRUPTED:
            return f"{head} {sign.word} {took}"
        reason, message = plain(event.reason), plain(event.message)
        words = message if message.startswith(reason) else f"{reason}: {message}".strip(": ")
        return f"{head} {event.status}, {words or 'no reason given'} {took}"

    def _on_finished(self, event: Finished) -> None:
        state = "stopped as asked" if event.interrupted else "done"
        failed = f", {num(event.num_failed, 'job')} failed" if event.num_failed else ""
        text = f"{state}: {num(event.num_ok, 'launch', 'launches')} ok{failed}, {format_duration(event.elapsed_s)}"
        self._say(text, "warn" if event.num_failed or event.interrupted else "good")

    def _say(self, text: str, tone: str = "") -> None:
        """A line that stays."""
        if not self._is_gone:
            with self._while_there():
                self._console.print(styled(text, tone))

    def _draw_if_due(self) -> None:
        if self._live is None or self._is_gone or self._clock() < self._next_draw_s:
            return
        begin_s = self._clock()
        with self._while_there():
            self._live.update(self._drawing(), refresh=True)
        end_s = self._clock()
        self._next_draw_s = end_s + max(LEAST_WAIT_S, COST_SHARE * (end_s - begin_s))

    def _drawing(self) -> RenderableType:
        """Head, table, and what Ctrl-C does."""
        from rich.console import Group

        rows = self._shown_rows()
        hidden = len(self._rows) - len(rows)
        parts = [self._head(), fitted_table(_columns(rows), self._console.width)]
        if hidden > 0:
            parts.append(styled(f"and {num(hidden, 'more entry', 'more entries')}", "dim"))
        parts.append(styled("Ctrl-C once: finish the launch and stop; twice: stop now", "dim"))
        return Group(*parts)

    def _head(self) -> RenderableType:
        elapsed_s = self._clock() - self._start_s
        name = plain(self._plan.name) if self._plan else ""
        parts = [f"cupel run {name}", f"{self._num_ended}/{self._num_jobs} done"]
        if self._num_failed:
            parts.append(f"{self._num_failed} failed")
        parts.append(format_duration(elapsed_s))
        left_s = self.left_s(elapsed_s)
        if left_s is not None:
            parts.append(f"about {format_duration(left_s)} left")
        head = styled("  ".join(parts), "bold")
        head.no_wrap, head.overflow = True, "ellipsis"
        return head

    def left_s(self, elapsed_s: float) -> float | None:
        """Seconds that are left: by the plan at first, by the jobs that ended once there are three; None if unknown."""
        left = self._num_jobs - self._num_ended
        if self._num_ended >= 3:
            return max(0.0, elapsed_s / (self._num_ended + 0.5) * (left - 0.5)) if left else 0.0
        expected_s = self._plan.expected_s if self._plan else None
        return None if expected_s is None else max(0.0, expected_s - elapsed_s)

    def _shown_rows(self) -> list[_Row]:
        """All rows where they fit; else those that run, then the next that wait, then the last that ended."""
        rows = list(self._rows.values())
        room = max(3, self._console.height - ROWS_AROUND)
        if len(rows) <= room:
            return rows
        order = [*(r for r in rows if r.phase), *(r for r in rows if not r.phase and not r.is_done)]
        ended = [r for r in rows if r not in order][::-1]
        chosen = {id(r) for r in [*order[: room - min(3, len(ended))], *ended][:room]}
        return [r for r in rows if id(r) in chosen]


def _rate_words(rate: float | None, unit: str) -> str:
    return "no rate" if rate is None else f"{format_rate(rate)} {unit + '/s' if unit else ''}".rstrip()


def _columns(rows: list[_Row]) -> list[Column]:
    """The live table; memory and power only where something is known of them."""
    columns = [
        Column("  entry", least=18),
        Column("launch", justify="right"),
        Column("items/s so far", justify="right"),
        Column("unit", least=8, drop=1),
        Column("memory", justify="right", drop=4),
        Column("power W", justify="right", drop=3),
        Column("now", least=12, drop=2),
    ]
    for row in rows:
        sign = row.sign
        launch = DASH if row.launch is None else f"{row.launch}/{row.launch_of or '?'}"
        style = STYLES[sign.tone] if sign.tone in ("warn", "bad", "calm") else ""
        cells = (
            (f"{sign.mark} {row.label}", style),
            (launch, ""),
            (format_rate(row.rate), ""),
            (f"{row.unit}/s" if row.unit else "", "dim"),
            (format_bytes(row.memory_bytes), "dim"),
            (DASH if row.power_w is None else f"{row.power_w:.0f}", "dim"),
            (row.phase or row.last_word or ("done" if row.is_done else ""), style if row.last_word else ""),
        )
        for column, cell in zip(columns, cells, strict=True):
            column.cells.append(cell)
    return [c for c in columns if c.title not in ("memory", "power W") or not c.is_empty]
