"""From the words of a command to a verb's module and an exit code.

A verb is a file in this folder with a docstring (its first line is the summary in `cupel --help`), with
`add_arguments(parser)` and with `main(args) -> int`. Files that begin with an underscore are no verbs.
"""

from __future__ import annotations

import argparse
import ast
import functools
import importlib
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from cupel import __version__
from cupel.cli._entries import reflowed, wrapped
from cupel.cli._output import drop_output, flush_output, is_output_full, make_encodable
from cupel.spec.errors import CupelError, UnknownNameError

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

FOLDER = Path(__file__).parent
INTERRUPTED = 130
BROKEN_PIPE = 141
"""What a shell reports of a program that wrote to a closed pipe; no verb returns it."""
USAGE = 2
ORDER = (
    *("list", "show", "run", "tune", "resume", "report", "verdicts", "compare", "analyze", "lint", "power", "doctor"),
    *("explain", "where", "new"),
)
"""How `cupel --help` sorts the verbs: from finding something to run to understanding what came out."""

HELP = """\
usage: cupel VERB [options]
       cupel VERB --help          (or: cupel help VERB)
       cupel --version

Measures AI machines and compares ML methods, and says how sure it is.

verbs:
{verbs}

start here:
  cupel list              what there is to run
  cupel run smoke         measure this machine, in a few minutes
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after `cupel`; the process's own where None.

    Returns:
        The exit code: 0 ok, 1 a job failed, 2 usage, 3 contradicted or slower, 4 nothing could run, 130 interrupted.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    make_encodable()
    try:
        code = _exit_code(words)
        flush_output()
    except CupelError as error:
        print(f"cupel: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("cupel: interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        drop_output()
        return BROKEN_PIPE
    except Exception as error:  # the last resort: a traceback is for those who ask for one
        if is_output_full(error):
            drop_output()
            print(f"cupel: stdout cannot be written: {getattr(error, 'strerror', error)}.", file=sys.stderr)
            return 1
        if os.environ.get("CUPEL_DEBUG") == "1":
            raise
        _report_fault(words, error)
        return 1
    return code


def verbs() -> dict[str, str]:
    """Every verb with its summary, read from the files without importing them."""
    found = {path.stem: _summary(path) for path in FOLDER.glob("[!_]*.py")}
    first = [verb for verb in ORDER if verb in found]
    return {verb: found[verb] for verb in [*first, *sorted(set(found) - set(first))]}


class Parser(argparse.ArgumentParser):
    """A parser whose errors name the close options, and whose help fits 80 columns."""

    def __init__(self, prog: str, description: str) -> None:
        width = min(80, shutil.get_terminal_size().columns)
        formatter = functools.partial(argparse.RawDescriptionHelpFormatter, width=width, max_help_position=26)
        super().__init__(prog=prog, description=description, formatter_class=formatter, allow_abbrev=False)
        self._negative_number_matcher = re.compile(r"-\.?\d")  # -1% is a value to be judged, and no option

    def parse_words(self, words: Sequence[str]) -> argparse.Namespace:
        """The arguments in a command's words; a usage error where one is unknown."""
        args, unknown = self.parse_known_args(words)
        if unknown:
            name = unknown[0].partition("=")[0]
            if not name.startswith("-"):
                self.error(f"unexpected argument {name!r}")
            self.error(
                str(UnknownNameError("option", name, [o for o in self._option_string_actions if o.startswith("--")]))
            )
        return args

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        """Write help or a usage error; an stdout that takes nothing is no secret."""
        if message and file is not None and file is sys.stdout:
            file.write(message)
        else:
            super()._print_message(message, file)

    def error(self, message: str) -> NoReturn:
        """Say what was wrong and what was expected, and exit with 2."""
        usage = self.format_usage().strip()
        self.exit(USAGE, f"{self.prog}: {message}\n{usage}\nMore: {self.prog} --help\n")


def _exit_code(words: list[str]) -> int:
    """The exit code of a command, also where argparse or rich leave by SystemExit."""
    try:
        return _dispatch(words)
    except SystemExit as stop:
        if isinstance(stop.__context__, BrokenPipeError):  # what rich makes of a closed pipe
            raise stop.__context__ from None
        return stop.code if isinstance(stop.code, int) else USAGE  # argparse: --help, or an error already shown


def _dispatch(words: list[str]) -> int:
    if words[:1] == ["help"] and len(words) > 1:
        words = [words[1], "--help"]
    if not words or words[0] in ("-h", "--help", "help"):
        lines = (wrapped(summary, " " * 12, f"  {verb:<10}") for verb, summary in verbs().items())
        print(HELP.format(verbs="\n".join(lines)), end="")
        return 0
    if words[0] in ("-V", "--version"):
        print(f"cupel {__version__}")
        return 0
    verb = words[0]
    if not verb.isidentifier() or verb.startswith("_") or not (FOLDER / f"{verb}.py").is_file():
        raise UnknownNameError("verb", verb, verbs(), see="See them all: cupel --help")
    module = importlib.import_module(f"cupel.cli.{verb}")
    parser = Parser(prog=f"cupel {verb}", description=reflowed(module.__doc__ or ""))
    module.add_arguments(parser)
    code: int = module.main(parser.parse_words(words[1:]))
    return code


def _summary(path: Path) -> str:
    try:
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    except (OSError, SyntaxError) as error:
        return f"(broken: {error})"[:60]
    return text.partition("\n")[0].rstrip(".")


def _report_fault(words: list[str], error: Exception) -> None:
    text = " ".join(str(error).split())[:300]
    print(f"cupel {words[0] if words else ''}: unexpected {type(error).__name__}: {text}", file=sys.stderr)
    print(
        "This is a fault in Cupel or in an entry, not in what you asked. Please report it\n"
        f"as an issue of the Cupel project, with the output of:\n  CUPEL_DEBUG=1 cupel {' '.join(words)}",
        file=sys.stderr,
    )
