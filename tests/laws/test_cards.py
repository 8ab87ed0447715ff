import ast
import importlib
import subprocess
import sys

import pytest

from cupel.spec.catalog import load_catalog
from cupel.spec.claim import Claim
from cupel.spec.entry import ClaimEntry, Entry
from cupel.spec.extras import missing_extras
from cupel.spec.read_entry import read_entry

ENTRIES = list(load_catalog().entries.values())
CLAIMS = list(load_catalog().claims.values())
every_claim = pytest.mark.parametrize("entry", CLAIMS, ids=lambda entry: entry.stem)


def test_every_card_can_be_read() -> None:
    catalog = load_catalog()
    assert catalog.entries
    assert catalog.claims
    assert {name: str(error) for name, error in catalog.broken.items()} == {}


@pytest.mark.filterwarnings("ignore")  # what model libraries warn of while they are imported is theirs
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.stem)
def test_the_card_as_read_is_the_card_as_imported(entry: Entry) -> None:
    missing = missing_extras(entry.card)
    if missing:
        pytest.skip(f"{entry.stem} needs {', '.join(missing)}, not installed")
    assert entry.module is not None
    module = importlib.import_module(entry.module)
    assert entry.card == module.CARD
    assert callable(module.setup)
    assert callable(module.sane)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.stem)
def test_a_card_says_what_a_reader_needs(entry: Entry) -> None:
    card = entry.card
    assert set(card.memory_gib) == {"tiny", "small", "full"}, "auto size needs the memory of each size"
    assert all(gib > 0 for gib in card.memory_gib.values())
    assert card.tags
    of_torch = {"models", "media", "games", "lightning"}
    assert not of_torch & set(card.needs) or "torch" in card.needs, "a slot with torch is for cards that say 'torch'"
    assert read_entry(entry.path, entry.module) == entry


@pytest.mark.filterwarnings("ignore")
@every_claim
def test_a_claims_card_as_read_is_the_card_as_imported_and_its_functions_are_there(entry: ClaimEntry) -> None:
    missing = missing_extras(entry.card)
    if missing:
        pytest.skip(f"{entry.stem} needs {', '.join(missing)}, not installed")
    assert entry.module is not None
    module = importlib.import_module(entry.module)
    assert entry.card == module.CARD
    assert all(callable(getattr(module, name)) for name in entry.card.functions)
    for said in entry.card.said:
        for arm in said.arms if said.kind == "speed" else ():
            assert callable(getattr(module, f"{arm}_step", None) or getattr(module, arm))
    assert read_entry(entry.path, entry.module) == entry
    assert Claim.from_dict(entry.card.as_dict()) == entry.card, "what a run keeps of a card is the card"


@every_claim
def test_a_claims_card_says_what_a_reader_needs(entry: ClaimEntry) -> None:
    card = entry.card
    for name in ("published", "kept", "smaller", "tags"):
        assert getattr(card, name), f"{name} is empty"
    about = ast.get_docstring(ast.parse(entry.path.read_text(encoding="utf-8"))) or ""
    assert len(about.split()) > 20, "say what is claimed, and what the paper's words are called here"
    assert "torch" in card.needs or "digits" not in card.needs, "digits are tensors"
    for said in card.said:
        assert said.says[0].isupper(), f"{said.name}: a sentence begins with a capital"
        assert said.says.endswith("."), f"{said.name}: a sentence ends with a full stop"
    assert card.says.endswith(".")


def test_a_claim_whose_card_does_not_need_torch_does_not_load_it() -> None:
    modules = [str(entry.module) for entry in CLAIMS if "torch" not in entry.card.needs]
    code = f"import importlib, sys\nfor m in {modules}: importlib.import_module(m)\nassert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
