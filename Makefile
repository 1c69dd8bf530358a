# Two commands do everything on a fresh machine: `make demo` and `make test`.
# Nothing is done twice: the environment is made again only when its description changes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# The public label tables; tests that need them say so and skip where there are none.
export GENNAPE_DATA ?= $(abspath $(wildcard ../shared/data))
# One thread in each of two processes beats two threads in one.
export OMP_NUM_THREADS ?= 1

.PHONY: demo test lint types env help

help:
	@echo "make demo   train, transfer to an unseen family, rank ONNX files (minutes, no download)"
	@echo "make test   style, types, layers and all tests"
	@echo "make lint   style and layers alone;  make types   mypy alone;  make env   $(VENV) alone"

env: $(READY)

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

demo: $(READY)
	$(BIN)/python scripts/demo.py

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(READY)
	$(BIN)/mypy

test: lint types
	$(BIN)/python -m pytest -n 2
