# make run, make test: each makes .venv when it is absent, installs what is missing, and does its job.
PYTHON ?= python3
VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
PORT ?= 8501
ADDRESS ?= localhost

.PHONY: run test lint bench assets points clean

run: $(VENV)/run.stamp
	@$(BIN)/python -m streamlit run app.py --server.port $(PORT) --server.address $(ADDRESS)

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/dev.stamp
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

bench: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks

assets: $(VENV)/dev.stamp
	$(BIN)/python -m embedkit build-assets

# The map of many points, bundled anew; needs Node.js, the app does not.
points:
	cd ui/points_src && npm ci && npm run build

# A stamp is newer than its list once everything on the list is installed.
$(VENV)/run.stamp: requirements.txt | $(BIN)
	$(BIN)/python -m pip install -r requirements.txt
	@$(BIN)/python -c "import pathlib; pathlib.Path('$@').touch()"

$(VENV)/dev.stamp: requirements.txt requirements-dev.txt | $(BIN)
	$(BIN)/python -m pip install -r requirements-dev.txt
	@$(BIN)/python -c "import pathlib; [pathlib.Path('$(VENV)', n).touch() for n in ('run.stamp', 'dev.stamp')]"

$(BIN):
	@$(PYTHON) -c "import sys; sys.exit(0 if sys.version_info >= (3, 11) else 'embedkit needs Python 3.11 or newer; this is ' + sys.version.split()[0] + '. Name another: make run PYTHON=python3.12')"
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
