"""Where the numbers come from: the machine, its software, what was asked, and how to make the page again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cupel.report.markup import Markup, el, join
from cupel.report.page import facts
from cupel.report.words import DASH, Document, finite, joules_text, plain, settings_text
from cupel.spec.units import format_bytes, format_duration

WORDED = {"cpu": "CPU", "num_cores": "cores", "memory_bytes": "memory", "os": "operating system", "python": "Python"}


def machine_section(document: Document) -> Markup:
    """The machine and the run, as tables of names and values."""
    machine = document.get("machine") or {}
    hardware: list[tuple[str, object]] = [
        ("machine", plain(machine.get("label"))),
        ("host", plain(machine.get("host"))),
    ]
    hardware += list(_rows(machine.get("hardware")))
    return el(
        "section",
        el("h2", "Machine"),
        el(
            "div",
            _block("hardware", hardware),
            _block("software", list(_rows(machine.get("software")))),
            class_="columns",
        ),
        el("h2", "This run"),
        el(
            "div",
            _block("asked", list(_asked(document))),
            _block("run", list(_run(document, machine))),
            class_="columns",
        ),
        _packages(machine.get("packages")),
        id="machine",
    )


def _block(title: str, rows: list[tuple[str, object]]) -> Markup:
    known = [row for row in rows if row[1] not in (None, "")]
    return el("div", el("h4", title), facts(known) if known else el("p", "not recorded", class_="quiet"))


def _rows(data: object) -> Iterator[tuple[str, object]]:
    """Names and values of a description; unknown values say so."""
    for key, value in data.items() if isinstance(data, Mapping) else ():
        yield (
            WORDED.get(key) or plain(key).removesuffix("_bytes").removeprefix("num_").replace("_", " "),
            _worded(key, value),
        )


def _worded(key: str, value: object) -> str:
    """A value of a description in words."""
    number = finite(value)
    if value is None:
        return "unknown" if key not in ("cuda", "rocm", "cuda_of_driver", "accelerator_driver", "driver") else DASH
    if key.endswith("_bytes") and number is not None:
        return format_bytes(number)
    if isinstance(value, list | tuple):
        return ", ".join(_worded("", item) for item in value) or "none"
    if isinstance(value, Mapping):
        name, size = plain(value.get("name")), finite(value.get("memory_bytes"))
        if name:
            return f"{name} ({format_bytes(size)})" if size is not None else name
        return settings_text(value)
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else plain(value)


def _asked(document: Document) -> Iterator[tuple[str, object]]:
    """The request, word for word."""
    for key, value in (document.get("asked") or {}).items():
        if value in (None, "", [], {}):
            continue
        if key == "budget_s" and (seconds := finite(value)) is not None:
            yield "budget", format_duration(seconds)
        elif key == "width" and (width := finite(value)) is not None:
            yield "width", f"{100 * width:.3g} %"
        else:
            yield plain(key).replace("_", " "), _worded(key, value)


def _run(document: Document, machine: Document) -> Iterator[tuple[str, object]]:
    """Identity of the run and how to rebuild this page."""
    elapsed, price = finite(document.get("elapsed_s")), document.get("price") or {}
    run = plain(document.get("run"))
    yield "run", run
    yield "started", plain(document.get("started"))
    yield "took", "" if elapsed is None else format_duration(elapsed)
    yield "status", plain(document.get("status"))
    yield "energy", joules_text(price.get("energy_j")).replace(DASH, "not measurable")
    yield "cupel", plain(document.get("cupel"))
    yield "source", _checkout(machine.get("git"))
    yield "document schema", plain(document.get("schema"))
    yield "make this page again", el("code", f"cupel report {run or 'RUN'}")


def _checkout(git: object) -> str:
    """`1a2b3c4, with changes that are not committed`."""
    if not isinstance(git, Mapping):
        return plain(git)
    dirty = git.get("dirty")
    state = "" if dirty is None else ", with changes that are not committed" if dirty else ", no local changes"
    return f"{plain(git.get('commit')) or 'unknown commit'}{state}"


def _packages(packages: object) -> Markup | None:
    """Every installed package, folded away."""
    if not isinstance(packages, Mapping) or not packages:
        return None
    items = [el("li", el("b", plain(name)), f" {plain(version)}") for name, version in sorted(packages.items())]
    return el("details", el("summary", f"{len(items)} packages"), el("ul", join(items), class_="packages"))
