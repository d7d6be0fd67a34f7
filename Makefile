.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
LOCKED := .venv/.locked-$(shell cksum < requirements.lock | cut -d' ' -f1)

.PHONY: help setup up test test-long check lock clean

help: ## Show these targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(LOCKED) ## Make .venv from the lock file (up and test do this by themselves)

$(LOCKED): requirements.lock pyproject.toml awaitguard/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Netra needs Python 3.11 or newer: make PYTHON=python3.12 setup" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "python3 -m venv failed; on Debian: apt-get install python3-venv" >&2; exit 2; }
	@echo "Installing the locked dependencies into .venv (about a minute the first time) ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . -e ./awaitguard
	@rm -f .venv/.locked-*
	@touch $@

up: setup ## Run Netra on this machine (http://127.0.0.1:8000)
	$(BIN)/netra up

test: setup ## Run all tests
	$(BIN)/python -m pytest

test-long: setup ## Run the long forms too: 200 cuts, 50 kills (some minutes)
	$(BIN)/python -m pytest -m long

check: setup ## Lint, formatting, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

lock: ## Resolve requirements.lock anew (needs uv)
	uv pip compile --universal --generate-hashes --no-annotate --no-header --no-emit-index-url --python-version 3.11 \
	  pyproject.toml awaitguard/pyproject.toml --group dev -o requirements.lock

clean: ## Remove what the targets above made
	rm -rf .venv dist build .pytest_cache .ruff_cache .hypothesis .import_linter_cache
