# Every target does its own set-up: Python 3.10 to 3.13, make and a package registry are all it takes.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The first interpreter that really runs and can make a virtual environment (a pyenv shim may exist and not run).
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3.10 python3 python; do \
	"$$python" -c 'import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' \
		>/dev/null 2>&1 && echo "$$python" && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.10 \
	--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links $(UPGRADE)
COMPILE = $(LOCK) pyproject.toml --all-extras

.PHONY: help demo test collector prometheus stack-test lint format bench soak audit audit-advice audit-alerts docs site lock clean

help:  ## Show the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The environment is made anew only when what it is made from has changed.
$(READY): requirements/pip.txt requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.10 to 3.13 with the venv module was found; set PYTHON=..." >&2; exit 2; }
	@echo "==> Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/pip.txt
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(VENV) --require-hashes -r requirements/dev.txt \
		2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY)  ## Run the shop for 20 s and show what was seen (ARGS="--serve" stays up).
	@$(BIN)/otel-dbmon demo $(ARGS)

test: $(READY)  ## Build the wheel and test it on every interpreter there is, and on the oldest OpenTelemetry.
	@tests/install.sh
	@tests/sentry/spotlight/install.sh >/dev/null || echo "Without, the tests of Sentry are skipped." >&2
	@$(BIN)/nox $(if $(SESSIONS),-s $(SESSIONS)) $(if $(ARGS),-- $(ARGS))

collector:  ## Build our distribution of the OpenTelemetry Collector from Go modules, once, and print where it is.
	@collector-config/builder/build.sh collector

prometheus:  ## Build Prometheus 3 likewise (Debian has 2.42).
	@collector-config/builder/build.sh prometheus

stack-test: $(READY)  ## Start the whole stack with its real programs, and let every alert fire from its cause.
	@tests/install.sh
	@collector-config/builder/build.sh collector >/dev/null || test $$? = 3
	@$(BIN)/python tests/again.py tests/stack tests/deploy/test_stack.py $(ARGS)

lint: $(READY)  ## Check style, types, import layers and everything that is generated.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python semconv/generate.py --check
	$(BIN)/python collector-config/grafana/generate.py --check
	$(SITE) -b html . build/docs

format: $(READY)  ## Put the code into shape.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

soak: $(READY)  ## Ten minutes at full speed with a collector absent, slow, back (SECONDS=60 for one).
	@$(BIN)/python tests/soak/soak.py --seconds $(or $(SECONDS),600)

audit: $(READY)  ## Look for values that get out, in 200 times as many made-up statements as the tests (EFFORT=1000 for more).
	@DBMON_TEST_EFFORT=$(or $(EFFORT),200) $(BIN)/pytest tests/processors/test_properties.py \
		tests/processors/test_sql_properties.py -n $$(nproc) $(ARGS)

audit-advice: $(READY)  ## Build every index that is suggested for 400,000 orders, and compare with what was promised.
	@tests/install.sh
	@$(BIN)/python tests/advise/audit.py $(ARGS)

audit-alerts: $(READY)  ## Let each part of the alert rules be wrong once; a case has to notice (5 minutes).
	@tests/install.sh
	@$(BIN)/python tests/alerts/mutate.py $(ARGS)

docs: $(READY)  ## Write everything that is generated from semconv/registry.
	$(BIN)/python semconv/generate.py
	$(BIN)/python collector-config/grafana/generate.py

# Warnings are errors, links that lead nowhere among them. linkcheck asks other sites, which not every network allows.
SITE = $(BIN)/sphinx-build -q -n -W --keep-going -c docs -d build/doctrees
site: $(READY)  ## Build the documentation into build/docs, with links checked (ARGS=--links asks other sites, too).
	@$(SITE) -E -b html . build/docs
	@$(if $(findstring --links,$(ARGS)),$(SITE) -b linkcheck . build/linkcheck)
	@echo build/docs/index.html

bench: $(READY)  ## Measure, and print ratios taken within one run.
	@for benchmark in tests/benchmarks/bench_*.py; do \
		echo "==> $$benchmark"; $(BIN)/python "$$benchmark" $(ARGS); done

lock: $(READY)  ## Lock the versions again (UPGRADE=--upgrade takes the newest).
	$(LOCK) requirements/pip.in --output-file requirements/pip.txt
	$(COMPILE) --group dev --output-file requirements/dev.txt
	$(COMPILE) --group test --output-file requirements/test.txt
	$(COMPILE) --group vendor --output-file requirements/vendor.txt
	$(COMPILE) --group test --constraints requirements/floor.in --output-file requirements/floor.txt
	$(COMPILE) --group test --override requirements/newest.in --output-file requirements/newest.txt
	@! grep -nE '://' requirements/*.txt
	tests/sentry/spotlight/lock.sh

clean:  ## Remove whatever the other targets made.
	rm -rf $(VENV) .nox build dist .coverage* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
