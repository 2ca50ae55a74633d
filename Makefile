# Two commands on a fresh machine: make demo, make test. Nothing but Python and a package registry is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The model card's lane: the first Python 3.10 that runs, on PATH (where it may be a shim of pyenv) or under pyenv.
PYTHON310 ?= $(shell for python in python3.10 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.10.*/bin/python; do \
	"$$python" -c "" 2>/dev/null && echo "$$python" && break; done)
CARD := .venv-card
PIP_FLAGS := --quiet --disable-pip-version-check

.PHONY: demo test lint format card clean

demo: $(VENV)/.installed
	$(BIN)/modelscope-handkp predict examples/hands.jpg --out examples/out

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

card: $(CARD)/.installed
	$(CARD)/bin/python -m pytest

$(VENV)/.installed: pyproject.toml constraints/today.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints/today.txt -e .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints/today.txt -e ".[test]"
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints/today.txt -e ".[dev]"
	touch $@

$(CARD)/.installed: pyproject.toml constraints/card.txt
	@test -n "$(PYTHON310)" || { echo "the card lane needs Python 3.10: make card PYTHON310=/path/to/python3.10"; exit 1; }
	$(PYTHON310) -m venv $(CARD)
	$(CARD)/bin/python -m pip install $(PIP_FLAGS) -c constraints/card.txt "setuptools<70" wheel
	$(CARD)/bin/python -m pip install $(PIP_FLAGS) -c constraints/card.txt -e ".[test]"
	touch $@

clean:
	rm -rf $(VENV) $(CARD) build dist *.egg-info
