"""What every reader of results files owes: its samples are its own, damage is named, nothing in a file is executed."""

from __future__ import annotations

import ast
import contextlib
import gzip
import json
import pickle
import random
import sqlite3
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cupel.ledger import readers
from cupel.ledger.known_readers import known_readers, load_reader, reader_names
from cupel.ledger.read_results import read_results
from cupel.ledger.source import Evidence, Source
from cupel.spec.column_names import COLUMN_NAMES
from cupel.spec.errors import UnknownNameError, UsageError
from cupel.spec.results_table import ResultsTable
from cupel.stats.frame import columns_of

pytest.importorskip("pyarrow", reason="samples in columnar files need pyarrow")
SAMPLES = sorted((Path(__file__).parents[1] / "ledger/readers/samples").iterdir())
MOST_BYTES = 20 * 1024
WHOLE_OR_NOTHING = {".json", ".npz", ".parquet", ".feather"}
"""Formats in which a part of a file is never a file."""


def reader_of(sample: Path) -> str:
    """The reader whose name a sample's name begins with."""
    return max((name for name in reader_names() if sample.name.startswith(name)), key=len, default="")


def as_written(sample: Path, folder: Path) -> Path:
    """The sample as its tool leaves it: a database of its statements, a folder of its texts, else the file itself."""
    if sample.suffix == ".sql":
        path = folder / f"{sample.stem}.db"
        database = sqlite3.connect(path)
        database.executescript(sample.read_text())
        database.close()
        return path
    if sample.suffix == ".tree":
        for name, text in json.loads(sample.read_text()).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return folder / "mlruns"
    path = folder / sample.name
    path.write_bytes(sample.read_bytes())
    return path


every_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
every_reader = pytest.mark.parametrize("name", reader_names())


@every_reader
def test_a_reader_has_a_sample_a_first_line_and_two_functions(name: str) -> None:
    assert any(reader_of(sample) == name for sample in SAMPLES)
    first = known_readers()[name]
    assert first.endswith(".")
    assert 20 < len(first) < 115
    module = load_reader(name)
    assert callable(module.recognises)
    assert callable(module.read)


@every_sample
def test_a_sample_is_small_and_belongs_to_a_reader(sample: Path) -> None:
    assert sample.stat().st_size <= MOST_BYTES
    assert reader_of(sample)


@every_sample
def test_a_sample_is_recognised_by_its_reader_and_less_by_all_others(sample: Path, tmp_path: Path) -> None:
    source = Source(as_written(sample, tmp_path))
    evidence = {name: load_reader(name).recognises(source) for name in reader_names()}
    own = evidence.pop(reader_of(sample))
    assert own > Evidence.NONE
    assert own > max(evidence.values())


@every_sample
def test_a_sample_becomes_columns_of_plain_values_of_one_length(sample: Path, tmp_path: Path) -> None:
    path = as_written(sample, tmp_path)
    table = read_results(path)
    check(table, str(path), reader_of(sample))
    assert table.num_rows > 1
    columns_of(table)


def check(table: ResultsTable, source: str, reader: str) -> None:
    """What holds of every table that a reader hands over."""
    assert table.reader == reader
    assert table.source == source
    assert {len(values) for values in table.columns.values()} == {table.num_rows}
    kinds = {type(value) for values in table.columns.values() for value in values}
    assert kinds <= {str, int, float, bool, type(None)}
    assert len(table.lines) in (0, table.num_rows)
    assert list(table.lines) == sorted(table.lines)
    assert set(table.roles) <= set(COLUMN_NAMES)
    parts = [
        part for column in table.roles.values() for part in ([column] if column in table.columns else column.split(":"))
    ]
    assert set(parts) <= set(table.columns)
    assert table.better in ("", "higher", "lower")
    assert all(note.strip() == note != "" for note in table.notes)


def check_or_named(path: Path, reader: str | None) -> None:
    """Read a file that may be damaged: a table as it must be, or an error that names the file."""
    try:
        table = read_results(path, reader)
    except UsageError as found:
        error = found
    else:
        check(table, str(path), reader or table.reader)
        return
    assert str(path) in str(error)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.suffix == ".csv"], ids=lambda path: path.name)
def test_lines_point_at_the_rows_of_a_text_table(sample: Path) -> None:
    table = read_results(sample)
    text = sample.read_text().splitlines()
    words = [name for name, values in table.columns.items() if all(isinstance(value, str) for value in values)]
    words = [name for name in words if table.roles.get("method") != name or reader_of(sample) != "wide_table"]
    assert len(table.lines) == table.num_rows
    for k, line in enumerate(table.lines):
        assert all(table.columns[name][k] in text[line - 1] for name in words)


def damaged(content: bytes, rng: random.Random) -> Iterator[bytes]:
    """A file cut at several points, and with bytes turned over."""
    for share in (0.02, 0.2, 0.5, 0.8, 0.95):
        yield content[: int(len(content) * share)]
    for num in (1, 1, 1, 3, 3, 20, 100):
        changed = bytearray(content)
        for _ in range(num):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        yield bytes(changed)


@every_sample
def test_a_damaged_file_is_read_or_refused_by_name(sample: Path, tmp_path: Path) -> None:
    rng = random.Random(sample.name)
    whole = as_written(sample, tmp_path)
    files = [whole] if whole.is_file() else sorted(path for path in whole.rglob("*") if path.is_file())[::11]
    for path in files:
        content = path.read_bytes()
        for changed in damaged(content, rng):
            path.write_bytes(changed)
            for reader in (None, reader_of(sample)):
                check_or_named(whole, reader)
        path.write_bytes(content)


STRANGE = (None, [], {}, "x", 3, -1, True, 1e308, 10**400, [[]], {"a": 1}, [None, "y"], float("nan"))


def with_something_else(content: object, rng: random.Random) -> object:
    """A JSON value in which one part, anywhere, is replaced by something else."""
    if isinstance(content, dict) and content and rng.random() < 0.9:
        key = rng.choice(sorted(content))
        if rng.random() < 0.1:
            return {name: value for name, value in content.items() if name != key}
        return {**content, key: with_something_else(content[key], rng)}
    if isinstance(content, list) and content and rng.random() < 0.9:
        place = rng.randrange(len(content))
        return [*content[:place], with_something_else(content[place], rng), *content[place + 1 :]]
    return rng.choice(STRANGE)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.suffix in (".json", ".log")], ids=lambda path: path.name)
def test_a_json_file_with_other_values_is_read_or_refused_by_name(sample: Path, tmp_path: Path) -> None:
    rng = random.Random(sample.name)
    path = tmp_path / sample.name
    parts = [json.loads(line) for line in sample.read_text().splitlines()] if sample.suffix == ".log" else None
    for _ in range(60):
        content = with_something_else(parts or json.loads(sample.read_text()), rng)
        is_lines = parts is not None and isinstance(content, list)
        path.write_text("\n".join(map(json.dumps, content)) if is_lines else json.dumps(content))  # type: ignore[call-overload]
        for reader in (None, reader_of(sample)):
            check_or_named(path, reader)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.suffix == ".sql"], ids=lambda path: path.name)
def test_a_database_with_other_values_is_read_or_refused_by_name(sample: Path, tmp_path: Path) -> None:
    rng = random.Random(sample.name)
    path = as_written(sample, tmp_path)
    database = sqlite3.connect(path)
    database.executescript("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF;")
    names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for _ in range(60):
        table = rng.choice(names)
        column = rng.choice([row[1] for row in database.execute(f"PRAGMA table_info('{table}')")])
        value = rng.choice((None, "x", "", b"\xff\xfe", -1, 2**62, 1e308, "[1, 2]", "{"))
        changed = f'UPDATE OR IGNORE "{table}" SET "{column}" = ? WHERE rowid % 3 = {rng.randrange(3)}'  # noqa: S608
        with contextlib.suppress(sqlite3.IntegrityError):
            database.execute(changed, (value,))
            database.commit()
        for reader in (None, reader_of(sample)):
            check_or_named(path, reader)
    database.close()


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.suffix in WHOLE_OR_NOTHING], ids=lambda path: path.name)
def test_a_part_of_a_structured_file_is_refused(sample: Path, tmp_path: Path) -> None:
    content = sample.read_bytes().rstrip()
    path = tmp_path / sample.name
    for share in (0.01, 0.3, 0.6, 0.9, 0.99):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(UsageError, match=sample.name):
            read_results(path)


GARBAGE = (b"", b" \n\n", bytes(range(256)) * 20, b"\x89PNG\r\n\x1a\n\x00\x00", b"\x1f\x8b\x08\x00", b"PAR1PAR1")


@every_reader
def test_no_reader_takes_an_empty_file_or_garbage(name: str, tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    for content in GARBAGE:
        path.write_bytes(content)
        for reader in (None, name):
            with pytest.raises(UsageError, match=r"results\.csv"):
                read_results(path, reader)


@every_sample
def test_a_reader_that_is_named_reads_another_format_or_says_what_it_found(sample: Path, tmp_path: Path) -> None:
    path = as_written(sample, tmp_path)
    for name in reader_names():
        check_or_named(path, name)


class Bomb:
    """What would run if it were unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return Path.write_text, (self.mark, "it ran")  # type: ignore[return-value]


@every_reader
@pytest.mark.parametrize("form", ["pkl", "npy", "npz", "json", "gz"])
def test_nothing_in_a_file_is_executed(name: str, form: str, tmp_path: Path) -> None:
    mark, path = tmp_path / "mark", tmp_path / f"results.{form}"
    bomb = np.array({"method": Bomb(mark)}, dtype=object)
    if form == "npy":
        np.save(path, bomb, allow_pickle=True)
    elif form == "npz":
        np.savez(path, DQN=np.array([Bomb(mark)], dtype=object))
    elif form == "gz":
        path.write_bytes(gzip.compress(pickle.dumps(Bomb(mark))))
    else:
        path.write_bytes(pickle.dumps(Bomb(mark), protocol=4 if form == "pkl" else 0))
    for reader in (None, name):
        check_or_named(path, reader)
    assert not mark.exists()
    pickle.loads(pickle.dumps(Bomb(mark)))  # noqa: S301 - the bomb is ours, and shows that it is one
    assert mark.exists()


def test_a_new_reader_is_one_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "diary.py").write_text(
        textwrap.dedent('''
        """Diaries, one value a line after the name of a method."""

        from cupel.ledger.source import Evidence, Source
        from cupel.spec.results_table import ResultsTable


        def recognises(source: Source) -> Evidence:
            return Evidence.NAMES if source.text.startswith("DIARY") else Evidence.NONE


        def read(source: Source) -> ResultsTable:
            pairs = [line.split() for line in source.text.splitlines()[1:]]
            columns = {"method": [m for m, _ in pairs], "value": [float(v) for _, v in pairs]}
            return ResultsTable(columns, source.name, "diary", range(2, 2 + len(pairs)))
        ''').lstrip()
    )
    (tmp_path / "today.txt").write_text("DIARY\nadam 0.5\nsgd 0.75\n")
    with pytest.raises(UnknownNameError):
        read_results(tmp_path / "today.txt", "diary")
    monkeypatch.setattr(readers, "__path__", [*readers.__path__, str(tmp_path)])
    try:
        assert known_readers()["diary"] == "Diaries, one value a line after the name of a method."
        table = read_results(tmp_path / "today.txt")
        assert (table.reader, table.columns["value"]) == ("diary", [0.5, 0.75])
        with pytest.raises(UsageError, match="Diaries"):
            read_results(Path(__file__))
    finally:
        sys.modules.pop("cupel.ledger.readers.diary", None)


def test_the_contract_is_told_in_at_most_thirty_lines() -> None:
    assert len(Path(readers.__file__).read_text().splitlines()) <= 30


@every_reader
def test_a_reader_loads_no_library_of_tables_and_never_evaluates(name: str) -> None:
    path = next(Path(folder) / f"{name}.py" for folder in readers.__path__)
    tree = ast.parse(path.read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not {"pandas", "polars", "pyarrow", "pickle", "yaml", "marshal", "shelve"} & imported
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not called & {"eval", "exec", "compile", "__import__"}
