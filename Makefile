# Needs make and a Python from 3.11 on, nothing else. Whatever a target needs is
# installed into $(VENV) the first time, from exact versions with hashes; after
# that no target touches the network.
#
#   make run         the demonstration
#   make test        the tests, in a few minutes
#   make help        everything else
#
# Another interpreter:  make PYTHON=python3.13 VENV=/tmp/venv-313 test
# Some of the tests:    make test TESTS=tests/property PYTEST_OPTIONS='-k patch -x'
# Other requests:       make contract CONTRACT_OPTIONS='--seed 7'

PYTHON ?= python3
VENV ?= .venv
TESTS ?= tests
PYTEST_OPTIONS ?=
CONTRACT_OPTIONS ?=
FUZZ_OPTIONS ?=
PROOF ?= quick
COVERAGE ?=
MUTANTS ?=

BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# Exported so that a tool started by a test finds the same commands as the test.
export PATH := $(abspath $(BIN)):$(PATH)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install run bench test torture machine models engines fuzz proof planted coverage mutants contract check lint format types imports docs-check references tidy wheel wheel-check lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

# ------------------------------------------------------------------ installing

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
	    echo "There is no command \"$(PYTHON)\" here. Name a Python from 3.11 on: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "realmconf needs Python 3.11 or later, and $(PYTHON) is $$($(PYTHON) -V 2>&1 | head -n 1). Name another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Making $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# One stamp for each set of packages. What is installed already is not looked up
# again, so an old stamp costs a second and no network.
$(READY)/%: requirements/%.txt | $(VENV)/bin/python
	@echo "Installing requirements/$*.txt"
	@$(PIP) install --require-hashes --requirement $<
	@mkdir -p $(READY) && touch $@

$(READY)/realmconf: pyproject.toml $(READY)/build
	@$(PIP) install --no-index --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q src
	@mkdir -p $(READY) && touch $@

install: $(READY)/dev $(READY)/realmconf ## everything for working on the project

# --------------------------------------------------------------------- running

run: $(READY)/build $(READY)/realmconf ## the demonstration: writers, a watcher, hand edits, history
	@$(BIN)/realmconf demo

bench: $(READY)/bench $(READY)/realmconf ## the figures, as ratios to floors and peers of the same run
	@$(BIN)/python -m compileall -q src
	@$(BIN)/python -m bench

# --------------------------------------------------------------------- testing

QUICK := not torture and not machine and not engines and not models
PYTEST = $(BIN)/python -m pytest $(TESTS) $(PYTEST_OPTIONS)

# Two runs: what measures time must not share the machine with other tests. Exit
# code 5 is pytest's "nothing was selected", which may be true of one run, not of both.
test: $(READY)/test $(READY)/realmconf ## the tests: quick ones in parallel, then those that measure
	@parallel=0; serial=0; \
	$(PYTEST) -m "$(QUICK) and not serial" --numprocesses auto --dist worksteal || parallel=$$?; \
	$(PYTEST) -m "$(QUICK) and serial" || serial=$$?; \
	case $$parallel,$$serial in \
	    0,0|0,5|5,0) ;; \
	    5,5) echo "No test was selected." >&2; exit 1 ;; \
	    *) exit 1 ;; \
	esac

torture: $(READY)/test $(READY)/realmconf ## minutes of kills, stops and faults
	@$(PYTEST) -m "torture" --numprocesses auto --dist worksteal

machine: $(READY)/test $(READY)/realmconf ## tests that need strace, root or a file system of their own
	@$(PYTEST) -m "machine and not torture"

models: $(READY)/test $(READY)/realmconf ## the protocols that nothing is lost by, state by state (needs spin and gcc)
	@$(PYTEST) -m "models" --numprocesses 2

proof: $(READY)/test $(READY)/realmconf ## a small part of everything that attacks the guarantees (PROOF=full: all of it)
	@$(BIN)/python -m tests.proof $(PROOF)

planted: $(READY)/test $(READY)/realmconf ## each harness finds the bugs that were planted for it
	@$(PYTEST) -m "planted"

coverage: $(READY)/dev $(READY)/realmconf ## every branch of the code in tools/coverage.toml is taken by a test
	@$(BIN)/python tools/check_coverage.py $(COVERAGE)

mutants: $(READY)/mutants $(READY)/realmconf ## small changes of the code that no test notices (MUTANTS="decide pointer": of these)
	@$(BIN)/python tools/check_mutants.py $(MUTANTS)

FUZZ_SECONDS ?= 30

fuzz: $(READY)/fuzz $(READY)/realmconf ## malformed input: 100,000 for every parser, then such as reaches new code
	@$(BIN)/python -m tests.fuzz $(FUZZ_OPTIONS)
	@$(BIN)/python -m tests.fuzz.guided --seconds $(FUZZ_SECONDS)

# Two runs, as above; by file, so that each server is started by as few processes as can be.
engines: TESTS = tests/engines
engines: $(READY)/test $(READY)/realmconf ## the database engines, whose servers the tests start themselves
	@$(PYTEST) -m "engines and not serial and not torture and not machine" --numprocesses auto --dist loadfile
	@$(PYTEST) -m "engines and serial and not torture and not machine"

# Its own environment, since it is a client: see pyproject.toml.
$(VENV)/contract/.ready: requirements/contract.txt | $(VENV)/bin/python
	@echo "Installing requirements/contract.txt"
	@$(PYTHON) -m venv $(VENV)/contract
	@$(VENV)/contract/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --requirement $<
	@touch $@

contract: $(READY)/test $(READY)/realmconf $(VENV)/contract/.ready ## the OpenAPI document against a running server
	@$(BIN)/python tools/check_contract.py $(VENV)/contract/bin/schemathesis $(CONTRACT_OPTIONS)

# -------------------------------------------------------------------- checking

check: lint types imports docs-check tidy ## all checks that are not tests

lint: $(READY)/dev ## ruff: rules and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(READY)/dev ## ruff: write what lint would ask for
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: $(READY)/dev $(READY)/realmconf ## mypy, strict
	@$(BIN)/mypy

imports: $(READY)/dev $(READY)/realmconf ## the layers: imports point down only
	@$(BIN)/lint-imports

docs-check: $(READY)/build $(READY)/realmconf ## links, anchors and commands of the pages exist
	@$(BIN)/python tools/check_docs.py

references: $(READY)/dev $(READY)/realmconf ## print docs/reference/ anew, from the code
	@for tool in tools/render_*_reference.py; do $(BIN)/python $$tool || exit 1; done

tidy: $(VENV)/bin/python ## no committed file names a registry or a path of somebody's machine
	@$(BIN)/python tools/check_committed.py

# ----------------------------------------------------------------- the package

wheel: $(READY)/build ## dist/realmconf-*.whl
	@rm -rf dist
	@$(BIN)/hatchling build --target wheel

wheel-check: wheel ## that wheel alone in an empty environment: import, help, a write, a read
	@tools/check_wheel.sh $(BIN)/python dist/*.whl

lock: ## write requirements/*.txt anew (needs uv; LOCK=--upgrade for newer versions)
	@tools/lock.sh $(LOCK)

clean: ## remove what make and the tools have made, the virtual environment included
	rm -rf $(VENV) dist build .coverage .coverage.* htmlcov .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests tools bench examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
