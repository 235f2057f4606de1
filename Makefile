# `make demo` and `make test` need nothing but Python 3.11 or newer: they make .venv and install into it what they use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WHEEL := build/wheel
SOURCES := $(shell find src modelkit bridges solvers diffmodels -name '*.py')

# What `make test` installs of PyTorch; its layers need 2.4 or newer. From PyPI it is on Linux a CUDA build of several
# GB, on other systems a CPU build. A CPU build will do: make test TORCH="torch --index-url URL" with the URL of the CPU
# builds on pytorch.org. `make test TORCH=` does without, and the tests of the layer say that they are skipped.
TORCH ?= torch==2.13.0

.PHONY: help demo test lint format bench clean
.NOTPARALLEL:

help:
	@echo "make demo     the sensitivity of a classifier to its data, with a figure"
	@echo "make test     all tests (TORCH= leaves out PyTorch)"
	@echo "make lint     ruff and mypy"
	@echo "make format   rewrite the sources in the common layout"
	@echo "make bench    the benchmarks (WORKLOADS=... DATA=..., see benchmarks/README.md)"
	@echo "make clean    remove .venv and everything else that can be made again"

demo: $(VENV)/.has-tutorials
	$(BIN)/python tutorials/svm_sensitivity.py

# Everything is tested as users get it: in the wheel, unpacked. The examples in docstrings run there.
# One BLAS thread for each of the two workers: on two cores four of them make small factorizations up to 60 times slower.
test: $(VENV)/.has-torch $(WHEEL)/.unpacked
	PYTHONPATH=$(WHEEL) OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 tests $(WHEEL)/optangent

lint: $(VENV)/.has-lint $(WHEEL)/.unpacked
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/.has-lint
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# make bench WORKLOADS=path/to/workloads.py DATA=path/to/data
bench: $(VENV)/.has-bench
	$(BIN)/python benchmarks/svm_table.py $(WORKLOADS)
	$(BIN)/python benchmarks/model_building.py $(WORKLOADS)
	$(BIN)/python benchmarks/public_problems.py $(DATA)
	$(BIN)/python benchmarks/public_derivatives.py $(DATA)

clean:
	rm -rf $(VENV) build dist src/*.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# From nothing each time: what an earlier build left must not be in the wheel.
$(WHEEL)/.unpacked: pyproject.toml $(SOURCES) | $(VENV)/.has-test
	rm -rf build
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir build/dist .
	$(BIN)/python -m zipfile -e build/dist/optangent-*.whl $(WHEEL)
	@touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# Before everything else that might ask for some newer PyTorch.
$(VENV)/.has-torch: Makefile | $(BIN)/python
	test -z "$(TORCH)" || $(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	@touch $@

# .has-NAME: the package, editable, with its extra NAME. Only a change of pyproject.toml outdates it.
.PRECIOUS: $(VENV)/.has-%
$(VENV)/.has-%: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$*]"
	@touch $@
