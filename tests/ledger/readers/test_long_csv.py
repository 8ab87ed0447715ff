import csv
import gzip
import io
import math
import os
import random
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cupel.ledger.delimited import layout_of, read_delimited
from cupel.ledger.read_results import read_results
from cupel.spec.errors import UsageError
from cupel.spec.results_table import ResultsTable
from cupel.stats.results import results

PLAIN = "method,task,seed,value\nadam,a,0,0.5\nadam,a,1,0.75\nsgd,a,0,1\nsgd,a,1,2e-3\n"
VALUES = [0.5, 0.75, 1.0, 2e-3]


def read(tmp_path: Path, text: str | bytes, name: str = "results.csv", reader: str | None = None) -> ResultsTable:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_results(path, reader)


def test_a_plain_table_becomes_numbers_text_and_lines(tmp_path: Path) -> None:
    table = read(tmp_path, PLAIN)
    assert table.reader == "long_csv"
    assert table.columns["method"] == ["adam", "adam", "sgd", "sgd"]
    assert table.columns["seed"] == [0, 1, 0, 1]
    assert table.columns["value"] == VALUES
    assert list(table.lines) == [2, 3, 4, 5]
    assert table.notes == ()


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_delimiter_line_end_and_encoding_are_found_out(delimiter: str, end: str, encoding: str, tmp_path: Path) -> None:
    text = PLAIN.replace("task", "tâche").replace(",", delimiter).replace("\n", end)
    table = read(tmp_path, text.encode(encoding), "results.txt")
    assert list(table.columns) == ["method", "tâche", "seed", "value"]
    assert table.columns["value"] == VALUES
    assert list(table.lines) == [2, 3, 4, 5]
    assert any("Latin-1" in note for note in table.notes) == (encoding == "latin-1")


def test_a_gzipped_table_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, gzip.compress(PLAIN.encode()), "results.csv.gz").columns["value"] == VALUES


def test_european_spreadsheets_write_decimal_commas(tmp_path: Path) -> None:
    table = read(tmp_path, "method;task;time\nadam;a;0,5\nsgd;a;12,25\nadam;b;failed\nsgd;b;1,250\n")
    assert table.columns["time"] == ["0.5", "12.25", "failed", "1.250"]
    assert any("decimal comma" in note and "time" in note for note in table.notes)
    assert results(table, metric=None, columns={"value": "time"}).value[:2].tolist() == [0.5, 12.25]
    same = read(tmp_path, 'sep=;\r\nmethod;task;time\r\nadam;a;0,5\r\nsgd;a;"1,25"\r\n')
    assert same.columns["time"] == [0.5, 1.25]
    assert list(same.lines) == [3, 4]


def test_a_comma_that_may_part_thousands_is_not_guessed(tmp_path: Path) -> None:
    tabbed = read(tmp_path, "method\ttime\nadam\t1,250\nsgd\t950\n")
    assert tabbed.columns["time"] == ["1,250", "950"]
    with pytest.raises(UsageError, match="1,250"):
        results(tabbed, columns={"value": "time"})
    pointed = read(tmp_path, "method;lr;time\nadam;0.5;1,250\nsgd;0.5;950\n")
    assert pointed.columns["time"] == ["1,250", "950"]
    proved = read(tmp_path, "method\tloss\ttime\nadam\t0,5\t1,250\nsgd\t0,25\t950\n")
    assert proved.columns["time"] == [1.25, 950.0]
    english = read(tmp_path, 'method,time\nadam,"1,250"\nsgd,950\n')
    assert english.columns["time"] == ["1,250", "950"]


def test_quoted_cells_hold_delimiters_quotes_and_line_ends(tmp_path: Path) -> None:
    table = read(tmp_path, 'method,note,value\n"a, b","he said ""no""\nand left",1\nc,,2\n')
    assert table.columns["method"] == ["a, b", "c"]
    assert table.columns["note"] == ['he said "no"\nand left', None]
    assert list(table.lines) == [2, 4]


def test_comments_and_empty_lines_are_passed_over_and_counted_as_lines(tmp_path: Path) -> None:
    table = read(tmp_path, "# made by train.py\n\n# v2, of today\nmethod,value\n\nadam,1\n   \n\nsgd,2\n\n")
    assert table.columns["value"] == [1, 2]
    assert list(table.lines) == [6, 9]
    kept = read(tmp_path, "method,value\n#1,1\nsgd,2\n")
    assert kept.columns["method"] == ["#1", "sgd"]


def test_rows_without_any_value_are_passed_over_with_a_note(tmp_path: Path) -> None:
    table = read(tmp_path, "method,value\nadam,1\n,\nsgd,2\n,\n,\n")
    assert table.columns["value"] == [1, 2]
    assert list(table.lines) == [2, 4]
    assert table.notes == ("3 rows without any value were passed over, the first in line 3.",)


def test_only_numbers_become_numbers(tmp_path: Path) -> None:
    rows = ["0012,476717823321744318,1_000,nan,,True", "0013,476717823321744319,2_000,-inf,,False"]
    table = read(tmp_path, "\n".join(["id,long,under,value,empty,flag", *rows]))
    assert table.columns["id"] == ["0012", "0013"]
    assert table.columns["long"] == ["476717823321744318", "476717823321744319"]
    assert table.columns["under"] == ["1_000", "2_000"]
    assert math.isnan(table.columns["value"][0])
    assert table.columns["value"][1] == -math.inf
    assert table.columns["empty"] == [None, None]
    assert table.columns["flag"] == ["True", "False"]


def test_a_word_for_a_failure_keeps_a_column_as_it_was_written(tmp_path: Path) -> None:
    table = read(tmp_path, "method,value\nadam,0.50\nadam,OOM\nsgd,93.10\nsgd,\n")
    assert table.columns["value"] == ["0.50", "OOM", "93.10", None]
    read_table = results(table)
    assert read_table.num_failed == 2
    assert "lines 3, 5" in " ".join(note.text for note in read_table.warnings)


def test_percent_signs_reach_the_statistics_as_they_stand(tmp_path: Path) -> None:
    assert results(read(tmp_path, "method,value\nadam,93.1%\nsgd,94.5%\n")).value.tolist() == [93.1, 94.5]
    with pytest.raises(UsageError, match="line 3"):
        results(read(tmp_path, "method,value\nadam,93.1%\nsgd,0.945\n"))


def test_an_index_of_numbers_is_left_out_and_one_of_names_is_kept(tmp_path: Path) -> None:
    assert list(read(tmp_path, ",method,value\n0,adam,1\n1,sgd,2\n").columns) == ["method", "value"]
    assert read(tmp_path, ",method,value\nx,adam,1\ny,sgd,2\n").columns["index"] == ["x", "y"]
    again = read(tmp_path, "Unnamed: 0,method,Unnamed: 0.1,value\n0,adam,7,1\n1,sgd,8,2\n")
    assert list(again.columns) == ["method", "Unnamed: 0.1", "value"]
    assert list(read(tmp_path, "Unnamed: 0,method\n3,adam\n1,sgd\n").columns) == ["Unnamed: 0", "method"]
    assert list(read(tmp_path, "method,value,\nadam,1,\nsgd,2,\n").columns) == ["method", "value"]


def test_one_column_of_numbers_is_a_table(tmp_path: Path) -> None:
    assert read(tmp_path, "time\n1\n\n2\n").columns == {"time": [1, 2]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("method,value\nadam,1\nsgd\nadam,2,3\n", "in line 3 the number of cells is 1, in the header 2"),
        ("method,value,value\nadam,1,2\n", "line 1: several columns are named value"),
        ("#x\nmethod,value,,\nadam,1,2,3\n", r"line 2: several columns are named \(no name\)"),
        ('method,value\nadam,1\n"sgd,2\n', "line 3 cannot be cut into cells"),
        ('method,value\n"adam"x,1\nsgd,2\n', "line 2 cannot be cut into cells"),
        ("method,value\n", "no rows"),
        ("method,value\n,\n", "only empty rows"),
        ("adam,a,0.91\nsgd,a,0.92\n", "'0.91' is a number"),
        ("# method,task,value\nadam,a,0.91\nsgd,a,0.92\n", "Remove the '#' before 'method,task,value'"),
        ("3\n4\n", "a name is expected for the only column"),
    ],
)  # fmt: skip
def test_what_can_be_read_in_two_ways_is_refused_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said) as found:
        read(tmp_path, text)
    assert str(tmp_path / "results.csv") in str(found.value)


def test_learning_rates_may_be_the_names_of_columns(tmp_path: Path) -> None:
    table = read(tmp_path, "dataset,0.1,0.01\niris,0.5,0.6\nwine,0.7,0.8\n", reader="long_csv")
    assert list(table.columns) == ["dataset", "0.1", "0.01"]


def test_prose_and_programs_are_no_tables(tmp_path: Path) -> None:
    for text in ("Dear reader,\nthis is, as it were, text.\nIt goes on.\n", "<html>\n<a,b>\n<c,d>\n</html>\n", "x\n"):
        with pytest.raises(UsageError, match="text without columns"):
            read(tmp_path, text, "notes.txt")


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(PLAIN.encode())))
    table = read_results("-")
    assert (table.source, table.reader, table.columns["value"]) == ("standard input", "long_csv", VALUES)


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(PLAIN,))
    writer.start()
    assert read_results(pipe).columns["value"] == VALUES
    writer.join()


CELL = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12) | st.sampled_from(
    ["", "a,b", 'say "x"', "two\nlines", "1", "0.5", "-1e-7", "nan", "007", ";", "\t|"]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=8), st.sampled_from([",", ";", "\t"]))
def test_what_a_csv_writer_writes_is_read_back(rows: list[tuple[str, str, str]], delimiter: str) -> None:
    rows = [("kept", *row) for row in rows]
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([("key", "a", "b", "c"), *rows])
    text = stream.getvalue()
    layout = layout_of(text)
    assert layout is not None
    table = read_delimited(text, layout, "results")
    expected_lines, line = [], 2
    for row in rows:
        expected_lines.append(line)
        line += 1 + sum(len(cell.splitlines()) - 1 for cell in row if "\n" in cell)
    assert list(table.lines) == expected_lines
    for k, name in enumerate(("key", "a", "b", "c")):
        for wrote, got in zip((row[k] for row in rows), table.columns[name], strict=True):
            if isinstance(got, int | float):
                assert got == float(wrote) or math.isnan(got)
            else:
                assert (got or "") == wrote.strip() or got == wrote.replace(",", ".")


def test_a_shuffled_table_reads_the_same_rows(tmp_path: Path) -> None:
    lines = [f"m{k % 3},t{k % 5},{k},{k / 7!r}" for k in range(60)]
    random.Random(0).shuffle(lines)
    table = read(tmp_path, "method,task,seed,value\n" + "\n".join(lines))
    for k, line in enumerate(table.lines):
        assert lines[line - 2].split(",")[2] == str(table.columns["seed"][k])
        assert table.columns["value"][k] == table.columns["seed"][k] / 7
