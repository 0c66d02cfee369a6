# `make` lists the targets. Every target sets up first what it needs; a second run does only what changed.

PYTHON ?= python3.11
UV_VERSION := 0.13.9
EVENTS ?=
MAPPING ?=
QUICK ?=
WORKERS ?= logical
ADVISORIES ?=
SEED ?=
FAULTS ?=
RATE ?=
MINUTES ?=

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
export UV_HTTP_TIMEOUT := 180
export PYTHONUNBUFFERED := 1

BIN := .venv/bin
VENV_READY := .venv/.ready
KAFKA_READY := .local/kafka/.ready
BRIDGE_POM := $(wildcard jobs/bridge/pom.xml)
BRIDGE_JAR := $(if $(BRIDGE_POM),jobs/bridge/target/flink-segments-bridge.jar)
BRIDGE_SOURCES := $(shell find jobs/bridge/src/main -type f 2>/dev/null)
# Tests on the stack mostly wait; a stack takes about 4 GB.
STACKS ?= 2
PYTEST := $(BIN)/python -m pytest -n "$(WORKERS)" --dist worksteal
MVN := mvn -q -B -ntp
# Maven with the JDK that jobs/stack/java.py finds; that script says what to install when there is none.
WITH_JDK = home="$$($(PYTHON) jobs/stack/java.py)" && JAVA_HOME="$$home"

.PHONY: help setup tools demo test test-quick test-python test-java test-stack test-long check audit review fix lock bench bench-rules bench-models bench-faults chaos soak golden mutation mechanisms up down clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

setup: $(VENV_READY) $(KAFKA_READY) $(BRIDGE_JAR) ## Install everything: virtual environment, Kafka, the bridge's jar

demo: setup ## Play shop traffic on the whole stack and show segments live (EVENTS=file MAPPING=name for your own)
	@$(BIN)/segments demo $(if $(EVENTS),--events "$(EVENTS)") $(if $(MAPPING),--mapping "$(MAPPING)")

test: ## Run all tests: Python, then Java, then those on the real Kafka, Redis and Flink
	@$(MAKE) test-python
	@$(MAKE) test-java
	@$(MAKE) test-stack

test-quick: $(VENV_READY) ## The inner loop: most tests that need no servers, with a quarter of the random examples, on all cores
	@HYPOTHESIS_PROFILE="$${HYPOTHESIS_PROFILE:-brief}" $(PYTEST) -m "not stack and not slow"

test-python: $(VENV_READY) ## Run all tests that need no servers, on all cores
	@$(PYTEST) -m "not stack"

test-java: tools ## Run the bridge's JUnit tests
	@$(if $(BRIDGE_POM),$(WITH_JDK) $(MVN) -f jobs/bridge/pom.xml test,echo "no bridge to test")

test-stack: setup ## Run the tests on the real Kafka, Redis and Flink, on two stacks side by side
	@$(BIN)/python -m pytest tests/stack -m "stack and not long" -n "$(STACKS)" --dist loadfile --no-loadscope-reorder

test-long: setup ## Run the tests on the stack that take a minute each and have a shorter one beside them
	@$(BIN)/python -m pytest tests/stack -m "stack and long"

check: $(VENV_READY) ## Check style, formatting, types, import directions, dependencies; validate and lint the shipped definitions
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tools.dependencies check
	@if [ -f conf/segments.yaml ]; then $(BIN)/segments validate conf/segments.yaml && $(BIN)/segments lint conf/segments.yaml; fi

audit: $(VENV_READY) ## Ask for known vulnerabilities of all that is locked (needs the network)
	@$(BIN)/python -m pip_audit --strict --disable-pip --require-hashes -r requirements-dev.lock

review: $(VENV_READY) ## Note in tools/reviewed.tsv that changed dependencies were looked at (ADVISORIES='none known' after make audit)
	@$(BIN)/python -m tools.dependencies review $(if $(ADVISORIES),--advisories "$(ADVISORIES)")

fix: $(VENV_READY) ## Format the code and mend what ruff can mend by itself
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: $(VENV_READY) ## Resolve the dependencies anew into the lock files
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes pyproject.toml --extra s3 -o requirements.lock
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes pyproject.toml --all-extras \
	  -c requirements.lock -o requirements-dev.lock

bench: setup ## Measure everything and write benchmarks/report.json (QUICK=1: six minutes, on less data)
	@$(BIN)/python -m benchmarks $(if $(QUICK),--quick)

bench-rules: setup ## Measure releases, previews, disorder and thresholds into the same report (QUICK=1: on less data)
	@$(BIN)/python -m benchmarks --suite rules $(if $(QUICK),--quick)

bench-faults: setup ## Measure kills under load and recovery into the same report (QUICK=1: fewer and on less data)
	@$(BIN)/python -m benchmarks --suite faults $(if $(QUICK),--quick)

chaos: setup ## Break the running job at random and compare all it wrote with a replay (SEED=, FAULTS=, RATE=)
	@$(BIN)/python -m benchmarks.faults $(if $(SEED),--seed $(SEED)) $(if $(FAULTS),--faults $(FAULTS)) $(if $(RATE),--rate $(RATE))

soak: setup ## Run the job under a steady load for an hour and fit a line through its memory (MINUTES=, RATE=)
	@$(BIN)/python -m benchmarks.faults.soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(RATE),--rate $(RATE))

golden: setup ## Keep a savepoint of this version for the tests, in tests/golden/ (at a release)
	@$(BIN)/python -m tests.golden.golden

bench-models: setup ## Measure models into the same report: ROC-AUC, equality of features, ONNX, drift (QUICK=1: on less data)
	@$(BIN)/python -m benchmarks --suite models $(if $(QUICK),--quick)

mutation: $(VENV_READY) ## Break conditions and features in small ways and count what the tests notice (12 minutes on one core)
	@$(BIN)/python -m benchmarks.mutation

mechanisms: $(VENV_READY) ## Switch off, one by one, what keeps anything from being lost or doubled: a test must fail each time (8 minutes)
	@$(BIN)/python -m tools.mechanisms

up: setup ## Start Kafka, Redis and Flink on this machine
	@$(BIN)/python -m jobs.stack up

down: ## End what `make up` started
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m jobs.stack down; fi

clean: ## End a running stack and remove all that was installed or built
	@$(MAKE) down
	rm -rf .venv .local jobs/bridge/target build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache mutants

tools:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install Python 3.11, or pass PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v == (3, 11) else f"Python 3.11 is needed, $(PYTHON) is {v[0]}.{v[1]}: pass PYTHON=/path/to/python3.11")'
	@command -v mvn >/dev/null || { echo "mvn not found: install Maven 3.8 or newer (Debian, Ubuntu: apt-get install maven)" >&2; exit 1; }
	@$(PYTHON) jobs/stack/java.py >/dev/null

$(VENV_READY): requirements-dev.lock pyproject.toml | tools
	@echo "setup: virtual environment and locked dependencies"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip sync -q --python $(BIN)/python requirements-dev.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(KAFKA_READY): jobs/stack/kafka/pom.xml | tools
	@echo "setup: Kafka broker"
	@rm -rf $(@D)
	@$(WITH_JDK) $(MVN) -f $< dependency:copy-dependencies -DoutputDirectory="$(CURDIR)/$(@D)"
	@touch $@

jobs/bridge/target/flink-segments-bridge.jar: $(BRIDGE_POM) $(BRIDGE_SOURCES) | tools
	@echo "setup: bridge between Flink and Python"
	@$(WITH_JDK) $(MVN) -f jobs/bridge/pom.xml -DskipTests package
	@touch $@
