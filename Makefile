# `make demo`: see it work. `make test`: what CI runs. Both need only Python 3.11.4 or later and make.
# `make demo CPU=1` installs PyTorch's build for processors alone: 1 GB instead of 5.6 GB.
PYTHON ?= python3
CPU ?=
VENV := .venv
BIN := $(VENV)/bin
CPU_BUILD = $(BIN)/python -m pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu

.PHONY: demo test format clean

demo: $(VENV)/.installed
	rm -rf runs/demo
	$(BIN)/srpnet weights
	$(BIN)/srpnet train --config configs/demo.toml --out runs/demo
	$(BIN)/srpnet eval --fold 0 --shot 1 --data stickers --checkpoint runs/demo --size 257 --episodes 200 --pictures 8 --out runs/demo/scores

test: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11, 4) and "srpnet needs Python 3.11.4 or later: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml $(VENV)/bin/python
	$(if $(CPU),$(CPU_BUILD))
	$(BIN)/python -m pip install -e .
	touch $@

$(VENV)/.installed-test: pyproject.toml $(VENV)/bin/python
	$(if $(CPU),$(CPU_BUILD))
	$(BIN)/python -m pip install -e '.[test]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) runs build *.egg-info .pytest_cache .mypy_cache .ruff_cache
