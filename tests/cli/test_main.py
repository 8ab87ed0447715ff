import ast
import io
import os
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import pytest

from cupel.cli import _main, main
from cupel.spec.errors import NothingToRunError, UsageError


def add_verb(monkeypatch: pytest.MonkeyPatch, body: object) -> None:
    """A verb `list` whose main raises or returns what is given."""

    def run(args: object) -> int:
        if isinstance(body, BaseException):
            raise body
        assert isinstance(body, int)
        return body

    module = types.SimpleNamespace(__doc__="A verb.", add_arguments=lambda _parser: None, main=run)
    monkeypatch.setitem(sys.modules, "cupel.cli.list", module)


def test_help_names_every_verb_with_its_summary_in_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    alone = capsys.readouterr().out
    assert main(["--help"]) == 0
    assert capsys.readouterr().out == alone
    for path in _main.FOLDER.glob("[!_]*.py"):
        summary = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0].rstrip(".")
        assert f" {path.stem} {summary} " in " ".join(alone.split())
    assert max(map(len, alone.splitlines())) <= 80


@pytest.mark.parametrize("verb", sorted(_main.verbs()))
def test_help_of_each_verb_fits_80_columns(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: cupel {verb} ")
    assert [line for line in text.splitlines() if len(line) > 80] == []


def test_version_is_one_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    version = capsys.readouterr().out.removeprefix("cupel ").strip()
    root = Path(__file__).parents[2]
    assert tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"] == version
    assert f"\nversion: {version}\n" in (root / "CITATION.cff").read_text()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["lst"], "No verb named 'lst'. Close: list"),
        (["_main"], "No verb named '_main'."),
        (["../x"], "No verb named '../x'."),
        (["list", "--jsn"], "cupel list: No option named '--jsn'. Close: --json"),
        (["list", "--knd=workload"], "No option named '--knd'. Close: --kind"),
        (["list", "surplus"], "unexpected argument 'surplus'"),
        (["list", "--kind", "wrk"], "choose from"),
        (["compare", "a", "b", "--rope", "-1%"], "'-1%' is no fraction; expected 0, a percentage"),
        (["compare", "a", "b", "--rope=-0.5"], "'-0.5' is no fraction; expected 0, a percentage"),
        (["compare", "a", "b", "--rope", "0"], "a is no run folder"),
        (["run", "matmul", "--dry-run", "--out", ""], "argument --out: is empty"),
        (["power", "--pilot", "a", "--cv", "1%"], "not allowed with argument"),
        (["report", "a", "--out", ""], "argument --out: is empty"),
        (["show"], "the following arguments are required: ENTRY|SUITE"),
    ],
)
def test_a_usage_error_says_what_was_expected_and_exits_2(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert expected in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (UsageError("asked for x"), 2, "cupel: asked for x"),
        (NothingToRunError("all skipped"), 4, "cupel: all skipped"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ValueError("two\nlines"), 1, "cupel list: unexpected ValueError: two lines"),
    ],
)
def test_an_error_becomes_its_text_and_its_exit_code(
    error: BaseException, code: int, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    add_verb(monkeypatch, error)
    monkeypatch.delenv("CUPEL_DEBUG", raising=False)
    assert main(["list"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert text in err
    assert "Traceback" not in err
    assert max(map(len, err.splitlines())) <= 80


def test_an_unexpected_error_says_where_to_report_and_shows_its_traceback_when_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    add_verb(monkeypatch, ZeroDivisionError("by zero"))
    monkeypatch.delenv("CUPEL_DEBUG", raising=False)
    assert main(["list"]) == 1
    assert "CUPEL_DEBUG=1 cupel list" in capsys.readouterr().err
    monkeypatch.setenv("CUPEL_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main(["list"])


def test_a_verbs_exit_code_is_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    add_verb(monkeypatch, 3)
    assert main(["list"]) == 3


def test_a_closed_pipe_is_quiet() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "cupel", "list", "--json"],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.stderr == ""
    assert done.returncode == _main.BROKEN_PIPE


def test_what_rich_makes_of_a_closed_pipe_is_a_closed_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(args: object) -> int:
        try:
            raise BrokenPipeError  # noqa: TRY301
        except BrokenPipeError:
            raise SystemExit(1)  # noqa: B904  (as rich does it)

    module = types.SimpleNamespace(__doc__="A verb.", add_arguments=lambda _parser: None, main=run)
    monkeypatch.setitem(sys.modules, "cupel.cli.list", module)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert main(["list"]) == _main.BROKEN_PIPE


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("words", [["list"], ["list", "--help"], ["show", "matmul"]], ids=" ".join)
def test_a_full_disk_is_no_fault_of_cupel(words: list[str]) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "cupel", *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, "cupel: stdout cannot be written: No space left on device.\n")


def test_an_oserror_while_stdout_is_well_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    add_verb(monkeypatch, OSError(28, "No space left on device"))
    monkeypatch.delenv("CUPEL_DEBUG", raising=False)
    assert main(["list"]) == 1
    assert "unexpected OSError" in capsys.readouterr().err


def test_what_stdout_cannot_encode_becomes_its_nearest_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))

    def run(args: object) -> int:
        sys.stdout.write("1.5 \u00d7 \u2014 \u4e2d\n")
        return 0

    module = types.SimpleNamespace(__doc__="A verb.", add_arguments=lambda _parser: None, main=run)
    monkeypatch.setitem(sys.modules, "cupel.cli.list", module)
    assert main(["list"]) == 0
    assert raw.getvalue() == b"1.5 x - \\u4e2d\n"


def test_help_of_a_verb_is_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "--help"]) == 0
    expected = capsys.readouterr().out
    assert main(["help", "show"]) == 0
    assert capsys.readouterr().out == expected
    assert main(["help", "shw"]) == 2
    assert "Close: show" in capsys.readouterr().err


def test_output_that_is_no_file_can_be_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    add_verb(monkeypatch, BrokenPipeError())
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert main(["list"]) == _main.BROKEN_PIPE


def test_the_module_runs_as_the_command_does(tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("cupel")
    for words in (["list", "--json"], ["shw"]):
        as_module = subprocess.run(
            [sys.executable, "-m", "cupel", *words], cwd=tmp_path, capture_output=True, check=False
        )
        as_command = subprocess.run([command, *words], cwd=tmp_path, capture_output=True, check=False)
        assert (as_module.returncode, as_module.stdout, as_module.stderr) == (
            as_command.returncode,
            as_command.stdout,
            as_command.stderr,
        )
