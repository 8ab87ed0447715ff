"""The catalogue: every entry and suite there is, found by listing folders and read by parsing, never by importing.

An entry is a Python file with one module-level `CARD = Workload(...)` whose arguments are literals. Entries live in
`cupel/workloads`, in the folders that installed packages name in the entry-point group `cupel.catalog`
(`package:folder`), or in any file that is given by its path. A file that cannot be read is kept aside as broken, so
that one mistake leaves the rest usable.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib.util
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cupel.spec.card import Workload
from cupel.spec.errors import CardError, UnknownNameError, UsageError
from cupel.spec.job import digest_text

if TYPE_CHECKING:
    from cupel.spec.suite import Suite

CARDS = {"Workload": Workload}
"""Kinds of card, by the name that a file calls."""
KINDS = ("workload", "claim", "suite", "method")
"""The words for what a catalogue holds; claims and methods have no files yet."""
FUNCTIONS = {"Workload": ("setup", "sane")}
"""What a file with such a card must define."""
EXTRAS = {
    "torch": ("torch",),
    "models": ("torch", "transformers", "diffusers"),
    "media": ("torch", "PIL", "soundfile", "av"),
    "games": ("torch", "ale_py"),
    "tabular": ("lightgbm",),
    "digits": ("torch", "sklearn"),
    "lightning": ("torch", "lightning"),
}
"""What each extra of the package provides."""
GROUP = "cupel.catalog"
SEE = "See them all: cupel list"


def _is_mapping(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)


_STEM = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_TYPES: dict[str, tuple[str, Any]] = {
    "str": ("a string", lambda v: isinstance(v, str)),
    "float": ("a number", lambda v: isinstance(v, (int, float)) and not isinstance(v, bool)),
    "bool": ("True or False", lambda v: isinstance(v, bool)),
    "tuple[str, ...]": (
        "a tuple of strings, such as ('torch',)",
        lambda v: isinstance(v, tuple) and all(isinstance(x, str) for x in v),
    ),
    "Mapping[str, Scalar]": (
        "a dict of numbers, strings and booleans",
        lambda v: _is_mapping(v) and all(isinstance(x, (str, int, float, bool)) for x in v.values()),
    ),
    "Mapping[str, float]": (
        "a dict of numbers",
        lambda v: _is_mapping(v) and all(isinstance(x, (int, float)) for x in v.values()),
    ),
    "Mapping[str, tuple[Scalar, ...]]": ("a dict of tuples, the default first", _is_mapping),
}


@dataclass(frozen=True)
class Entry:
    """An entry as its file says it.

    Args:
        kind: `workload`.
        stem: the name of its file, which is its name everywhere.
        path: its file.
        card: what it says of itself.
        digest: digest of its source.
        module: the name to import it by; None for a file outside the catalogue's packages.
    """

    kind: str
    stem: str
    path: Path
    card: Workload
    digest: str
    module: str | None

    @property
    def key(self) -> str:
        """Its name in records: `workload/matmul`."""
        return f"{self.kind}/{self.stem}"


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
        """Every entry that can be read, by stem; those that cannot are in `broken`."""
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

    def find(self, name: str) -> Entry | Suite:
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
            raise UnknownNameError("workload or suite", name, self._files, see=SEE)
        path, module = self._files[stem]
        found = self._load(path, module)
        if kind not in ("", _kind(found)):
            raise UnknownNameError(kind, stem, (), see=f"There is a {_kind(found)} of that name. {SEE}")
        return found

    def _find_path(self, name: str) -> Entry | Suite:
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

    def _load(self, path: Path, module: str | None) -> Entry | Suite:
        if path.suffix == ".py":
            return read_entry(path, module)
        from cupel.spec.suite import check_suite, load_suite

        suite = load_suite(path)
        check_suite(suite, self)
        return suite


def load_catalog() -> Catalog:
    """The catalogue of this installation: cupel's own folders and those of installed packages."""
    home = Path(__file__).parents[1]
    folders = [Folder(home / "workloads", "cupel.workloads"), Folder(home / "suites", None)]
    broken: dict[str, UsageError] = {}
    for name, value in _outside_folders():
        try:
            folders.append(_resolve(value))
        except UsageError as error:
            broken[name] = error
    return Catalog(folders, broken)


def read_entry(path: Path, module: str | None = None) -> Entry:
    """An entry, from its file's text.

    Raises:
        CardError: no card, several cards, a card that is not literal or not complete, or a missing function; the
            message names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text, filename=str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise CardError(f"{path}: cannot be read: {error}.") from None
    except SyntaxError as error:
        raise CardError(f"{path}:{error.lineno}: not Python: {error.msg}.") from None
    call = _card_call(path, tree)
    assert isinstance(call.func, ast.Name)
    card = _build(path, call, call.func.id)
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for function in FUNCTIONS[call.func.id]:
        if function not in defined:
            raise CardError(
                f"{path}: no function {function!r}; expected def {function}(sizes, slot, rng) in the module."
            )
    return Entry(kind=card.kind, stem=path.stem, path=path, card=card, digest=digest_text(text), module=module)


def missing_extras(card: Workload) -> tuple[str, ...]:
    """The extras that a card needs and this installation lacks."""
    return tuple(extra for extra in card.needs if not has_extra(extra))


def install_line(extras: Iterable[str]) -> str:
    """The command that installs extras of the package.

    Example:
        >>> install_line(("models",))
        "pip install 'cupel[models]'"
    """
    return f"pip install 'cupel[{','.join(extras)}]'"


@functools.cache
def has_extra(extra: str) -> bool:
    """Whether all that an extra provides is installed; found, not imported."""
    return all(importlib.util.find_spec(package) is not None for package in EXTRAS[extra])


def _kind(found: Entry | Suite) -> str:
    return found.kind if isinstance(found, Entry) else "suite"


def _names_in(folder: Path, suffix: str) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.endswith(suffix)]  # noqa: PTH208 (names are what is wanted)
    except OSError:
        return []


def _card_call(path: Path, tree: ast.Module) -> ast.Call:
    """The one `CARD = Name(...)` of a module."""
    found = [node for node in tree.body if isinstance(node, ast.Assign) and "CARD" in map(_target, node.targets)]
    if len(found) != 1:
        lines = " and ".join(str(node.lineno) for node in found)
        what = f"CARD is set on lines {lines}" if found else "no module-level CARD"
        raise CardError(f"{path}: {what}; expected one CARD = {' or '.join(CARDS)}(...) at the top level.")
    value = found[0].value
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Name) or value.func.id not in CARDS:
        shown = ast.unparse(value)[:60]
        raise CardError(f"{path}:{found[0].lineno}: CARD is {shown}; expected a call of {' or '.join(CARDS)}.")
    return value


def _target(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _build(path: Path, call: ast.Call, kind: str) -> Workload:
    """The card of a call with literal keyword arguments."""
    fields = {f.name: f for f in dataclasses.fields(CARDS[kind])}
    if call.args:
        raise CardError(f"{path}:{call.args[0].lineno}: the card has an argument without a name; expected name=value.")
    values: dict[str, Any] = {}
    for keyword in call.keywords:
        where = f"{path}:{keyword.value.lineno}"
        if keyword.arg not in fields:
            asked = keyword.arg or "**"
            raise CardError(f"{where}: {UnknownNameError(f'field of a {kind} card', asked, fields)}")
        try:
            value = ast.literal_eval(keyword.value)
        except (ValueError, TypeError):
            shown = ast.unparse(keyword.value)[:60]
            raise CardError(
                f"{where}: {keyword.arg} is {shown!r}; expected a literal, since cards are read by parsing."
            ) from None
        expected, is_valid = _TYPES.get(str(fields[keyword.arg].type), ("", lambda _: True))
        if not is_valid(value):
            raise CardError(f"{where}: {keyword.arg} is {value!r}; expected {expected}.")
        values[keyword.arg] = value
    missing = [name for name, f in fields.items() if _is_required(f) and name not in values]
    if missing:
        raise CardError(f"{path}:{call.lineno}: the card lacks {', '.join(missing)}.")
    try:
        card = CARDS[kind](**values)
    except CardError as error:
        raise CardError(f"{path}:{call.lineno}: {error}") from None
    strange = [extra for extra in card.needs if extra not in EXTRAS]
    if strange:
        raise CardError(
            f"{path}:{call.lineno}: needs names {strange[0]!r}; expected extras of cupel: {', '.join(EXTRAS)}."
        )
    return card


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


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
