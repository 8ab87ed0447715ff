"""Readers of results files: one file per foreign format, found by listing this folder. Nothing is registered.

A reader is a module whose stem is its name (`--reader hyperfine`), with

    the docstring     first line: whose files it reads; shown in lists, read by parsing. Then what becomes of them.
    recognises(source: Source) -> Evidence
                      how sure it is that this is its format, by first bytes, keys and names of columns; it raises
                      nothing itself. The most specific evidence wins, see `cupel.ledger.source.Evidence`.
    read(source: Source) -> ResultsTable
                      the table. `source` has read the file already (text, JSON, table, arrays, database): a reader
                      only says what the names mean. No row is left out without a note.

A file that it cannot read is a `UsageError` from `source.refuse(...)`, which names the file; no other exception.
Nothing in a file is ever executed: no pickle, no eval.

A new reader is one new file here and one sample `tests/ledger/readers/samples/<stem>.*`; the contract test finds both.
"""
