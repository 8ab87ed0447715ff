"""A tuning run on the terminal: what is best, how sure that is, what it cost; and its progress, on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TextIO

from cupel.report.console import hanging, is_live, open_console, styled
from cupel.report.tuning_words import again_text, assignments, at_text, cost_texts, number
from cupel.report.words import STATUS, Sign, num, plain
from cupel.spec.events import Decided
from cupel.spec.tuning import (
    NewIncumbent,
    Reevaluated,
    TrialEnded,
    TrialReported,
    TrialStarted,
    TuningEvent,
    TuningFinished,
    TuningRequest,
)
from cupel.spec.units import format_duration

NOTE = Sign("·", "note", "-", "calm")
REDRAW_S = 0.5
HEARTBEAT_S = 30.0
MOST_FAILURES = 5
LOG_LINES = 10


def show_tuning(document: Mapping[str, Any], *, file: TextIO, width: int | None = None) -> None:
    """Print a tuning run.

    Args:
        document: of kind `tuning`.
        file: where to; colours only if it is a terminal.
        width: columns, the terminal's own (80 where there is none) unless given.
    """
    console = open_console(file, width)
    asked, best, counts = (document[key] for key in ("asked", "best", "counts"))
    state = {"trials": "", "budget": ", ended by its budget"}.get(document["ended"], ", not finished")
    searcher, trials = plain(asked["searcher"]), num(counts["trials"], "trial")
    console.print(styled(f"{plain(asked['script'])} tuned by {searcher}: {trials}{state}", "bold"))
    console.print()
    if best is None:
        console.print(styled("No trial reached a value.", "bad"))
    else:
        console.print(styled(f"best   trial {best['trial']}: {assignments(best['parameters'])}"))
        metric = plain(asked["metric"])
        selected = f"{metric} {number(best['value'])}{at_text(document, best['resource'])}"
        console.print(styled(f"       {selected}, as selected (too good by the selection)"))
        if best["reevaluated"] is not None:
            console.print(styled(f"       {again_text(best['reevaluated'], metric)}"))
    failed = f", {counts['failed']} failed" if counts["failed"] else ""
    started = num(counts["starts"], "start")
    console.print(styled(f"trials {counts['valued']} reached a value{failed}; {started} in all"))
    worked, energy, took = cost_texts(document)
    console.print(styled(f"cost   {worked} of workers' time, {energy}; {took} in all"))
    notes = [(NOTE, plain(text)) for text in document["notes"]]
    if notes:
        console.print()
        console.print(hanging(notes))


class TuningLive:
    """Shows a tuning run as it goes on: one line that is drawn anew on a terminal, lines that matter elsewhere.

    Args:
        request: what was asked.
        file: where to; stderr unless given.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        request: TuningRequest,
        *,
        file: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._request = request
        self._console = open_console(sys.stderr if file is None else file)
        self._clock = clock
        self._start_s = clock()
        self._next_s = self._start_s
        self._live: Any = None
        self._running: dict[int, str] = {}
        self._seen: set[int] = set()
        self._num_failed = 0
        self._best = ""

    def __enter__(self) -> Self:
        """Begin to draw, where the stream is a terminal."""
        if is_live(self._console):
            from rich.live import Live

            self._live = Live(
                console=self._console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
            )
            self._live.start()
        else:
            self._next_s += HEARTBEAT_S
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the line away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def handle(self, event: TuningEvent) -> None:
        """Take an event in, and draw if it is time."""
        for text, tone in self._lines(event):
            self._console.print(styled(plain(text), tone))
        now_s = self._clock()
        if now_s < self._next_s:
            return
        if self._live is not None:
            self._next_s = now_s + REDRAW_S
            line = styled(self._state())
            line.no_wrap, line.overflow = True, "ellipsis"
            self._live.update(line, refresh=True)
        else:
            self._next_s = now_s + HEARTBEAT_S
            self._console.print(styled(self._state(), "dim"))

    def say(self, text: str) -> None:
        """A line that stays."""
        self._console.print(styled(plain(text), "dim"))

    def _state(self) -> str:
        done = len(self._seen) - len(self._running)
        running = "; ".join(f"{trial} {state}".strip() for trial, state in list(self._running.items())[:4])
        more = f" and {len(self._running) - 4} more" if len(self._running) > 4 else ""
        took = format_duration(self._clock() - self._start_s)
        best = f"  best {self._best}" if self._best else ""
        return f"{done}/{self._request.trials} trials  {took}{best}  running: {running or 'none'}{more}"

    def _lines(self, event: TuningEvent) -> Iterator[tuple[str, str]]:
        metric = self._request.metric
        match event:
            case TrialStarted():
                self._seen.add(event.trial)
                self._running[event.trial] = ""
            case TrialReported():
                self._running[event.trial] = f"{number(event.value)} at {event.step:g}"
            case NewIncumbent():
                self._best = f"{number(event.value)} (trial {event.trial})"
                at = f" at {event.resource:g}" if self._request.max_resource is not None else ""
                values = assignments(event.parameters)
                yield f"▲ trial {event.trial}: {metric} {number(event.value)}{at} is the best so far: {values}", "good"
            case TrialEnded():
                self._running.pop(event.trial, None)
                yield from self._failure(event)
            case Reevaluated():
                yield f"· trial {event.trial} with a fresh seed: {metric} {number(event.value)}", "dim"
            case Decided():
                yield f"· {event.text}", "dim"
            case TuningFinished():
                state = "stopped as asked" if event.interrupted else "done"
                yield f"{state}: {num(event.num_trials, 'trial')}, {format_duration(event.elapsed_s)}", "good"

    def _failure(self, event: TrialEnded) -> Iterator[tuple[str, str]]:
        """The first failures with their logs, the rest as a count."""
        if event.status not in ("failed", "lost"):
            return
        self._num_failed += 1
        if self._num_failed <= MOST_FAILURES:
            yield f"{STATUS['failed'].mark} trial {event.trial} failed: {event.message}", "bad"
            yield from ((f"    {line}", "dim") for line in event.log_tail[-LOG_LINES:])
        elif self._num_failed == MOST_FAILURES + 1:
            yield "· further failures are not listed here; all are in the records", "dim"
