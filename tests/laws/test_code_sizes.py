"""Ceilings of the house style. An exception stands here with its reason, and the lists only shrink."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = sorted((ROOT / "src").rglob("*.py"))
ALL = sorted(
    [*SOURCE, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "docs").rglob("*.py")]
)
FILE, ENTRY, FUNCTION, INIT, ARGUMENTS, POSITIONAL, NESTING = 400, 250, 60, 30, 5, 2, 3
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)

LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}
MANY_ARGUMENTS: dict[str, str] = {}
DOORS = ("setup", "sane", "add_arguments", "main")
"""Functions whose signature a protocol gives."""
DEEP: dict[str, str] = {}
LONG_INITS = {"cupel/stats/__init__.py": "a line for each public statistic, and nothing else"}
CODE_IN_INIT = {"cupel/__init__.py": "imports a room when it is asked for, so that `import cupel` stays light"}


def short(path: Path) -> str:
    return str(path.relative_to(ROOT / "src") if path.is_relative_to(ROOT / "src") else path.relative_to(ROOT))


@functools.cache
def functions(path: Path) -> tuple[tuple[str, FunctionNode], ...]:
    """Each function of a file with a name that says where it is (`cupel/spec/job.py::Job.id`)."""

    def visit(node: ast.AST, prefix: str) -> Iterator[tuple[str, FunctionNode]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, FunctionNode):
                yield f"{short(path)}::{prefix}{child.name}", child
            named = isinstance(child, FunctionNode | ast.ClassDef)
            yield from visit(child, f"{prefix}{child.name}." if named else prefix)

    return tuple(visit(ast.parse(path.read_text()), ""))


def length(node: FunctionNode) -> int:
    """Lines of a function without its docstring: what is explained well is not too long."""
    first = node.body[0]
    has_docstring = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    docstring = (first.end_lineno or 0) - first.lineno + 1 if has_docstring else 0
    return (node.end_lineno or 0) - node.lineno + 1 - docstring


def depth(node: ast.AST, is_elif: bool = False) -> int:
    """Blocks within blocks; an `elif` is no deeper than its `if`, a function within a function starts anew."""
    deepest = 0
    for name, value in ast.iter_fields(node):
        children = [child for child in (value if isinstance(value, list) else [value]) if isinstance(child, ast.AST)]
        chained = isinstance(node, ast.If) and name == "orelse" and len(children) == 1
        for child in children:
            if not isinstance(child, FunctionNode | ast.ClassDef | ast.Lambda):
                deepest = max(deepest, depth(child, is_elif=chained and isinstance(child, ast.If)))
    return deepest + (isinstance(node, BLOCKS) and not is_elif)


def excess(found: dict[str, int], ceiling: int, allowed: dict[str, str]) -> list[str]:
    over = {name for name, value in found.items() if value > ceiling}
    stale = [f"{name}: no longer over the ceiling, remove its exception" for name in allowed if name not in over]
    return [f"{name}: {found[name]} > {ceiling}" for name in sorted(over - set(allowed))] + stale


def test_no_file_is_longer_than_its_ceiling() -> None:
    lines = {short(path): len(path.read_text().splitlines()) for path in ALL}
    assert excess(lines, FILE, LONG_FILES) == []
    entries = {name: num for name, num in lines.items() if name.startswith(("cupel/workloads/", "cupel/claims/"))}
    assert excess(entries, ENTRY, {}) == []


def test_no_function_is_longer_than_its_ceiling() -> None:
    assert excess({n: length(f) for path in SOURCE for n, f in functions(path)}, FUNCTION, LONG_FUNCTIONS) == []


def test_no_block_is_nested_deeper_than_its_ceiling() -> None:
    found = {n: max(map(depth, f.body)) for path in SOURCE for n, f in functions(path)}
    assert excess(found, NESTING, DEEP) == []


def given_out(path: Path) -> set[str]:
    """The names that a file's room gives out in its `__init__`: what others call, and must be able to read."""
    init = path.parent / "__init__.py"
    nodes = ast.parse(init.read_text()).body if init.is_file() else []
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    return {alias.name for node in imports for alias in node.names}


def test_arguments_are_few_and_named_after_the_second() -> None:
    total, positional = {}, {}
    for path in SOURCE:
        public = given_out(path)
        for name, node in functions(path):
            own = [a.arg for a in (*node.args.posonlyargs, *node.args.args) if a.arg not in ("self", "cls")]
            if node.name not in DOORS:
                total[name] = len(own) + len(node.args.kwonlyargs)
                positional[name] = len(own) if name.partition("::")[2] in public else 0
    assert excess(total, ARGUMENTS, MANY_ARGUMENTS) == []
    assert excess(positional, POSITIONAL, {}) == []


@pytest.mark.parametrize(
    "path", [path for path in SOURCE if path.name == "__init__.py"], ids=lambda path: path.parent.name
)
def test_an_init_file_only_re_exports(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= INIT or short(path) in {*LONG_INITS, *CODE_IN_INIT}
    for node in ast.parse(text).body:
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_names = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("__all__", "__version__")
        is_import = isinstance(node, ast.Import | ast.ImportFrom)
        assert is_docstring or is_names or is_import or short(path) in CODE_IN_INIT, f"{path}:{node.lineno}"
