"""Write docs/verdicts.md: `make docs`.

From docs/verdicts.json, the table of recorded runs of claims. It is recorded anew by

    cupel run claims --size small
    cupel verdicts --size small --json > table.json
    python docs/make_verdicts.py table.json

which keeps of the table what the page says, and writes both. The output of `cupel verdicts --json` may also be put in
the place of docs/verdicts.json as it is. Where nothing is recorded the file is {"verdicts": []}.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cupel.report.claim_words import TURNED, sign_of
from cupel.report.json import render as render_json
from cupel.report.markdown import escaped
from cupel.report.verdicts_markdown import about, table_lines
from cupel.report.verdicts_words import HOLM_WORDS, cells_of, minutes_text, where_text

PAGE = Path(__file__).with_name("verdicts.md")
RECORDED = Path(__file__).with_name("verdicts.json")
KEPT = (
    *("claim", "label", "key", "source", "statement", "says", "is_headline", "counts", "kind", "scale", "unit"),
    *("verdict", "verdict_holm", "effect", "interval", "interval_holm", "n", "num_failed", "p", "reason"),
    *("would_change", "minutes", "size", "settings", "device", "machine", "scope", "started", "status", "command"),
    *("warnings", "others"),
)
"""What the page needs of a row."""
DIGITS = 6


def main() -> None:
    """Write the page, and before it the file of recorded verdicts where a new table was named."""
    if len(sys.argv) > 1:
        table = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
        RECORDED.write_text(render_json(kept(table)), encoding="utf-8")
    PAGE.write_text(render(json.loads(RECORDED.read_text(encoding="utf-8"))), encoding="utf-8")


def kept(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table with what the page says of it, numbers to six digits."""
    about_all = {key: table[key] for key in ("schema", "kind", "headline", "alpha", "m", "machines", "num_claims")}
    return {**about_all, "verdicts": [{key: _short(row[key]) for key in KEPT} for row in table["verdicts"]]}


def _short(value: Any) -> Any:
    """A value with its numbers to six digits."""
    if isinstance(value, list):
        return [_short(item) for item in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def render(recorded: Mapping[str, Any]) -> str:
    """The page of recorded verdicts."""
    return "\n".join(_lines(recorded)).rstrip("\n") + "\n"


def _lines(recorded: Mapping[str, Any]) -> Iterator[str]:
    yield "# Verdicts"
    yield ""
    yield "Written by `make docs` from docs/verdicts.json; do not edit it by hand."
    yield ""
    yield (
        "What became of the claims of Cupel's catalogue, each tried by `cupel run`. A verdict speaks of the task, size "
        "and machine that stand beside it, never of what a paper measured elsewhere. `undecided` is an answer: beside "
        "it stands what would settle it."
    )
    yield ""
    if not recorded["verdicts"]:
        yield "None has been recorded yet."
        return
    yield f"**{escaped(recorded['headline'])}**"
    yield ""
    yield from table_lines(recorded)
    yield f"{TURNED} {HOLM_WORDS} Minutes are those of all trials of the claim, one after the other."
    for rows in cells_of(recorded):
        yield from _claim(rows)


def _claim(rows: list[Mapping[str, Any]]) -> Iterator[str]:
    """One claim: its paper, the command, why its verdicts are as they are, and what would change them."""
    first = rows[0]
    yield ""
    yield f"## {escaped(first['claim'])}, {escaped(where_text(first))}"
    yield ""
    yield f"{escaped(first['source'])}"
    yield ""
    yield f"    {first['command']}"
    yield ""
    for row in rows:
        sign = sign_of(row["verdict"])
        yield (
            f"- **{escaped(row['says'])}** {escaped(row['counts'])}. {sign.mark} {sign.word}: {escaped(row['reason'])} "
            f"What would change it: {escaped(row['would_change'])}"
        )
    scope, _, _, *rest = about(rows)
    where = f"{escaped(first['machine'])}, {escaped(first['started'][:10])}, {minutes_text(first)} minutes of trials"
    yield f"- Scope: {scope}. {where}."
    yield from (f"- {text}" for text in rest)


if __name__ == "__main__":
    main()
