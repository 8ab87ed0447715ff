import json
import subprocess
import sys
from pathlib import Path

import pytest

from cupel.ledger.known_readers import known_readers
from cupel.ledger.read_results import read_results
from cupel.ledger.readers import hyperfine, rliable
from cupel.ledger.source import Evidence, Source
from cupel.spec.errors import UnknownNameError, UsageError
from cupel.spec.results_table import ResultsTable
from cupel.stats.results import results


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_an_unknown_reader_is_answered_with_the_close_ones(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "method,value\na,1\n")
    with pytest.raises(UnknownNameError, match=r"No reader named 'hyperfin'\. Close: hyperfine"):
        read_results(path, "hyperfin")


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.json", b'{"loss": [1, 2], "accuracy": 3}', "JSON with the keys accuracy, loss"),
        ("a.json", b"[1, 2]", "JSON that is a list"),
        ("a.json", b'{"results": [', "JSON that is damaged or cut short: .* line 1"),
        ("a.json", b'{"a": ' * 100_000, "JSON that is damaged"),
        ("a.json", b'{"a": 1}\n{"a": 2}\n', "one JSON object a line"),
        ("a.txt", b"hello\n", "text without columns"),
        ("a.xlsx", b"PK\x03\x04\x14\x00\x06\x00", "an Excel workbook is one.*as CSV"),
        ("a.pkl", b"\x80\x04\x95\x00\x00", "a pickle, which is never opened"),
        ("a.h5", b"\x89HDF\r\n\x1a\n\x00\x00", "an HDF5 file"),
        ("a.db", b"SQLite format 3\x00" + bytes(100), "an SQLite database"),
        ("a.bin", bytes(range(256)), "bytes that are no text"),
        ("a.csv", b"method,value\na,1\n\x1b[31mb,2\n", r"text with the control character '\\x1b' in line 3"),
    ],
)
def test_a_file_that_nobody_recognises_is_described(name: str, content: bytes, found: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UsageError, match=found) as error:
        read_results(path)
    assert str(path) in str(error.value)
    for reader, first in known_readers().items():
        assert reader in str(error.value)
        assert first in str(error.value)


def test_what_a_file_is_its_content_says_and_not_its_name(tmp_path: Path) -> None:
    path = write(tmp_path, "results.csv", json.dumps({"results": [{"command": "a", "mean": 1.0, "times": [1.0]}]}))
    assert read_results(path).reader == "hyperfine"


def test_two_readers_that_are_equally_sure_are_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "results.json", '{"A": [[1, 2]]}')
    assert read_results(path).reader == "rliable"
    monkeypatch.setattr(hyperfine, "recognises", lambda _: Evidence.LAYOUT)
    with pytest.raises(UsageError, match=r"fits hyperfine and rliable alike.*--reader hyperfine"):
        read_results(path)
    monkeypatch.setattr(rliable, "recognises", lambda _: Evidence.NAMES)
    assert read_results(path).reader == "rliable"


def test_a_file_that_is_not_there_is_answered_with_what_is(tmp_path: Path) -> None:
    write(tmp_path, "results.csv", "method,value\na,1\n")
    with pytest.raises(UsageError, match=r"No such file.*Close: .*/results\.csv"):
        read_results(tmp_path / "result.csv")
    with pytest.raises(UsageError, match="No such file"):
        read_results(tmp_path / "no/such/folder")
    with pytest.raises(UsageError, match="neither a file nor a folder"):
        read_results("/dev/null")
    with pytest.raises(UsageError, match="No results file is named"):
        read_results([])
    with pytest.raises(UsageError, match="cannot be read"):
        read_results("a\0b")


def test_files_with_the_same_columns_become_one_table(tmp_path: Path) -> None:
    paths = [
        write(tmp_path, f"{name}.csv", f"method,seed,value\nadam,{k},0.5\nsgd,{k},0.{k}5\n")
        for k, name in enumerate(("first", "second"))
    ]
    table = read_results(paths)
    assert table.columns["source_file"] == ["first", "first", "second", "second"]
    assert table.columns["seed"] == [0, 0, 1, 1]
    assert list(table.lines) == [2, 3, 2, 3]
    assert table.reader == "long_csv"
    assert table.source == f"{paths[0]}, {paths[1]}"
    assert table.where(3) == f"line 3 of {paths[1]}"
    assert results(table).counts().tolist() == [[2], [2]]
    assert "method" not in table.roles


def test_a_column_that_has_the_name_already_is_kept(tmp_path: Path) -> None:
    paths = [write(tmp_path, f"{k}.csv", f"method,source_file,value\nadam,x{k},0.5\n") for k in range(2)]
    table = read_results(paths)
    assert table.columns["source_file"] == ["x0", "x1"]
    assert table.columns["results_file"] == ["0", "1"]


def test_order_of_columns_does_not_matter(tmp_path: Path) -> None:
    a = write(tmp_path, "a.csv", "method,seed,value\nadam,0,0.5\n")
    b = write(tmp_path, "b.csv", "value,method,seed\n0.25,sgd,0\n")
    assert read_results([a, b]).columns["value"] == [0.5, 0.25]


def test_one_file_per_method_makes_the_file_the_method(tmp_path: Path) -> None:
    for name, value in (("adam", 0.5), ("sgd", 0.25)):
        write(tmp_path, f"runs/{name}.csv", f"task,seed,score\na,0,{value}\na,1,{value}\n")
    table = read_results(tmp_path / "runs")
    assert table.roles == {"method": "source_file"}
    assert results(table).methods == ("adam", "sgd")
    assert any("No column names the method" in note for note in table.notes)


def test_labels_of_files_are_as_short_as_they_can_be(tmp_path: Path) -> None:
    paths = [write(tmp_path, f"{name}/run/a.csv", "method,value\nx,1\n") for name in ("one", "two")]
    assert read_results(paths).columns["source_file"] == ["one/run/a", "two/run/a"]


def test_different_columns_are_refused_by_file_and_name(tmp_path: Path) -> None:
    a = write(tmp_path, "a.csv", "method,seed,value\nadam,0,0.5\n")
    b = write(tmp_path, "b.csv", "method,Seed,value\nadam,1,0.5\n")
    with pytest.raises(UsageError, match=r"a\.csv has no Seed.*b\.csv has no seed"):
        read_results([a, b])


def test_a_file_named_twice_is_refused(tmp_path: Path) -> None:
    a = write(tmp_path, "a.csv", "method,value\nadam,0.5\n")
    with pytest.raises(UsageError, match="named twice"):
        read_results([a, tmp_path / "." / "a.csv"])
    (tmp_path / "b.csv").symlink_to(a)
    with pytest.raises(UsageError, match="named twice"):
        read_results([a, tmp_path / "b.csv"])


def test_units_and_directions_must_agree(tmp_path: Path) -> None:
    a = write(tmp_path, "a.csv", "method,value\nadam,0.5\n")
    b = write(tmp_path, "b.json", json.dumps({"results": [{"command": "a", "mean": 1.0, "times": [1.0]}]}))
    with pytest.raises(UsageError, match=r"a\.csv has unit = not said, .*b\.json has s"):
        read_results([a, b])


def test_a_folder_is_its_results_and_names_what_it_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write(folder, "a.csv", "method,value\nadam,0.5\n")
    write(folder, "sub/b.csv", "method,value\nsgd,0.5\n")
    write(folder, "README.md", "a, b\nc, d\n")
    write(folder, ".hidden/c.csv", "method,value\nx,0.5\n")
    table = read_results(folder)
    assert table.columns["method"] == ["adam", "sgd"]
    assert any("README.md" in note and "passed over" in note for note in table.notes)
    write(folder, "d.csv", "method,value\nx\n")
    with pytest.raises(UsageError, match=r"d\.csv: in line 2"):
        read_results(folder)


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found a folder"):
        read_results(tmp_path)
    write(tmp_path, "run.json", '{"schema": 1}')
    with pytest.raises(UsageError, match="JSON with the keys schema"):
        read_results(tmp_path)


def test_a_failing_reader_leaves_no_half_table(tmp_path: Path) -> None:
    good = write(tmp_path, "good.csv", "method,value\nadam,0.5\n")
    with pytest.raises(UsageError, match="empty"):
        read_results([good, write(tmp_path, "empty.csv", "")])


def test_messages_about_several_files_name_the_file() -> None:
    table = ResultsTable({"value": [1, 2, 3]}, "a, b", "rliable", files=(("a", 1), ("b", 2)))
    assert [table.where(k) for k in range(3)] == ["row 0 of a", "row 0 of b", "row 1 of b"]
    assert ResultsTable({"value": [1]}, "a", "long_csv", lines=(4,)).where(0) == "line 4"


def test_reading_loads_no_library_of_tables_unless_a_file_needs_it(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "method,value\nadam,0.5\n")
    code = (
        "import sys; from cupel.ledger.read_results import read_results; "
        f"read_results({str(path)!r}); print(*{{n.partition('.')[0] for n in sys.modules}})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"pandas", "polars", "pyarrow", "scipy", "torch"} & set(done.stdout.split())


def test_listing_the_readers_loads_no_numpy() -> None:
    code = "import sys; from cupel.ledger.known_readers import known_readers; known_readers(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "cupel.ledger.readers" in done.stdout.split()
    assert "numpy" not in done.stdout.split()


def test_a_view_of_a_source_that_it_has_not_says_what_it_is(tmp_path: Path) -> None:
    source = Source(write(tmp_path, "a.csv", "method,value\nadam,0.5\n"))
    assert source.json is None
    assert source.keys == source.db_tables == frozenset()
    with pytest.raises(UsageError, match="the database cannot be read"):
        source.query("SELECT 1 FROM nothing")
