# `make help` lists the targets: what a newcomer needs first, then what an engineer needs besides.

PYTHON ?= python3
PORT ?= 3000
STATE_DIR ?= .local
BIN := .venv/bin
export PYTHONPATH := layers/weconnect:functions:.
export PORT STATE_DIR

PIP := -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps

.PHONY: help run demo test soak lint unit coverage validate api openapi cold-start bench package artefact lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: .venv/run.stamp .venv-ministack/stamp  ## serve everything on 127.0.0.1:$(PORT), with a demo to paste
	@$(BIN)/python -m infra.local

demo: .venv/run.stamp .venv-ministack/stamp  ## show the main job end to end; URL=… uses a host that is running
	@$(BIN)/python -m infra.local.demo_tour $(URL)

test: lint unit validate  ## run all tests

lint: .venv/test.stamp  ## ruff, mypy, the direction of imports, the language of the code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m infra.lint_language

ARTEFACT := build/artefact
SLOW := tests/host tests/integration tests/e2e
FAST := -n 2 --dist loadfile $(foreach folder,$(SLOW) tests/artefact,--ignore $(folder))
unit: .venv/test.stamp .venv-ministack/stamp .venv-sam/stamp  ## run the tests; TESTS=tests/agents runs some of them
ifdef TESTS
	$(BIN)/python -m pytest $(TESTS)
else
	rm -rf build/aws-calls
	$(BIN)/python -m pytest $(FAST)
	$(BIN)/python -m tests.role_recorder  # fails with what roles allow and nothing used
	$(BIN)/python -m pytest -n 3 --dist loadfile $(SLOW)  # they mostly wait
endif

COVERED_PERCENT := 94
coverage: .venv/test.stamp  ## run the fast tests and print the branch coverage, which has a floor
	$(BIN)/python -m pytest $(FAST) --cov --cov-report=
	$(BIN)/coverage report --fail-under=$(COVERED_PERCENT)

LONG := tests/e2e/test_agent_kills.py tests/e2e/test_workflow_kills.py tests/e2e/test_started_workflows.py \
  tests/e2e/test_noisy_tenant.py \
  tests/executions/test_invariants.py tests/api/test_random_input.py tests/agents/test_memory_context.py \
  tests/agents/test_memory_decisions.py tests/agents/test_suspended_execution_races.py \
  tests/executions/test_concurrency.py tests/executions/test_run_workflow.py tests/jobs/test_jobs.py \
  tests/workflows/test_n8n_expressions.py
soak: .venv/test.stamp .venv-ministack/stamp  ## run what takes longer: kills of the local host, random executions
	SOAK=1 SEED=$${SEED:-$$(date +%s)} $(BIN)/python -m pytest -s $(LONG)

validate: .venv-sam/stamp  ## validate template.yaml
	AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0 .venv-sam/bin/sam validate --lint

api: .venv/run.stamp  ## write what is generated from code and manifests: template, gateway, documents, index
	$(BIN)/python -m infra.manifests  # first: the code reads the index
	$(BIN)/python -m infra.make_api

openapi: api  ## copy the OpenAPI document to build/
	mkdir -p build && cp layers/weconnect/weconnect/api/openapi.json build/openapi.json

cold-start: .venv/run.stamp  ## write docs/cold-start.md: imports within functions, with their milliseconds
	$(BIN)/python -m infra.list_lazy_imports

bench: .venv/test.stamp .venv-ministack/stamp  ## print ratios within one run, each with its baseline
	$(BIN)/python -m tests.bench

# The python3.13 of the PATH, or the newest that pyenv has.
LAMBDA_PYTHON = $(shell python3.13 -c 'import sys; print(sys.executable)' 2>/dev/null || \
  PYENV_VERSION=$$(pyenv latest 3.13 2>/dev/null) python3.13 -c 'import sys; print(sys.executable)' 2>/dev/null)
artefact: .venv/test.stamp .venv-ministack/stamp .venv-sam/stamp .venv-lambda/stamp  ## build what is deployed, for this machine, and run it
	rm -rf $(ARTEFACT)
	PATH="$(dir $(LAMBDA_PYTHON)):$$PATH" MACHINE=$$(uname -m) SAM_CLI_TELEMETRY=0 .venv-sam/bin/sam build \
	  --no-cached --build-dir $(ARTEFACT)
	ARTEFACT=$(abspath $(ARTEFACT)) LAMBDA_PYTHON=$(abspath .venv-lambda/bin/python) \
	  $(BIN)/python -m pytest tests/artefact

package: .venv-sam/stamp  ## build what `sam deploy` uploads; needs a python3.13 on the PATH
	SAM_CLI_TELEMETRY=0 .venv-sam/bin/sam build

lock:  ## resolve the pins again
	$(PYTHON) -m venv build/lock && build/lock/bin/pip install --quiet uv
	for name in layers/deps/requirements layers/stripe/requirements layers/models/requirements infra/local/requirements infra/local/ministack \
	  infra/sam/requirements tests/requirements tests/artefact/requirements; do \
	  build/lock/bin/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-header \
	    --no-annotate --no-emit-index-url --no-emit-find-links --override infra/local/overrides.txt \
	    $$name.in -o $$name.txt; done

clean:  ## remove environments, state and build output
	rm -rf .venv .venv-* .local build .aws-sam

.venv/run.stamp: layers/deps/requirements.txt layers/stripe/requirements.txt layers/models/requirements.txt infra/local/requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python $(PIP) $(foreach file,$^,-r $(file))
	touch $@

.venv/test.stamp: .venv/run.stamp tests/requirements.txt
	$(BIN)/python $(PIP) -r tests/requirements.txt
	touch $@

.venv-ministack/stamp: infra/local/ministack.txt
	$(PYTHON) -m venv .venv-ministack
	.venv-ministack/bin/python $(PIP) -r $<
	touch $@

.venv-lambda/stamp: tests/artefact/requirements.txt
	@test -n "$(LAMBDA_PYTHON)" || { echo "python3.13, the Python of the functions, is not installed."; exit 1; }
	$(LAMBDA_PYTHON) -m venv .venv-lambda
	.venv-lambda/bin/python $(PIP) -r $<
	touch $@

.venv-sam/stamp: infra/sam/requirements.txt
	$(PYTHON) -m venv .venv-sam
	.venv-sam/bin/python $(PIP) -r $<
	touch $@
