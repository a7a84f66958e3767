# make demo: the whole path, from a simulator to a report.   make test: the tests.   make help: the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# The demo's size; CI shortens it.
DEMO_DATA ?= data/lift_demo
DEMO_RUNS ?= runs/demo
DEMO_EPISODES ?= 30
DEMO_SPLIT ?= 20,5,5
DEMO_EPOCHS ?= 3

DEMO_ACTION ?= data/mocap_demo
DEMO_ACTION_RUNS ?= runs/demo_action
DEMO_ACTIONS ?= walk kick crawl cartwheel jump punch
DEMO_SUBJECTS ?= 16
DEMO_ACTION_EPOCHS ?= 24

.PHONY: help setup demo demo-action test coverage check bench mutate clean

help:  ## say what each target does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(INSTALLED): pyproject.toml
	PYTHON=$(PYTHON) sh system-packages.sh
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --upgrade "pip>=24"
	$(BIN)/python -m pip install -e ".[all]"
	touch $@

setup: $(INSTALLED)  ## make the environment and install everything into it

demo: $(INSTALLED)  ## Lift episodes, DeiT against PAAB and PAAT, a report: within 15 minutes on two cores
	$(BIN)/python -m sims.doctor
	$(BIN)/python -m sims.generate --env lift --views 4 --episodes $(DEMO_EPISODES) --split $(DEMO_SPLIT) --size 112 --out $(DEMO_DATA)
	$(BIN)/python -m datasets.info $(DEMO_DATA)
	$(BIN)/python -m align.compare --data $(DEMO_DATA) --methods deit paab paat --seeds 0 --backbone.depth 4 --epochs $(DEMO_EPOCHS) --optim.lr 1e-3 --validate-every 1 --out $(DEMO_RUNS)

demo-action: $(INSTALLED)  ## people in three data sets' layouts, TimeSformer against PAAB and PAAT, a report: within 20 minutes
	for layout in ntu smarthome nucla; do \
		subjects=$(DEMO_SUBJECTS); test $$layout = ntu || subjects=4; \
		$(BIN)/python -m sims.generate --env mocap --views 3 --layout $$layout --subjects $$subjects --size 112 --actions $(DEMO_ACTIONS) --out $(DEMO_ACTION)/$$layout || exit 1; \
		$(BIN)/python -m datasets.info $(DEMO_ACTION)/$$layout --format $$layout || exit 1; \
	done
	$(BIN)/python -m action.compare --data mocap --root $(DEMO_ACTION)/ntu --protocol CVS1 --test CVS1 CVS3 --retrieve $(DEMO_ACTION)/smarthome $(DEMO_ACTION)/nucla --methods baseline paab paat --seeds 0 --backbone.image-size 80 --backbone.frames 4 --backbone.stride 8 --backbone.depth 4 --batch.clips 8 --epochs $(DEMO_ACTION_EPOCHS) --validate-every 4 --out $(DEMO_ACTION_RUNS)

test: $(INSTALLED)  ## run the tests
	$(BIN)/python -m pytest

coverage: $(INSTALLED)  ## run the tests and say which lines they reach, in what they start as well
	$(BIN)/python -m pytest --cov --cov-report=term --cov-report=html

check: $(INSTALLED)  ## lint, formatting, types, unsafe code and vulnerable packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive action align datasets examples sims .ci posealign.py
	$(BIN)/python .ci/audit.py

bench: $(INSTALLED)  ## run the benchmarks: one table of ratios against stated baselines, runs/bench.md
	$(BIN)/python tests/benchmarks/run.py

mutate: $(INSTALLED)  ## change metrics, pose maps, PAAB and the data of figures: which changes do the tests miss?
	$(BIN)/python -m pip install -e ".[mutation]"
	OMP_NUM_THREADS=1 $(BIN)/mutmut run
	$(BIN)/mutmut results

clean:  ## remove the environment and caches; data and runs stay
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache htmlcov .coverage* *.egg-info
