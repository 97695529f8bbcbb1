# Every command that CI runs, and the two of the README: `make run` and `make test`. `make help` lists them.

# The first Python on PATH that runs and is 3.11 or newer; a version manager's shim may exist and not run.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3.14 python3 python; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$p"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
DATA ?=
export PATH := $(CURDIR)/$(BIN):$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
export DVC_NO_ANALYTICS := 1

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-16s %s\n", $$1, $$2 }'

.PHONY: run
run: $(VENV)/.run ## get the data, retrain, judge, register, export; DATA=file.csv names the data, DATA=sample needs none
	@pipeline retrain $(if $(DATA),--data '$(DATA)')

.PHONY: test
test: $(VENV)/.dev ## run the tests
	@pytest -n 2 --dist loadgroup

.PHONY: check
check: $(VENV)/.dev ## format, lint, types, import rules
	@ruff format --check .
	@ruff check .
	@mypy
	@lint-imports --no-logo 2>/dev/null || lint-imports
	@pipeline docs --check

.PHONY: format
format: $(VENV)/.dev ## mend what the formatter and the linter can
	@ruff format .
	@ruff check --fix .

.PHONY: repro
repro: $(VENV)/.run ## prove that code and data make the committed dvc.lock, byte for byte
	@dvc repro --force --no-run-cache
	@git diff --exit-code dvc.lock

.PHONY: reproduce
reproduce: $(VENV)/.run ## run the flow twice, with other hash seeds and cores, and compare every file
	@pipeline reproduce

.PHONY: report
report: $(VENV)/.run ## draw the figures and write the model card from the reports
	@pipeline report

.PHONY: lock
lock: $(VENV)/.uv ## resolve requirements/*.in anew into locked files with hashes
	@for name in bootstrap requirements dev; do \
		$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
			--fork-strategy fewest --no-annotate --custom-compile-command 'make lock' \
			requirements/$$name.in -o requirements/$$name.txt; done

.PHONY: clean
clean: ## remove the environment and everything the tools cached; data, models and the registry stay
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.uv: requirements/bootstrap.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed (on Debian: apt install python3 python3-venv)"; exit 2; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $@

$(VENV)/.run: $(VENV)/.uv requirements/requirements.txt pyproject.toml
	@echo "Installing locked packages"
	@$(UV) pip install --python $(BIN)/python --require-hashes -r requirements/requirements.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@
