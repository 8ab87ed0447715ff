import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = sorted(path.parent.name for path in (ROOT / "src/cupel").glob("*/__init__.py"))


def exported(room: str) -> dict[str, str]:
    """The names that a room's `__init__` gives out, with the module each is from."""
    tree = ast.parse((ROOT / "src/cupel" / room / "__init__.py").read_text())
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module != "__future__"]
    return {alias.asname or alias.name: node.module or "" for node in imports for alias in node.names}


@pytest.mark.parametrize("room", ROOMS)
def test_what_a_room_gives_out_is_there_and_listed(room: str) -> None:
    names = exported(room)
    module = importlib.import_module(f"cupel.{room}")
    for name, origin in names.items():
        assert getattr(importlib.import_module(origin), name) is getattr(module, name), name
    listed = getattr(module, "__all__", None)
    if listed is not None:
        assert sorted(listed) == sorted(names)
        assert len(set(listed)) == len(listed)


@pytest.mark.parametrize("room", ROOMS)
def test_no_public_name_is_a_rooms_name(room: str) -> None:
    assert not set(exported(room)) & set(ROOMS)


def test_the_package_itself_gives_out_what_it_lists() -> None:
    package = importlib.import_module("cupel")
    for name in getattr(package, "__all__", ()):
        assert getattr(package, name) is not None
        assert name not in ROOMS


def test_the_statistics_have_the_names_that_were_promised() -> None:
    stats = importlib.import_module("cupel.stats")
    for name in ("steady_state", "throughput", "compare_rates", "score", "plan_repeats", "verdict"):
        assert callable(getattr(stats, name)), name
