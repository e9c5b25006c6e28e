# make demo | test | lint | bench | report | grid | methods | digits | docs   sets up .venv first, once
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# two processes, a file's tests in the same one: most time goes into short trainings. Files come in
# the order of tests/conftest.py, the longest first, not by how many tests are in them (if this
# pytest-xdist has the option: 3.7, which Python 3.8 has not)
REORDER = $(shell $(BIN)/python -m pytest --help 2>/dev/null | grep -o -m 1 -e --no-loadscope-reorder)
PYTEST_OPTIONS ?= -n 2 --dist loadfile $(REORDER)

.PHONY: demo test bench report grid methods digits docs lint setup clean

setup: $(READY)

$(READY): setup.py pyproject.toml build_backend.py requirements-dev.txt scripts/setup_venv.sh $(wildcard fairseq_prune/engine/src/*)
	PYTHON=$(PYTHON) sh scripts/setup_venv.sh $(VENV)
	touch $(READY)

demo: $(READY)
	$(BIN)/python scripts/demo.py --out demo

test: $(READY)
	$(BIN)/python -m pytest -q $(PYTEST_OPTIONS)

bench: $(READY)
	$(BIN)/python -m benchmarks

# of the demo's dense model, which is made if it is not there
report: demo/dense/checkpoint_best.pt
	$(BIN)/fairseq-prune report $< demo/data --out demo/report

demo/dense/checkpoint_best.pt:
	$(MAKE) demo

# a small grid of experiments on the demo's corpus
grid: $(READY)
	$(BIN)/python scripts/demo.py --out demo --data-only
	OMP_NUM_THREADS=1 $(BIN)/fairseq-prune grid configs/experiments/demo.yaml --out demo/grid --jobs 2

# ways to compress a language model of its English side
methods: $(READY)
	$(BIN)/python scripts/demo.py --out demo --data-only
	$(BIN)/python scripts/prepare_lm_data.py demo --raw-dir demo/raw --out demo/lm
	OMP_NUM_THREADS=1 $(BIN)/fairseq-prune methods configs/methods/demo.yaml --out demo/methods --jobs 2

# pruning outside fairseq
digits: $(READY)
	$(BIN)/python examples/rnn_digits/prune_digits.py --out demo/digits

# the docs as a site, in build/site
docs: $(READY)
	$(BIN)/python -m pip install -q "mkdocs-material~=9.5" "mkdocstrings[python]>=0.25,<2"
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

lint: $(READY)
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

clean:
	rm -rf demo build *.egg-info
