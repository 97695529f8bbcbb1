# Every command that CI runs, and the two of the README: `make run` and `make test`. `make help` lists them.

# The first Python on PATH that runs and is 3.11 or newer; a version manager's shim may exist and not run.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3.14 python3 python; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$p"; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
# What a person gives reaches the shell as a variable, never as a piece of the command.
export DATA ?=
export AGAINST ?=
export VERSION ?=
TOOLS := .tools
# x86_64, or arm64 for Graviton.
ARCH ?= x86_64
# Telemetry off; the variable that names the region is asked for even by what needs no AWS.
SAM := SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=$(or $(AWS_DEFAULT_REGION),eu-central-1) ARCH=$(ARCH) $(TOOLS)/sam/bin/sam
# Lambda's Python: one on PATH or of a version manager that runs, else uv fetches it.
LAMBDA_VERSION := 3.13
LAMBDA_PYTHON = $(shell for p in python$(LAMBDA_VERSION) $(or $(PYENV_ROOT),$(HOME)/.pyenv)/versions/$(LAMBDA_VERSION).*/bin/python$(LAMBDA_VERSION); do \
	"$$p" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' >/dev/null 2>&1 && { command -v "$$p"; break; }; done)
export PATH := $(abspath $(BIN)):$(PATH)
# What the model is made of, by git; retrain.yml waits for the same.
CHANGES_MODEL := data dvc.lock dvc.yaml lambda_api/bins.py lambda_api/contract.py lambda_api/model.py params.yaml \
	pipeline/data pipeline/files.py pipeline/intervals.py pipeline/model pipeline/params.py requirements/requirements.txt
BASE ?= origin/main
export MLFLOW_DISABLE_TELEMETRY := true
export DVC_NO_ANALYTICS := 1
# Importing MLflow without its bytecode kept takes longer than training.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-16s %s\n", $$1, $$2 }'

.PHONY: run
run: $(VENV)/.run ## get the data, retrain, judge, register, export; DATA=file.csv names the data, DATA=sample needs none
	@pipeline retrain $(if $(DATA),--data "$$DATA")

.PHONY: test
test: test-tools ## run the tests, but for those with act, and install what they need
	@pytest -n 2 --dist loadgroup --no-act

.PHONY: test-fast
test-fast: $(VENV)/.dev ## run the tests that need no trained model, registry, server, browser or runtime: a minute
	@pytest -n 2 --dist loadgroup --fast

.PHONY: test-documents
test-documents: $(VENV)/.dev ## run the tests of the documents alone
	@pytest -n 2 --dist loadgroup tests/docs

# What cannot be had, the last lines of the tests name; they fail for it where CI is true.
.PHONY: test-tools
test-tools: $(VENV)/.dev
	-@$(MAKE) --no-print-directory --keep-going $(TOOLS)/.done chromium

.PHONY: chromium
chromium: $(VENV)/.dev
	@for name in chromium chromium-browser google-chrome chrome; do command -v $$name >/dev/null && exit 0; done; \
	echo "Installing Chromium"; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; \
	then apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	else $(BIN)/playwright install --with-deps chromium >/dev/null; fi

.PHONY: check
check: $(VENV)/.dev lint-stack lint-workflows ## format, lint, types, import rules, the stack's templates, workflows
	@ruff format --check .
	@ruff check .
	@mypy
	@lint-imports --no-logo 2>/dev/null || lint-imports
	@pipeline docs --check

.PHONY: lint-stack
lint-stack: $(VENV)/.dev ## lint what CloudFormation makes: types, properties, references, actions of IAM
	@cfn-lint template.yaml infra/bootstrap.yaml

.PHONY: lint-workflows
lint-workflows: $(TOOLS)/.workflows ## lint what runs on GitHub: schemas, and every safety audit of zizmor
	@$(TOOLS)/workflows/bin/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(TOOLS)/workflows/bin/check-jsonschema --quiet --builtin-schema vendor.github-actions .github/actions/*/action.yml
	@$(TOOLS)/workflows/bin/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	@$(TOOLS)/workflows/bin/zizmor --offline --persona=auditor --quiet --no-progress .github

.PHONY: test-workflows
test-workflows: $(VENV)/.dev $(TOOLS)/.done $(TOOLS)/.workflows ## run the workflows themselves on this machine, with act
	@pytest -n 2 --dist loadgroup tests/workflows

.PHONY: changes-model
changes-model: ## say true if anything that makes the model differs from where this branch left BASE
	@git diff --quiet "$$(git merge-base '$(BASE)' HEAD)" HEAD -- $(CHANGES_MODEL) && echo false || echo true

.PHONY: changes-code
changes-code: ## say true if anything but documents differs from where this branch left BASE
	@git diff --quiet "$$(git merge-base '$(BASE)' HEAD)" HEAD -- . ':(exclude,glob)**/*.md' && echo false || echo true

.PHONY: setup
setup: $(VENV)/.dev ## install everything, locked, into the environment

.PHONY: setup-github
setup-github: $(VENV)/.github ## install only what talks to GitHub, into the environment

.PHONY: bin
bin: ## say where the environment's commands are
	@echo '$(abspath $(BIN))'

.PHONY: format
format: $(VENV)/.dev ## mend what the formatter and the linter can
	@ruff format .
	@ruff check --fix .

.PHONY: repro
repro: $(VENV)/.run ## prove that code and data make the committed dvc.lock, byte for byte
	@dvc repro --force --no-run-cache
	@git diff --exit-code dvc.lock

.PHONY: reproduce
reproduce: $(VENV)/.run ## run the flow twice, under other conditions, and compare every file
	@pipeline reproduce

.PHONY: report
report: $(VENV)/.run ## draw the figures, write the model card, and show what changed; AGAINST=REV compares with a commit
	@pipeline report
	@pipeline report --against "$${AGAINST:-auto}"

.PHONY: serve
serve: $(VENV)/.run ## serve the champion on http://127.0.0.1:8000, reloading when lambda_api changes
	@pipeline package --or-sample
	@OBESITY_MODEL_DIR=build/model uvicorn --factory lambda_api.app:start --host 127.0.0.1 --port $(or $(PORT),8000) \
		--reload --reload-dir lambda_api

.PHONY: package
package: $(VENV)/.run $(TOOLS)/.done ## build the Lambda function of the champion, or of VERSION, into .aws-sam/build; ARCH=arm64 for Graviton
	@pipeline package $(if $(VERSION),--version "$$VERSION")
	@MODEL=build/model $(SAM) build --parameter-overrides Architecture=$(ARCH)

.PHONY: lambda
lambda: $(VENV)/.run $(TOOLS)/.done ## serve the built function in Lambda's own runtime on http://127.0.0.1:3000
	@pipeline package --or-sample
	@MODEL=build/model $(SAM) build --parameter-overrides Architecture=$(ARCH)
	@pipeline emulate --port $(or $(PORT),3000)

.PHONY: deploy
deploy: $(VENV)/.run $(TOOLS)/.done ## put the champion in front of users: STAGE=dev, staging or prod; needs an AWS account
	@pipeline deploy --stage "$(or $(STAGE),dev)"

.PHONY: bootstrap
bootstrap: $(VENV)/.run $(TOOLS)/.done ## once: the bucket and the roles that GitHub takes; REPOSITORY=owner/name
	@pipeline bootstrap $(if $(REPOSITORY),--repository "$(REPOSITORY)")

.PHONY: tools
tools: $(TOOLS)/.done ## install the SAM command line and Lambda's runtime client, apart from everything else

.PHONY: openapi
openapi: $(VENV)/.run ## write docs/openapi.json from the code
	@pipeline openapi

.PHONY: bench
bench: $(VENV)/.dev $(TOOLS)/.done ## measure the service beside what people do instead; writes docs/benchmarks.md
	@python -m benchmarks.serving

.PHONY: scale
scale: $(VENV)/.dev $(TOOLS)/.done ## measure the function by memory and what it costs; writes docs/scale.md (root, on Linux)
	@python -m benchmarks.scaling

.PHONY: lock
lock: $(VENV)/.uv ## resolve requirements/*.in anew into locked files with hashes; OLDER_THAN="7 days" leaves out newer versions
	@for name in requirements/bootstrap requirements/requirements requirements/github requirements/dev requirements/sam \
			requirements/lambda requirements/workflows lambda_api/requirements; do \
		$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
			$(if $(OLDER_THAN),--upgrade --exclude-newer "$(OLDER_THAN)") \
			--fork-strategy fewest --no-annotate --custom-compile-command 'make lock' \
			$$name.in -o $$name.txt; done

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

$(TOOLS)/.done: $(VENV)/.uv requirements/sam.txt requirements/lambda.txt
	@echo "Installing the SAM command line and Lambda's runtime client"
	@$(UV) venv --quiet --clear --python $(BIN)/python $(TOOLS)/sam
	@$(UV) pip install --quiet --python $(TOOLS)/sam/bin/python --require-hashes -r requirements/sam.txt
	@$(UV) venv --quiet --clear --python $(or $(LAMBDA_PYTHON),$(LAMBDA_VERSION)) $(TOOLS)/lambda
	@$(UV) pip install --quiet --python $(TOOLS)/lambda/bin/python --require-hashes -r requirements/lambda.txt
	@touch $@

$(TOOLS)/.workflows: $(VENV)/.uv requirements/workflows.txt
	@echo "Installing what lints and runs the workflows"
	@$(UV) venv --quiet --clear --python $(BIN)/python $(TOOLS)/workflows
	@$(UV) pip install --quiet --python $(TOOLS)/workflows/bin/python --require-hashes -r requirements/workflows.txt
	@touch $@

$(VENV)/.run: $(VENV)/.uv requirements/requirements.txt pyproject.toml
	@echo "Installing some 180 locked packages: half a minute with a fast network"
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/requirements.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.github: $(VENV)/.uv requirements/github.txt pyproject.toml
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/github.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@
