"""Tune: find good hyperparameters of a script, in any language.

The script is given --name=value for each parameter and prints lines of JSON such as {"val_loss": 0.3, "step": 5}. In
its environment are CUPEL_RESOURCE (train up to this), CUPEL_CHECKPOINT (a path of the trial's own, to go on from) and
CUPEL_SEED. The result is the best configuration, trained again with fresh seeds, and a run folder that can be resumed.

Spaces: "lr=log(1e-5,1), width=int(32,512), act=cat(relu,gelu), x=float(-10,10)"; also logint(a,b), cell(nodes,op,op);
"lr=log(1e-5,1)~1e-3" says where an expert expects the best, "m=float(0,1) if opt=sgd|adam" when m has a part.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cupel
from cupel.cli._output import given_path
from cupel.cli._tuning import carry_out_tuning, script_digest
from cupel.cli._tuning_repeats import carry_out_repeats
from cupel.ledger.run_folder import RunFolder
from cupel.measure.machine import describe_machine
from cupel.methods.find_searcher import find_searcher, searcher_names, split_options
from cupel.report.repeats_document import KIND
from cupel.run.code import code_digest
from cupel.run.trial_processes import script_command
from cupel.spec.card import Scalar
from cupel.spec.errors import UsageError
from cupel.spec.read_space import read_space, scalar
from cupel.spec.space import Space
from cupel.spec.tuning import TuningRequest
from cupel.spec.units import parse_duration
from cupel.study.minimize import check_request, default_searcher

NEED_RESOURCE = ("asha", "asha_stopping", "successive_halving", "hyperband")
"""Searchers that do nothing but stop early: without a resource they would be random search."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `cupel tune` takes."""
    parser.add_argument("script", metavar="SCRIPT", help="a file to run for each trial: Python, or executable")
    parser.add_argument("--space", required=True, metavar="TEXT|@FILE", help="the hyperparameters, as above")
    parser.add_argument("--metric", required=True, metavar="KEY", help="the key of the value in the script's lines")
    parser.add_argument(
        "--better", choices=("lower", "higher"), default="lower", help="which values are (default lower)"
    )
    parser.add_argument(
        "--searcher",
        default="",
        metavar="NAME[:OPTION=VALUE],...",
        help=f"{', '.join(searcher_names())} (default asha with --max-resource, else random_search)",
    )
    parser.add_argument(
        "--repeats",
        type=int,
        metavar="N",
        help="tune N times, each searcher in turn: sd between tunings and between seeds, which searcher is better",
    )
    parser.add_argument("--trials", type=int, default=50, metavar="N", help="configurations to try (default 50)")
    parser.add_argument("--budget", metavar="TIME", help="stop searching after this, such as 2h")
    parser.add_argument("--max-resource", type=float, metavar="R", help="what a trial gets at most, in its own steps")
    parser.add_argument("--min-resource", type=float, metavar="R", help="what it gets before it is judged (default 1)")
    parser.add_argument("--eta", type=int, default=3, metavar="N", help="one in so many goes on (default 3)")
    parser.add_argument(
        "--fidelity",
        choices=("resource", "seeds"),
        default="resource",
        help="what one more of the resource is: a step of the script's, or one more seed (default resource)",
    )
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="trials at once (default 1)")
    parser.add_argument("--seed", type=int, default=0, help="root of all seeds (default 0)")
    parser.add_argument(
        "--constraint", action="append", default=[], metavar="TEXT", help="such as 'width*depth <= 4096'"
    )
    parser.add_argument(
        "--initial", action="append", default=[], metavar="NAME=VALUE,...", help="a configuration to begin with"
    )
    parser.add_argument("--timeout", metavar="TIME", help="end a trial's script after this")
    parser.add_argument(
        "--retries", type=int, default=1, metavar="N", help="of a script that a signal ended (default 1)"
    )
    parser.add_argument(
        "--reevaluate", type=int, default=5, metavar="N", help="fresh seeds for the best at the end (default 5)"
    )
    parser.add_argument(
        "--out", type=given_path, default=Path("runs"), metavar="DIR", help="where run folders go (default ./runs)"
    )
    parser.add_argument(
        "--json", action="store_true", help="the result as JSON in the last line of stdout, everything else on stderr"
    )


def main(args: argparse.Namespace) -> int:
    """Tune, report."""
    script_command(args.script)  # refused before anything else
    space = _space(args.space, args.constraint).with_initial([_assignments(text) for text in args.initial])
    searchers = _searchers(args.searcher or default_searcher(args.max_resource), args.max_resource)
    request = _request(args, space, searchers)
    check_request(request)
    for searcher in searchers:
        find_searcher(searcher, request.search)  # refused before a folder is made for it
    is_repeated = args.repeats is not None or len(searchers) > 1
    repeats = args.repeats if args.repeats is not None else 1
    if is_repeated and (repeats < 1 or args.reevaluate < 1):
        raise UsageError(
            f"--repeats is {repeats} and --reevaluate {args.reevaluate}; expected 1 or more of either, since repeated "
            "tunings are judged by their best trained again."
        )
    content: dict[str, Any] = {
        "kind": KIND if is_repeated else "tuning",
        "name": f"tune-{Path(args.script).stem}",
        "cupel": cupel.__version__,
        "code": code_digest(),
        "tuning": request.as_dict(),
        "directory": str(Path.cwd()),
        "script_digest": script_digest(Path(args.script)),
        "machine": describe_machine(),
    }
    if is_repeated:
        content |= {"searchers": searchers, "repeats": repeats}
    folder = RunFolder.create(args.out, content["name"], content)
    return (carry_out_repeats if is_repeated else carry_out_tuning)(folder, as_json=args.json)


def _request(args: argparse.Namespace, space: Space, searchers: Sequence[str]) -> TuningRequest:
    """The arguments as a request."""
    return TuningRequest(
        script=args.script,
        space=space.as_dict(),
        metric=args.metric,
        better=args.better,
        searcher=searchers[0],
        trials=args.trials,
        budget_s=parse_duration(args.budget) if args.budget else None,
        max_resource=args.max_resource,
        min_resource=args.min_resource,
        eta=args.eta,
        workers=args.workers,
        seed=args.seed,
        timeout_s=parse_duration(args.timeout) if args.timeout else None,
        retries=args.retries,
        fidelity=args.fidelity,
        reevaluations=args.reevaluate,
    )


def _searchers(text: str, max_resource: float | None) -> list[str]:
    """The searchers that were named: one, or several with commas between them (options follow a colon).

    Raises:
        UsageError: one of them stops early, and there is nothing to stop at; or one is there twice.
    """
    found: list[str] = []
    for word in text.split(","):
        if "=" in word and ":" not in word and found:
            found[-1] += f",{word.strip()}"  # a further option of the searcher before it
        else:
            found.append(word.strip())
    for searcher in found:
        if split_options(searcher)[0] in NEED_RESOURCE and max_resource is None:
            raise UsageError(
                f"--searcher {searcher} stops trials early, and nothing says what a trial gets at most: give "
                "--max-resource R, in the steps that the script reports (or take random_search, tpe, ...)."
            )
    twice = sorted({searcher for searcher in found if found.count(searcher) > 1})
    if twice:
        raise UsageError(f"--searcher names {', '.join(twice)} more than once; for repeats say --repeats N.")
    return found


def _space(text: str, constraints: Sequence[str]) -> Space:
    """The space as given, or from a file after an `@`."""
    if not text.startswith("@"):
        return read_space(text, constraints)
    path = Path(text[1:])
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--space: the file {path} cannot be read: {error}.") from error
    return read_space(",".join(line.rstrip(" ,") for line in lines if not line.lstrip().startswith("#")), constraints)


def _assignments(text: str) -> dict[str, Scalar]:
    """A configuration as `name=value,name=value`, or as a JSON object."""
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text)
        except ValueError as error:
            raise UsageError(f"--initial {text!r} is no JSON: {error}.") from error
        return dict(found)
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if not all(sign for _, sign, _ in pairs):
        raise UsageError(f"--initial {text!r} is not understood; expected NAME=VALUE,NAME=VALUE.")
    return {name.strip(): scalar(value) for name, _, value in pairs}
