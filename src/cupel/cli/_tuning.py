"""What `tune`, `resume` and `report` share: carry a tuning run out in a folder, and show it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from cupel.cli._page import write_page
from cupel.ledger.run_folder import RunFolder
from cupel.ledger.tuning_log import TuningLog, read_decisions
from cupel.measure.energy_meter import EnergyMeter
from cupel.measure.telemetry import Sampler
from cupel.methods.find_searcher import find_searcher
from cupel.report import json as strict_json
from cupel.report.tuning_document import build_tuning_document
from cupel.report.tuning_text import TuningLive, show_tuning
from cupel.run.stop import Stop
from cupel.run.trial_processes import TrialProcesses, script_command
from cupel.spec.errors import RunFolderError, UsageError
from cupel.spec.tuning import TuningRequest
from cupel.study.fresh_seeds import Surroundings
from cupel.study.tuning import TuningStudy

INTERRUPTED = 130
NOTHING_RAN = 4


def carry_out_tuning(folder: RunFolder, *, as_json: bool) -> int:
    """Tune what the folder asks for, from where it stands, and report.

    Returns:
        The exit code: 130 where the user stopped it, 4 where no trial reached a value, else 0.
    """
    stop = Stop()
    with folder.locked(), stop.listening():
        tune_in(folder, stop)
    return conclude_tuning(folder, as_json=as_json, is_interrupted=stop.is_asked)


def tune_in(folder: RunFolder, stop: Stop) -> None:
    """Tune what a folder asks for, from where it stands; nothing is reported.

    Raises:
        RunFolderError: the records cannot be written, or are not those of this run.
    """
    try:
        _tune(folder, stop)
    except OSError as error:
        raise RunFolderError(
            f"The records of {folder.path} cannot be written: {error.strerror or error}. What is there is whole; "
            f"make room, then: cupel resume {folder.path}"
        ) from error


def _tune(folder: RunFolder, stop: Stop) -> None:
    """The study itself, shown live on stderr."""
    request = TuningRequest.from_dict(folder.asked["tuning"])
    searcher = find_searcher(request.searcher, request.search)
    past, meter, asked = list(read_decisions(folder.path)), EnergyMeter(Sampler()), 0
    with contextlib.ExitStack() as stack:
        log = TuningLog(folder.path)
        stack.callback(log.close)
        directory = Path(folder.asked["directory"])
        command = script_command(str(script_of(folder)))
        trainer = stack.enter_context(TrialProcesses(command, folder.path, request, directory))
        live = stack.enter_context(TuningLive(request))
        live.say(f"{request.script} by {request.searcher}: {request.trials} trials; records in {folder.path}")
        study = TuningStudy(request, searcher, trainer, log, Surroundings(past, stop, tick=meter.tick))
        for event in study.run():
            if stop.requests > asked:
                asked = stop.requests
                live.say("Stopping after what runs; once more stops now." if asked == 1 else "Stopping now.")
            live.handle(event)
        log.write("power", energy_j=meter.energy_j())


def conclude_tuning(folder: RunFolder, *, as_json: bool, is_interrupted: bool) -> int:
    """Report a tuning run that has stopped: text or one line of JSON on stdout, the page in its folder."""
    document = build_tuning_document(RunFolder(folder.path))
    page = write_page(document, folder.path / "report.html")
    if as_json:
        print(one_line(document))
    else:
        show_tuning(document, file=sys.stdout)
        print(f"\nrecords: {folder.path}" if page is None else f"\nreport: {page}")
    if document["status"] == "partial":
        print(f"Not finished. Go on with: cupel resume {folder.path}", file=sys.stderr)
    if is_interrupted:
        return INTERRUPTED
    return NOTHING_RAN if document["best"] is None else 0


def one_line(document: dict[str, Any]) -> str:
    """The document as one line of strict JSON; `schema` and `best` stand first."""
    first = {key: document[key] for key in ("schema", "kind", "best")}
    rest = {key: value for key, value in document.items() if key not in first}
    return json.dumps(strict_json.plain_data({**first, **rest}), allow_nan=False)


def script_of(folder: RunFolder) -> Path:
    """The script of a run, wherever it is gone on with from.

    Raises:
        RunFolderError: the folder does not say where it is.
    """
    try:
        return Path(folder.asked["directory"]) / str(folder.asked["tuning"]["script"])
    except (KeyError, TypeError) as error:
        raise RunFolderError(f"{folder.path / 'run.json'} lacks {error}; expected a file of cupel tune.") from error


def script_digest(path: Path) -> str:
    """Digest of a script's text.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()
    except OSError as error:
        raise UsageError(f"The script {path} cannot be read: {error.strerror}.") from error
