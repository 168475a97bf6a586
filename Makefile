# Two commands are enough: `make demo` and `make test`. Each installs what it needs into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
WORKERS ?= 2

.PHONY: demo demo-haproxy test test-full bench lint types imports docs clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[all,dev]'
	touch $@ $(VENV)/.core

demo: $(VENV)/.core
	$(BIN)/qoslab demo

# Needs Debian's package haproxy, and says so where it is missing; takes about two minutes.
demo-haproxy: $(VENV)/.core
	$(BIN)/python studies/balancing/haproxy_demo.py

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(WORKERS) -m "not full"

# The second line looks for wrong indices in compiled kernels, which are not checked otherwise.
test-full: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(WORKERS)
	NUMBA_BOUNDSCHECK=1 $(BIN)/python -m pytest -n $(WORKERS) -m "not full" tests/engine tests/balancing

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

imports: $(VENV)/.dev
	$(BIN)/lint-imports

docs: $(VENV)/.dev
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) site dist .pytest_cache .mypy_cache .ruff_cache
