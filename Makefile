# `make help` lists what there is. PYTHON=/path/to/python chooses the Python to build with.
.DEFAULT_GOAL := help
.PHONY: help up test check bench conformance test-newest lock format clean

export PYTHON

VENV := .venv/bin/python

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## set up, then run web server and workers in the foreground (PORT, DATABASE_URL, TASKCENTER_DATA_DIR)
	@scripts/setup runtime
	@exec $(VENV) -m scripts.up

test: ## set up, then run the whole suite on SQLite, and on PostgreSQL where a server is found
	@scripts/setup dev
	@scripts/test

check: ## format, lint, types, layers, migrations, Django's deploy checks, docs against code
	@scripts/setup dev
	@.ci/check

bench: ## measure speed side by side with plain Django and stock django-q2
	@scripts/setup dev
	@exec $(VENV) -m bench

conformance: ## run what needs the specifications in SPECS_DIR (default ../shared/specs)
	@scripts/setup dev
	@scripts/conformance

test-newest: ## run the suite on the newest Python found (3.12 to 3.14) with the newest Django
	@scripts/test-newest

lock: ## pin what requirements/*.in ask for, with hashes (LOCK_FLAGS=--upgrade for newer versions)
	@scripts/setup dev
	@scripts/lock $(LOCK_FLAGS)

format: ## format and mend what can be mended by itself
	@scripts/setup dev
	@$(VENV) -m ruff format .
	@$(VENV) -m ruff check --fix .

clean: ## remove environments, caches and reports; keeps var/, the installation's data
	@rm -rf .venv .venv-newest .venv*.lock .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis var/reports
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
