# The verbs of this project. On a fresh machine with Python 3.11 or 3.12 each of them sets itself up first.
PYTHON ?= $(shell for python in python3.12 python3.11 python3 python; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' \
	>/dev/null 2>&1 && echo $$python && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/set-up-for-this-lock
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup servers demo test lint bench bench-live bench-models chaos pages lock
.DEFAULT_GOAL := help

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(firstword $(MAKEFILE_LIST)) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP)  ## make .venv with the pinned dependencies (the other verbs do it when needed)

$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 or 3.12 with venv found; install one or say PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP)  ## a minute: a shop live, its log stopped and resumed 20 times, a what-if
	$(BIN)/beckon demo

servers: $(STAMP)  ## install Kafka, Redis and Prometheus for the tests, where it may
	$(BIN)/python -m tests.server_setup

test: lint servers  ## lint, types, then all tests
	$(BIN)/python -m pytest -n 2

lint: $(STAMP)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)  ## measure speed and memory (some minutes); docs/benchmarks.md has our figures
	$(BIN)/python -m bench

bench-live: $(STAMP) servers  ## the same of the live engine, on a real Kafka and Redis (half an hour)
	$(BIN)/python -m bench.live

bench-models: $(STAMP)  ## how good propensities are: a real shop, then simulated ones (15 minutes; needs BECKON_DATA)
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m bench.models
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m bench.model_truth

chaos: $(STAMP) servers  ## kill the engine, Redis and the broker, hundreds of times (40 minutes)
	$(BIN)/python -m tests.chaos

pages: $(STAMP)  ## write again what is generated: schemas, tables of the docs, contracts
	$(BIN)/python -m config.json_schemas
	$(BIN)/python -m config.key_tables
	$(BIN)/python -m connectors.contract_files
	$(BIN)/python -m flows.metrics_table

lock:  ## pin the newest versions that pyproject.toml allows (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --fork-strategy fewest --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --no-annotate --upgrade --quiet -o requirements.lock
