# What a newcomer needs: run, test, demo. What an engineer needs besides: api, bench, package, lock.

PYTHON ?= python3
PORT ?= 3000
STATE_DIR ?= .local
BIN := .venv/bin
export PYTHONPATH := layers/weconnect:functions:.
export PORT STATE_DIR

PIP := -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps

.PHONY: run demo test soak lint unit validate api openapi bench package lock clean

run: .venv/run.stamp .venv-ministack/stamp  ## serve everything on 127.0.0.1
	@$(BIN)/python -m infra.local

demo: .venv/run.stamp .venv-ministack/stamp  ## the main job end to end, on a host of its own unless URL is given
	@$(BIN)/python -m infra.local.tour $(URL)

test: lint unit validate  ## all that CI runs

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

SLOW := tests/host tests/integration tests/e2e
unit: .venv/test.stamp .venv-ministack/stamp .venv-sam/stamp  ## TESTS=tests/agents runs some of it
ifdef TESTS
	$(BIN)/python -m pytest $(TESTS)
else
	$(BIN)/python -m pytest -n 2 --dist loadfile $(foreach folder,$(SLOW),--ignore $(folder))
	$(BIN)/python -m pytest -n 2 --dist loadfile $(SLOW)
endif

LONG := tests/e2e/test_kills.py tests/e2e/test_workflow_kills.py tests/executions/test_invariants.py \
  tests/api/test_bad_input.py tests/agents/test_memory_context.py
soak: .venv/test.stamp .venv-ministack/stamp  ## what takes longer: all kills of the local host, more random runs
	SOAK=1 SEED=$${SEED:-$$(date +%s)} $(BIN)/python -m pytest -s $(LONG)

validate: .venv-sam/stamp
	AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0 .venv-sam/bin/sam validate --lint

api: .venv/run.stamp  ## write infra/api.yaml and the OpenAPI document from the routes
	$(BIN)/python -m infra.make_api

openapi: api
	mkdir -p build && cp layers/weconnect/weconnect/api/openapi.json build/openapi.json

bench: .venv/test.stamp .venv-ministack/stamp  ## ratios within one run, each with its baseline
	$(BIN)/python -m tests.bench

package: .venv-sam/stamp  ## what `sam deploy` uploads; needs a python3.13 on the PATH
	SAM_CLI_TELEMETRY=0 .venv-sam/bin/sam build

lock:  ## resolve the pins anew
	$(PYTHON) -m venv build/lock && build/lock/bin/pip install --quiet uv
	for name in layers/deps/requirements layers/models/requirements infra/local/requirements infra/local/ministack \
	  infra/sam/requirements tests/requirements; do \
	  build/lock/bin/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-header \
	    --no-annotate --no-emit-index-url --no-emit-find-links --override infra/local/overrides.txt \
	    $$name.in -o $$name.txt; done

clean:
	rm -rf .venv .venv-* .local build .aws-sam

.venv/run.stamp: layers/deps/requirements.txt layers/models/requirements.txt infra/local/requirements.txt
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

.venv-sam/stamp: infra/sam/requirements.txt
	$(PYTHON) -m venv .venv-sam
	.venv-sam/bin/python $(PIP) -r $<
	touch $@
