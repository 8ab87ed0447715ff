"""Figures written to a folder."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from cupel.report.drawing import Drawing, Text
from cupel.report.figure_files import write_figures
from cupel.report.svg import to_file
from cupel.spec.errors import MissingExtraError, UnknownNameError, UsageError

DRAWING = Drawing(100, 40, "a title", (Text(5, 20, "words"),))


def test_each_drawing_is_written_in_each_kind(tmp_path):
    pytest.importorskip("matplotlib", reason="PDF figures need matplotlib")
    folder = tmp_path / "new" / "figures"
    written = write_figures({"forest": DRAWING, "budget 2.0": DRAWING}, folder)
    names = ["forest.svg", "budget 2.0.svg", "forest.pdf", "budget 2.0.pdf"]
    assert [path.name for path in written.paths] == names
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    assert written.notes == ()
    assert (folder / "forest.svg").read_text(encoding="utf-8") == to_file(DRAWING)
    assert (folder / "forest.pdf").read_bytes().startswith(b"%PDF")


def test_a_file_of_the_same_name_is_replaced_and_others_stay(tmp_path):
    (tmp_path / "a.svg").write_text("old")
    (tmp_path / "b.svg").write_text("other")
    assert write_figures({"a": DRAWING}, tmp_path, kinds=["svg"]).paths == (tmp_path / "a.svg",)
    assert (tmp_path / "a.svg").read_text() == to_file(DRAWING)
    assert (tmp_path / "b.svg").read_text() == "other"
    assert write_figures({}, tmp_path / "empty", kinds=("svg",)).paths == ()


def test_without_matplotlib_svg_is_written_and_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    written = write_figures({"a": DRAWING, "b": DRAWING}, tmp_path)
    assert [path.name for path in written.paths] == ["a.svg", "b.svg"]
    assert written.notes == (
        "No PDF files were written, SVG only. PDF figures need matplotlib: pip install 'cupel[figures]'",
    )
    with pytest.raises(MissingExtraError, match="pip install"):
        write_figures({"a": DRAWING}, tmp_path / "pdf", kinds=("pdf",))
    assert not (tmp_path / "pdf").exists()


@pytest.mark.parametrize("name", ["", "../a", "a/b", ".hidden", "a\x00", "a\nb", "n" * 200, "a\\b"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="is no name for a figure file"):
        write_figures({name: DRAWING}, tmp_path / "f", kinds=("svg",))
    assert not (tmp_path / "f").exists()


def test_a_kind_that_there_is_not(tmp_path):
    with pytest.raises(UnknownNameError, match=r"No kind of figure file named 'pfd'\. Close: pdf"):
        write_figures({"a": DRAWING}, tmp_path, kinds=("pfd",))


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "f").write_text("mine")
    with pytest.raises(UsageError, match=f"The folder {tmp_path / 'f'} for the figures is a file"):
        write_figures({"a": DRAWING}, tmp_path / "f", kinds=("svg",))
    with pytest.raises(UsageError, match=f"The folder {tmp_path / 'f' / 'g'} for the figures cannot be made"):
        write_figures({"a": DRAWING}, tmp_path / "f" / "g", kinds=("svg",))
    assert (tmp_path / "f").read_text() == "mine"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user whom rights can be taken from")
def test_a_folder_without_rights_is_named_for_ordinary_users(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(UsageError, match=f"{tmp_path / 'a.svg'} cannot be written: Permission denied"):
            write_figures({"a": DRAWING}, tmp_path, kinds=("svg",))
    finally:
        tmp_path.chmod(0o700)


def test_a_folder_without_rights_is_named(tmp_path, monkeypatch):
    def refuse(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(UsageError, match=f"{tmp_path / 'a.svg'} cannot be written: Permission denied"):
        write_figures({"a": DRAWING}, tmp_path, kinds=("svg",))


def test_a_full_disk_leaves_the_old_file_and_no_remains(tmp_path, monkeypatch):
    write_figures({"a": DRAWING}, tmp_path, kinds=("svg",))
    before = (tmp_path / "a.svg").read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    other = Drawing(100, 40, "another", ())
    with pytest.raises(UsageError, match=f"{tmp_path / 'a.svg'} cannot be written: No space left on device"):
        write_figures({"a": other}, tmp_path, kinds=("svg",))
    assert [path.name for path in tmp_path.iterdir()] == ["a.svg"]
    assert (tmp_path / "a.svg").read_bytes() == before


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    (tmp_path / "a.svg").write_text("old")

    def fail(self: Path, target: Path) -> None:
        assert target.read_text() == "old"
        assert self.read_text(encoding="utf-8") == to_file(DRAWING), "the new one is complete before"
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(UsageError, match="cannot be written: Input/output error"):
        write_figures({"a": DRAWING}, tmp_path, kinds=("svg",))
    assert [path.name for path in tmp_path.iterdir()] == ["a.svg"]
    assert (tmp_path / "a.svg").read_text() == "old"


def test_a_figure_whose_name_is_a_folder_is_named(tmp_path):
    (tmp_path / "a.svg").mkdir()
    with pytest.raises(UsageError, match=f"{tmp_path / 'a.svg'} cannot be written"):
        write_figures({"a": DRAWING}, tmp_path, kinds=("svg",))
    assert [path.name for path in tmp_path.iterdir()] == ["a.svg"]
