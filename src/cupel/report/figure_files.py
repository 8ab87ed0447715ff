"""Figures written to a folder, each whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cupel.report import pdf, svg
from cupel.report.drawing import Drawing
from cupel.spec.errors import MissingExtraError, UnknownNameError, UsageError

KINDS = ("svg", "pdf")
NAME = re.compile(r"\w[\w.+ -]{0,118}")


@dataclass(frozen=True)
class WrittenFigures:
    """What was written.

    Attributes:
        paths: the files, SVG first, in the order of the drawings.
        notes: what was left out and why, in words; none when all that was asked is there.
    """

    paths: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def write_figures(
    drawings: Mapping[str, Drawing], folder: Path, kinds: Sequence[str] = KINDS
) -> WrittenFigures:  # fmt: skip
    """Write each drawing as `<name>.<kind>` into a folder.

    Args:
        drawings: name of a file without its ending, and what it shows. Names have letters, digits, `_ . + -` and
            spaces.
        folder: made if it does not exist; files of the same names are replaced.
        kinds: `svg`, `pdf` or both.

    Returns:
        The paths written. Where matplotlib is absent and SVG was asked too, the SVG files alone with a note.

    Raises:
        UsageError: a name is no file name, or the folder or a file cannot be written.
        UnknownNameError: a kind that there is not.
        MissingExtraError: PDF alone was asked and matplotlib is absent.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise UnknownNameError("kind of figure file", kind, KINDS)
    for name in drawings:
        if not NAME.fullmatch(name):
            raise UsageError(f"{name!r} is no name for a figure file; expected letters, digits, spaces or _ . + -")
    wanted = [kind for kind in KINDS if kind in kinds]
    made: dict[Path, bytes] = {}
    notes: list[str] = []
    for kind in wanted:
        try:
            made |= {folder / f"{name}.{kind}": _rendered(drawing, kind) for name, drawing in drawings.items()}
        except MissingExtraError as error:
            if "svg" not in wanted:
                raise
            notes.append(f"No PDF files were written, SVG only. {error}")
    _make_folder(folder)
    for path, content in made.items():
        _write(path, content)
    return WrittenFigures(tuple(made), tuple(notes))


def _rendered(drawing: Drawing, kind: str) -> bytes:
    return pdf.to_bytes(drawing) if kind == "pdf" else svg.to_file(drawing).encode()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise UsageError(f"The folder {folder} for the figures is a file. Give another folder or move it.") from error
    except OSError as error:
        raise UsageError(f"The folder {folder} for the figures cannot be made: {error.strerror}.") from error


def _write(path: Path, content: bytes) -> None:
    """To a neighbour first, then renamed into place."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"The figure {path} cannot be written: {reason}. Figures before it are there.") from error
    finally:
        _remove(beside)


def _remove(path: Path) -> None:
    """What is left of a file that was not finished; a folder without rights has none."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return
