# make demo: trains, measures and shows. make test: every check. Both make the environment first if it is missing.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
VERSIONS := from importlib.metadata import version; import platform; \
	print("Python", platform.python_version(), *(f"{name} {version(name)}" for name in ("av", "jax", "flax", "numpy")))

.PHONY: demo test style types suite

demo: $(VENV)/ready
	$(BIN)/python -m train.cyclegan --noise=gaussian
	$(BIN)/python -m eval.demo --model=runs/cyclegan-gaussian --output=demo.png --json=demo.json

test: style types suite

style: $(VENV)/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/ready
	printf '{"include": ["../zoo", "../eval", "../train"], "extraPaths": [".."], "venvPath": "..", "venv": "$(VENV)"}' > $(VENV)/pyright.json
	$(BIN)/pyright --project $(VENV)/pyright.json

suite: $(VENV)/ready
	$(BIN)/python -m pytest -n 2 --dist worksteal --durations=10
	@$(BIN)/python -c '$(VERSIONS)'

$(VENV)/ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "filmzoo needs Python 3.11 or later: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@
