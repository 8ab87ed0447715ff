"""A run of claims on the terminal: the verdicts, the evidence when asked; and its progress, on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TextIO

from cupel.report.claim_words import GRAVE, SIGNS, WORDS, alike_failures, effect_text, estimator_text, number
from cupel.report.console import hanging, open_console, styled
from cupel.report.words import Sign, num, plain, tail_of
from cupel.spec.events import Decided, JobEnded, Looked, TrialsDone
from cupel.spec.units import format_duration

TONES = {word: sign.tone for word, sign in SIGNS.items()}
HEARTBEAT_S = 5.0
MOST_FAILURES, LOG_LINES = 5, 5
INDENT = "    "


def show_claims(
    document: Mapping[str, Any], *, file: TextIO, with_evidence: bool = False, width: int | None = None
) -> None:
    """Print a run of claims.

    Args:
        document: of kind `claims`.
        file: where to; colours only if it is a terminal.
        with_evidence: show arms, costs and failures, too (`--why`).
        width: columns, the terminal's own unless given.
    """
    console = open_console(file, width)
    for claim in document["claims"]:
        console.print(styled(f"{plain(claim['label'])}  {plain(claim['says'])}", "bold"))
        mine = [verdict for verdict in document["verdicts"] if verdict["key"] == claim["key"]]
        for verdict in mine:
            for text, tone in _verdict_lines(verdict, with_evidence=with_evidence):
                console.print(_hung(text, tone))
        for text in _claim_lines(claim, with_evidence=with_evidence):
            console.print(_hung(text))
        console.print()
    for item in document["skipped"]:
        console.print(styled(f"skipped: {plain(item['name'])}: {plain(item['reason'])}"))
    console.print(styled(plain(document["headline"]), "bold"))
    took = format_duration(document["price"]["elapsed_s"])
    state = "" if document["status"] == "complete" else "; some verdicts are open"
    console.print(styled(f"{format_duration(document['price']['wall_s'])} of trials in {took}{state}"))
    notes = [(Sign("·", "note", "-", "calm"), plain(item["text"])) for item in document["warnings"]]
    if notes:
        console.print(hanging(notes))


def _hung(text: str, tone: str = "") -> Any:
    """A line that is wrapped under its own indent."""
    from rich.padding import Padding

    body = text.lstrip()
    return Padding(styled(body, tone), (0, 0, 0, len(text) - len(body)))


def _verdict_lines(verdict: Mapping[str, Any], *, with_evidence: bool) -> Iterator[tuple[str, str]]:
    sign = SIGNS[verdict["verdict"]]
    head = "" if verdict["is_headline"] else f"[{verdict['statement']}] "
    yield f"  {sign.mark} {WORDS[verdict['verdict']]}: {head}{plain(verdict['says'])}", sign.tone
    yield f"{INDENT}{effect_text(verdict)}", ""
    if verdict["is_headline"] or with_evidence:
        yield f"{INDENT}why: {plain(verdict['reason'])}", ""
        yield f"{INDENT}what would change it: {plain(verdict['would_change'])}", ""
    if with_evidence:
        arms = f"; {' against '.join(verdict['arms'])}" if verdict["arms"] else ""
        p = "" if verdict["p"] is None else f"; p = {verdict['p']:.2g}"
        yield f"{INDENT}{verdict['sentence']} ({verdict['kind']}) of {plain(verdict['metric'])}{arms}{p}", ""
        yield f"{INDENT}{verdict['method'] or 'no interval'}; scope: {plain(verdict['scope'])}", ""
    for note in verdict["warnings"]:
        if with_evidence or note["code"] in GRAVE:
            yield f"{INDENT}note: {plain(note['text'])}", "warn"


def _claim_lines(claim: Mapping[str, Any], *, with_evidence: bool) -> Iterator[str]:
    if claim["broken"]:
        yield f"{INDENT}{claim['broken']}"
    if with_evidence:
        yield from _evidence_lines(claim)
    yield from _failure_lines(claim["failures"], with_evidence=with_evidence)


def _failure_lines(failures: Sequence[Mapping[str, Any]], *, with_evidence: bool) -> Iterator[str]:
    """What failed, the same failure once, with how often."""
    alike = alike_failures(failures)
    shown = list(alike.items())[: MOST_FAILURES if with_evidence else 1]
    for text, each in shown:
        arms = ", ".join(dict.fromkeys(plain(failure["arm"]) for failure in each))
        yield f"{INDENT}failed: {num(len(each), 'trial')} of {arms}: {text}"
        for line in tail_of(each[0], LOG_LINES) if with_evidence else ():
            yield f"{INDENT}  | {line}"
    if len(alike) > len(shown):
        yield f"{INDENT}{num(len(alike) - len(shown), 'other failure')}; --why and --json show more"


def _evidence_lines(claim: Mapping[str, Any]) -> Iterator[str]:
    yield f"  arms at size {claim['size']}, mean (95 % interval):"
    for arm in claim["arms"]:
        hp = " ".join(f"{name}={value}" for name, value in arm["hp"].items())
        failed = f", {arm['num_failed']} failed" if arm["num_failed"] else ""
        trials = f"{num(arm['num_trials'], 'trial')}{failed}"
        yield f"{INDENT}{arm['arm']}: {plain(arm['words'])} ({trials}) {hp}".rstrip()
        known = [(name, mean) for kind in ("metrics", "costs") for name, mean in arm[kind].items() if mean is not None]
        yield from (f"{INDENT}  {plain(name)} {_mean_text(mean)}" for name, mean in known)
        if arm["wall_s"] is not None:
            yield f"{INDENT}  wall time {_mean_text(arm['wall_s'])} s"
    for source in claim["variance"]:
        what = "all vary" if source["source"] == "all" else f"{plain(source['source'])} varies alone"
        yield f"{INDENT}spread when {what}: sd {number(source['sd'])} (n = {source['n']})"
    if claim["variance"]:
        yield f"{INDENT}{estimator_text(claim['varies'], is_tuned=bool(claim['tuned']))}"
    for name in ("source", "published", "kept", "smaller"):
        if claim[name]:
            words = " (as published; never compared across hardware)" if name == "published" else ""
            yield f"{INDENT}{name}: {plain(claim[name])}{words}"


def _mean_text(mean: Mapping[str, Any]) -> str:
    span = "" if mean["interval"] is None else f" ({number(mean['interval'][0])} to {number(mean['interval'][1])})"
    return f"{number(mean['mean'])}{span}"


class ClaimsLive:
    """Shows a run of claims as it goes on: a line for each verdict, and one now and then for what is open.

    Args:
        file: where to; stderr unless given.
        clock: seconds that only go forward.
    """

    def __init__(self, *, file: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = open_console(sys.stderr if file is None else file)
        self._clock = clock
        self._next_s = self._next_look_s = clock() + HEARTBEAT_S

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(styled(plain(text)))

    def handle(self, event: object) -> None:
        """Take an event in, and say what matters."""
        if isinstance(event, Decided):
            self.say(event.text)
        elif isinstance(event, JobEnded) and event.status == "failed":
            self.say(f"{event.job.stem} {event.job.arm}: launch {event.job.launch} failed: {event.message}")
        elif isinstance(event, TrialsDone) and self._clock() >= self._next_s:
            self._next_s = self._clock() + HEARTBEAT_S
            self.say(f"{event.label}: {event.part}, {event.num} of {num(event.of, 'trial')}")
        elif isinstance(event, Looked) and (event.is_over or self._clock() >= self._next_look_s):
            self._next_look_s = self._clock() + HEARTBEAT_S
            self._console.print(styled(plain(_looked(event)), TONES[event.verdict] if event.is_over else ""))


def _looked(event: Looked) -> str:
    span = "" if event.interval is None else f" ({number(event.interval[0])} to {number(event.interval[1])})"
    found = "" if event.effect is None else f", effect {number(event.effect)}{span}"
    state = event.verdict if event.is_over else f"{event.verdict} so far"
    return f"{event.label} {event.statement}: {state}{found}, n = {event.n}, {format_duration(event.spent_s)}"
