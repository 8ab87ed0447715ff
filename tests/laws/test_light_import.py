import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WITHOUT_TORCH = ("cupel", "cupel.spec", "cupel.stats", "cupel.ledger", "cupel.report")
HEAVY = {"torch", "transformers", "diffusers"}
NUMBERS = {"numpy", "scipy", "pandas"}


def loaded(code: str) -> set[str]:
    """Top-level modules that are loaded after running code in a fresh interpreter."""
    text = f"import sys\n{code}\nprint('LOADED', *sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["list"],
        ["list", "--json"],
        ["show", "matmul"],
        ["show", "smoke"],
        ["show", "asha_vs_successive_halving"],
        ["explain", "score"],
    ],
    ids=" ".join,
)
def test_a_verb_that_reads_loads_neither_torch_nor_numpy(words: list[str]) -> None:
    assert not loaded(f"from cupel.cli import main\nassert main({words!r}) == 0") & (HEAVY | NUMBERS)


@pytest.mark.parametrize("verb", ["run", "resume", "report", "compare", "analyze", "lint", "power", "doctor"])
def test_help_of_a_verb_does_not_load_torch(verb: str) -> None:
    if not (ROOT / f"src/cupel/cli/{verb}.py").is_file():
        pytest.skip(f"there is no verb {verb} yet")
    assert not loaded(f"from cupel.cli import main\nassert main([{verb!r}, '--help']) == 0") & HEAVY


def test_no_module_of_a_torch_free_room_loads_torch() -> None:
    modules = []
    for room in WITHOUT_TORCH:
        home = ROOT / "src" / room.replace(".", "/")
        modules += [f"{room}.{path.stem}" for path in home.glob("*.py") if path.stem not in ("__init__", "__main__")]
    imports = "\n".join(f"import {name}" for name in (*WITHOUT_TORCH, *modules))
    assert not loaded(imports) & HEAVY


def test_importing_cupel_loads_nothing_of_weight() -> None:
    assert not loaded("import cupel") & (HEAVY | NUMBERS | {"rich", "psutil"})


def test_torch_is_there_to_be_not_loaded() -> None:
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed, so the tests above show nothing")
