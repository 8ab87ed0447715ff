# The one way to set up, run, test and check Cupel. Needs Python 3.11 or newer, make and git.
#   make setup PYTHON=python3.12      another Python
#   make run ARGS="--size tiny"       further words for the command
PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)

# uv does not read pip's configuration: without this it would miss a local folder of wheels that pip is told of.
UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
export UV_FIND_LINKS
ifeq ($(strip $(UV_FIND_LINKS)),)
# uv alone can choose the build of torch that fits this machine's driver (or none: the small CPU build).
UV_TORCH_BACKEND ?= auto
export UV_TORCH_BACKEND
endif

.PHONY: help setup run test test-manual check format docs clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 20

# The stamp holds what the environment was made from, so that a second call does nothing and a change installs again.
setup: ## make .venv with cupel, its extras and the tools for development
	@set -e; stamp="$$(cat pyproject.toml constraints.txt | cksum) $(CURDIR)"; \
	if [ "$$stamp" = "$$(cat $(VENV)/.done 2>/dev/null)" ]; then exit 0; fi; \
	if [ ! -x $(BIN)/python ] && ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
		echo "make setup: '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true). Cupel needs Python 3.11 or newer;" >&2; \
		echo "name one: make setup PYTHON=python3.12" >&2; exit 1; fi; \
	rm -f $(VENV)/.done; \
	if [ -n "$(UV)" ]; then \
		echo "Setting up $(VENV) with uv. The first time this takes a minute."; \
		[ -x $(BIN)/python ] || "$(UV)" venv --quiet --python "$(PYTHON)" $(VENV); \
		"$(UV)" pip install --quiet --compile-bytecode --python $(BIN)/python -e '.[all,dev]' -c constraints.txt; \
	else \
		echo "Setting up $(VENV) with pip. The first time this takes two minutes."; \
		[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV); \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[all,dev]' -c constraints.txt; \
	fi; \
	echo "$$stamp" > $(VENV)/.done

run: setup ## measure this machine with the suite "smoke"
	@$(BIN)/cupel run smoke $(ARGS)

# One thread per process: two processes of two threads on two cores spin on each other for most of their time.
test: setup ## all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 $(ARGS)

test-manual: setup ## hours: every two settings of every workload together; ARGS="-k bert" for some
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -p no:xdist -m manual $(ARGS)

check: setup ## lint, format, types, import contracts, laws of the house: what CI runs before the tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -q tests/laws

format: setup ## put the code into its format, and mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: setup ## write docs/catalogue.md from the cards, docs/verdicts.md from the recorded verdicts
	$(BIN)/python docs/make_catalogue.py
	$(BIN)/python docs/make_verdicts.py

clean: ## remove the environment and the caches; runs stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
