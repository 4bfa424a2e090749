# Each target makes what it needs: on a fresh clone `make demo` and `make test` work alone, with Python and a network.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check
SERVERS := kafka or clickhouse
ARGS ?=
SEEDS ?= 1-3
POINTS ?= all
MOVES ?= 14

.DEFAULT_GOAL := help
.PHONY: help demo up test check lint fix hooks docs lock unit integration crash-matrix rebalances baseline bench wheel clean

help:  ## show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(INSTALLED)  ## run 1,000 real texts through the whole system and prove what it promises
	$(BIN)/smsflow demo $(ARGS)

up: $(INSTALLED)  ## run the whole system on this machine until Ctrl-C
	$(BIN)/smsflow up $(ARGS)

test: $(INSTALLED)  ## every test, on a real Kafka and a real ClickHouse
	$(BIN)/python -m pytest -m "not slow" $(ARGS)

check: lint unit  ## what an editor should run often: style, types, arrows, tests without servers

lint: $(INSTALLED)  ## style, types (strict), import arrows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

fix: $(INSTALLED)  ## format, and fix what a tool can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

hooks: $(INSTALLED)  ## run fix and lint before each commit
	$(BIN)/pre-commit install

docs: $(INSTALLED)  ## build the documentation site into build/site; a warning is an error
	$(BIN)/python docs/generate.py --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

lock: $(INSTALLED)  ## pin pyproject.toml's dependencies again, with hashes
	$(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --all-extras --group dev --group bench \
		--generate-hashes --no-emit-index-url --output-file requirements.lock
	$(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --extra registry \
		--generate-hashes --no-emit-index-url --constraints requirements.lock --output-file requirements.runtime.lock

unit: $(INSTALLED)  ## tests without servers
	$(BIN)/python -m pytest -q -m "not slow and not kafka and not clickhouse" $(ARGS)

integration: $(INSTALLED)  ## tests on servers only
	$(BIN)/python -m pytest -m "$(SERVERS)" $(ARGS)

crash-matrix: $(INSTALLED)  ## kill every role at every named step: SEEDS=1-3 POINTS=all
	$(BIN)/python -m tests.crash.matrix --seeds $(SEEDS) --points $(POINTS)

rebalances: $(INSTALLED)  ## workers and Kafka come, go, die and sleep in the middle: SEEDS=1-3 MOVES=14
	$(BIN)/python -m tests.crash.rebalances --seeds $(SEEDS) --moves $(MOVES)

bench: $(INSTALLED)  ## what a message and a callback cost, beside their baselines
	$(BIN)/python benchmarks/end_to_end.py $(ARGS)
	$(BIN)/python benchmarks/ingester.py

baseline: $(INSTALLED)  ## the usual Celery sender and smsflow under the same faults, side by side
	$(BIN)/python -m benchmarks.naive $(ARGS)

wheel: $(INSTALLED)  ## build the wheel, then test what is in it, away from the sources
	rm -rf dist build
	$(PIP) wheel -q --no-deps --no-build-isolation --wheel-dir dist .
	$(PIP) install -q --no-deps --target build/installed dist/*.whl
	mkdir -p build/elsewhere
	cp -r tests docs pyproject.toml Makefile Dockerfile docker-compose.yml requirements*.lock README.md LICENSE build/elsewhere
	cd build/elsewhere && PYTHONPATH=../installed ../../$(BIN)/python -m pytest -q -p no:cacheprovider \
		--ignore=tests/test_docs.py -m "not slow and not kafka and not clickhouse"

clean:  ## remove what was built; .venv and data directories stay
	rm -rf dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(INSTALLED): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and was not found as python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -q --require-hashes -r requirements.lock
	$(PIP) install -q --no-deps --no-build-isolation -e .
	@touch $@
