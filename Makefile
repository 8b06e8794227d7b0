# chainrule: `make help` lists what there is to run.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help tour test unit doctest lint format bench clean distclean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  PYTHON=python3.12 chooses the interpreter, VENV=folder the environment."

tour: $(VENV)/.has-package ## set everything up and take the guided tour
	@$(BIN)/chainrule tour

test: unit doctest lint ## tests, doctests, lint, types, import layers

unit: $(VENV)/.has-tests ## the tests alone
	$(BIN)/python -m pytest -q

doctest: $(VENV)/.has-tests ## the examples in the docstrings
	$(BIN)/python -m pytest -q --doctest-modules src

lint: $(VENV)/.has-tests ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.has-tests ## write the code in ruff's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.has-package ## the benchmarks; PEERS=1 first installs PyTorch and JAX
	$(if $(PEERS),$(PIP) install --editable '.[peers]')
	set -e; for file in benchmarks/[a-z]*.py; do $(BIN)/python "$$file"; done
	$(BIN)/chainrule bench

clean: ## remove what builds and checks leave behind
	rm -rf build dist docs/_build .coverage .hypothesis .*_cache
	find src tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## the same, and the environment
	rm -rf $(VENV)

# Editable installs: a changed source file needs no new one, a changed pyproject.toml does. The
# stamps make the second run quick.

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "chainrule needs Python 3.11 or later: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "making $(VENV)" >&2
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "no venv module: on Debian, apt install python3-venv" >&2; exit 1; }

$(VENV)/.has-package: pyproject.toml | $(BIN)/python
	@echo "installing chainrule into $(VENV)" >&2
	@$(PIP) install --editable . && touch $@

$(VENV)/.has-tests: pyproject.toml | $(BIN)/python
	@echo "installing chainrule and its test tools into $(VENV)" >&2
	@$(PIP) install --editable '.[test]' && touch $@ $(VENV)/.has-package
