"""The catalogue: every entry and suite there is, found by listing folders and read by parsing, never by importing.

An entry is a Python file with one module-level `CARD = Workload(...)` or `CARD = Claim(...)` whose arguments are
literals. Entries live in `cupel/workloads` and `cupel/claims`, in the folders that installed packages name in the
entry-point group `cupel.catalog` (`package:folder`), or in any file that is given by its path. A file that cannot be
read is kept aside as broken, so that one mistake leaves the rest usable.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cupel.spec.entry import ClaimEntry, Entry, FileEntry
from cupel.spec.errors import CardError, UnknownNameError, UsageError
from cupel.spec.read_entry import read_entry

if TYPE_CHECKING:
    from cupel.spec.suite import Suite

KINDS = ("workload", "claim", "suite", "method")
"""The words for what a catalogue holds; methods are parts and have no cards."""
GROUP = "cupel.catalog"
_STEM = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
SEE = "See them all: cupel list"


@dataclass(frozen=True)
class Folder:
    """A folder of entries and suites, and the package whose modules they are (None: no package)."""

    path: Path
    package: str | None


class Catalog:
    """All entries and suites in some folders.

    Files are listed at once and parsed when asked for: `find` parses one file, `entries` all of them.

    Args:
        folders: where to look.
        broken: what is already known to be unusable, by name.
    """

    def __init__(self, folders: Iterable[Folder], broken: Mapping[str, UsageError] | None = None) -> None:
        self._files: dict[str, tuple[Path, str | None]] = {}
        self._broken: dict[str, UsageError] = dict(broken or {})
        for folder in folders:
            for path in sorted(folder.path.iterdir()):
                if path.suffix in (".py", ".toml") and not path.name.startswith("_"):
                    self._add(path, folder.package)

    def _add(self, path: Path, package: str | None) -> None:
        other = self._files.get(path.stem)
        if other is not None:
            text = (
                f"Two files are named {path.stem!r}: {other[0]} and {path}. A name means one thing; rename one of them."
            )
            self._broken[path.stem] = CardError(text)
            return
        is_module = package is not None and path.suffix == ".py"
        self._files[path.stem] = (path, f"{package}.{path.stem}" if is_module else None)

    @functools.cached_property
    def entries(self) -> dict[str, Entry]:
        """Every workload that can be read, by stem; those that cannot are in `broken`."""
        return {stem: entry for stem, entry in self._read.items() if isinstance(entry, Entry)}

    @functools.cached_property
    def claims(self) -> dict[str, ClaimEntry]:
        """Every claim that can be read, by stem; those that cannot are in `broken`."""
        return {stem: entry for stem, entry in self._read.items() if isinstance(entry, ClaimEntry)}

    @functools.cached_property
    def _read(self) -> dict[str, Entry | ClaimEntry]:
        """Every entry that can be read, by stem."""
        found = {}
        for stem, (path, module) in sorted(self._files.items()):
            if path.suffix == ".py" and stem not in self._broken:
                try:
                    found[stem] = read_entry(path, module)
                except UsageError as error:
                    self._broken[stem] = error
        return found

    @property
    def suites(self) -> dict[str, Path]:
        """The file of every suite, by stem."""
        return {s: p for s, (p, _) in sorted(self._files.items()) if p.suffix == ".toml" and s not in self._broken}

    @property
    def broken(self) -> dict[str, UsageError]:
        """What is there and cannot be used, by name, with the reason; read after `entries`."""
        return dict(self._broken)

    def find(self, name: str) -> Entry | ClaimEntry | Suite:
        """The entry or suite of that name.

        Args:
            name: a stem (`matmul`), `kind/stem` (`suite/smoke`), or the path of a .py or .toml file (`./mine.py`).

        Raises:
            UnknownNameError: nothing has that name.
            CardError: its file is malformed, or two files have that name.
            UsageError: a path that is neither a .py nor a .toml file.
        """
        if name.endswith((".py", ".toml")):
            return self._find_path(name)
        kind, _, stem = name.rpartition("/")
        is_path = name in (".", "..", "~") or name.startswith(("/", "./", "../", "~/"))
        if is_path or (kind and kind not in KINDS and Path(name).exists()):
            raise UsageError(f"{name!r} is no .py or .toml file; expected such a file, or a name. {SEE}")
        if kind and kind not in KINDS:
            raise UnknownNameError("kind", kind, KINDS, see=f"Asked: {name!r}. {SEE}")
        if stem in self._broken:
            raise self._broken[stem]
        if stem not in self._files:
            raise UnknownNameError("workload, claim or suite", name, self._files, see=SEE)
        path, module = self._files[stem]
        found = self._load(path, module)
        if kind not in ("", _kind(found)):
            raise UnknownNameError(kind, stem, (), see=f"There is a {_kind(found)} of that name. {SEE}")
        return found

    def _find_path(self, name: str) -> Entry | ClaimEntry | Suite:
        path = Path(name).expanduser()
        if not path.is_file():
            known = [str(path.with_name(other)) for other in _names_in(path.parent, path.suffix)]
            raise UnknownNameError("file", name, known, see=f"Looked in {path.parent.resolve()}.")
        path = path.resolve()
        if not _STEM.fullmatch(path.stem):
            raise CardError(
                f"{path} was asked; its name {path.stem!r} should be letters, digits, '_' and '-', a letter first."
            )
        taken, module = self._files.get(path.stem, (path, None))
        if taken.resolve() != path:
            raise CardError(
                f"{path} was asked, but {path.stem!r} is already {taken}. A name means one thing, or their numbers "
                "would be taken for each other's; rename your file."
            )
        return self._load(path, module)

    def _load(self, path: Path, module: str | None) -> Entry | ClaimEntry | Suite:
        if path.suffix == ".py":
            return read_entry(path, module)
        from cupel.spec.suite import check_suite, load_suite

        suite = load_suite(path)
        check_suite(suite, self)
        return suite


def load_catalog() -> Catalog:
    """The catalogue of this installation: cupel's own folders and those of installed packages."""
    home = Path(__file__).parents[1]
    folders = [Folder(home / room, f"cupel.{room}") for room in ("workloads", "claims")]
    folders.append(Folder(home / "suites", None))
    broken: dict[str, UsageError] = {}
    for name, value in _outside_folders():
        try:
            folders.append(_resolve(value))
        except UsageError as error:
            broken[name] = error
    return Catalog(folders, broken)


def _kind(found: Entry | ClaimEntry | Suite) -> str:
    return "suite" if not isinstance(found, FileEntry) else found.kind


def _names_in(folder: Path, suffix: str) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.endswith(suffix)]  # noqa: PTH208 (names are what is wanted)
    except OSError:
        return []


def _outside_folders() -> Iterator[tuple[str, str]]:
    """Name and value of each entry point of the group."""
    from importlib.metadata import entry_points

    for point in entry_points(group=GROUP):
        yield point.name, point.value


def _resolve(value: str) -> Folder:
    """The folder of `package:folder`, found without importing the package."""
    package, _, folder = value.replace(" ", "").partition(":")
    parts = [*package.split("."), *[p for p in re.split(r"[./]", folder) if p]]
    try:
        spec = importlib.util.find_spec(parts[0])
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise CardError(
            f"The entry point {GROUP} = {value!r} names no installed package {parts[0]!r}; reinstall or remove it."
        )
    for root in spec.submodule_search_locations:
        path = Path(root).joinpath(*parts[1:])
        if path.is_dir():
            return Folder(path, ".".join(parts))
    raise CardError(f"The entry point {GROUP} = {value!r} names a folder that is not there; expected package:folder.")
