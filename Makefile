# make demo: the whole path, from a simulator to a report. make test: the tests. make help: the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# Processes that share the tests, one a logical core; 0 runs them in this one, where a debugger works.
JOBS ?= logical
# A worker's tests come one after the other, so that it makes a module's fixtures once; one that has
# nothing left takes half of what is left of another.
PYTEST := $(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal

# A finding that we accept goes here as `--ignore-vuln NAME`, with the reason in a line above it.
AUDIT := $(BIN)/pip-audit --progress-spinner off

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
DEMO_REPETITIONS ?= 6
DEMO_ACTION_EPOCHS ?= 8
NOTEBOOK_EPISODES ?= 4

.PHONY: help setup demo demo-action test test-fast coverage check docs notebook bench attack mutate clean

help:  ## show what each target does
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

demo-action: $(INSTALLED)  ## videos of people in three data sets' layouts, TimeSformer against PAAB and PAAT, a report: within 15 minutes
	for layout in ntu smarthome nucla; do \
		people="--subjects 4"; test $$layout = ntu && people="--subjects $(DEMO_SUBJECTS) --repetitions $(DEMO_REPETITIONS) --test-repetitions 2"; \
		$(BIN)/python -m sims.generate --env mocap --views 3 --layout $$layout $$people --rooms 4 --size 96 --actions $(DEMO_ACTIONS) --out $(DEMO_ACTION)/$$layout || exit 1; \
		$(BIN)/python -m datasets.info $(DEMO_ACTION)/$$layout --format $$layout || exit 1; \
	done
	$(BIN)/python -m action.compare --data mocap --root $(DEMO_ACTION)/ntu --protocol CVS1 --test CVS1 CVS3 --retrieve $(DEMO_ACTION)/smarthome $(DEMO_ACTION)/nucla --methods baseline paab paat --seeds 0 --jobs 3 --epochs $(DEMO_ACTION_EPOCHS) --validate-every 4 --out $(DEMO_ACTION_RUNS)

test: $(INSTALLED)  ## run all tests, in parallel, and list the slowest ten
	$(PYTEST) --durations 10

test-fast: $(INSTALLED)  ## run the tests that take less than a fifth of a second each: within three minutes on two cores
	$(PYTEST) -m "not slow"

coverage: $(INSTALLED)  ## run all tests and show which lines they reach, also in the processes that they start
	$(PYTEST) --cov --cov-report term --cov-report html

check: $(INSTALLED)  ## lint, formatting, types, unsafe code and vulnerable packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive action align datasets examples sims posealign.py
# pip-audit ends alike for a finding and for a database that it cannot reach, and passes where a
# proxy knows no package. Every answer of the database names flaws of pip 24.0, so ask for these first.
	@answer=$$(echo pip==24.0 | $(AUDIT) --no-deps --disable-pip --requirement /dev/stdin 2>&1); \
	case "$$answer" in \
	*"Found "*) $(AUDIT) --local --skip-editable ;; \
	*onnect* | *"timed out"* | *"not found on PyPI"*) echo "pip-audit: NOT CHECKED, the database of vulnerabilities cannot be reached" ;; \
	*) echo "$$answer"; exit 1 ;; \
	esac

docs: $(INSTALLED)  ## build the documentation into site/, and check its links
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

notebook: $(INSTALLED)  ## execute the notebook at a small size, as a test: runs/notebook.ipynb
	POSEALIGN_EPISODES=$(NOTEBOOK_EPISODES) POSEALIGN_EPOCHS=1 POSEALIGN_WORK=runs/notebook \
		$(BIN)/python -m nbconvert --to notebook --execute --output-dir runs --output notebook.ipynb examples/first_alignment.ipynb

bench: $(INSTALLED)  ## run the benchmarks: one table of ratios against stated baselines, runs/bench.md
	$(BIN)/python tests/benchmarks/run.py

attack: $(INSTALLED)  ## run every command on bad inputs and faults: each is right or ends in one clear line
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.attack.run

mutate: $(INSTALLED)  ## change metrics, pose maps, PAAB and the data of figures: which changes do the tests miss?
	$(BIN)/python -m pip install -e ".[mutation]"
	OMP_NUM_THREADS=1 $(BIN)/mutmut run
	$(BIN)/mutmut results

clean:  ## remove the environment and caches; data and runs stay
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache htmlcov .coverage* *.egg-info site
