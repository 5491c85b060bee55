# make demo: trains, measures and shows. make test: every check. Both make .venv first if it is missing.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test

demo: .venv/ready
	$(BIN)/python -m train.cyclegan --noise=gaussian
	$(BIN)/python -m eval.demo --model=runs/cyclegan-gaussian --output=demo.png --json=demo.json

test: .venv/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/python -m pytest -n 2 --dist worksteal --durations=10

.venv/ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "filmzoo needs Python 3.11 or later: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@
