# Two commands on a fresh machine: make demo, make test. Nothing but Python and a package registry is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The model card's lane: the first Python 3.10 that runs, on PATH (where it may be a shim of pyenv) or under pyenv.
PYTHON310 ?= $(shell for python in python3.10 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.10.*/bin/python; do \
	"$$python" -c "" 2>/dev/null && echo "$$python" && break; done)
CARD := .venv-card
PIP_FLAGS := --quiet --disable-pip-version-check

# Releases of ModelScope that `make versions` tries: the oldest that pyproject.toml allows, a middle one, the newest.
RELEASES ?= 1.20.1 1.30.0 newest
RELEASE_ENV := .venv-modelscope-

.PHONY: demo test lint format card versions dist web web-serve clean

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
	$(CARD)/bin/python -m pytest -m "not one_stack"

dist: $(VENV)/.installed-dev
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl

web: $(VENV)/.installed-web
	$(BIN)/python examples/web/build.py

web-serve: web
	$(BIN)/python -m http.server --directory build/web

versions: $(RELEASES:%=$(RELEASE_ENV)%/.installed)
	@for release in $(RELEASES); do \
		MODELSCOPE_LOG_LEVEL=40 OMP_NUM_THREADS=1 $(RELEASE_ENV)$$release/bin/python tests/versions/smoke.py || exit 1; done
	@rm -f $(RELEASE_ENV)newest/.installed  # the next run looks for a newer one

# Each has its ModelScope and what that pins; the rest, torch above all, it shares with .venv through a .pth file.
# setuptools: from 81 on it has no pkg_resources, which ModelScope before 1.35 imports.
$(RELEASE_ENV)%/.installed: $(VENV)/.installed-test
	$(BIN)/python -m venv --clear $(@D)
	$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" \
		> "$$($(@D)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/shared.pth"
	$(@D)/bin/python -m pip install $(PIP_FLAGS) --upgrade "setuptools<81" \
		"modelscope[framework,datasets]$(if $(filter newest,$*),,==$*)"
	touch $@

$(VENV)/.installed: pyproject.toml constraints/today.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints/today.txt -e .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints/today.txt -e ".[test]"
	touch $@

$(VENV)/.installed-web: $(VENV)/.installed
	$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints/today.txt -e ".[onnx]"
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
	rm -rf $(VENV) $(CARD) $(RELEASE_ENV)* build dist *.egg-info
