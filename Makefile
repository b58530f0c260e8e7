# Every task of the project. The first word of each is a target; `make` alone lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NODE_MODULES := node_modules/.package-lock.json
SPEC := spec/token-api.openapi.yaml
SOURCES := app benchmarks deploy examples tests
SEED ?= 1
PYTHONS ?= 3.11 3.12 3.13 3.14
BEFORE ?=
AZURE_PYTHON ?= $(BIN)/python
MINUTES ?= 5

HOST ?= 127.0.0.1
PORT ?= 7071

# So that `.venv/bin/python -m app` runs in any directory.
export FROM_ANYWHERE = import pathlib, site; \
	pathlib.Path(site.getsitepackages()[0], "livekit-token-api.pth").write_text("$(CURDIR)")

# The contract of a deployment that asks nobody who they are, which Connexion's mock could not verify.
export ANONYMOUS = import datetime, json; from app.wire.contract import Contract; \
	from app.wire.deployment import as_deployed; \
	anonymous = lambda document: as_deployed(document, set(), datetime.timedelta(days=1)); \
	print(json.dumps(Contract.load(anonymous).document))

.DEFAULT_GOAL := help
.PHONY: $(shell sed -nE 's/^([a-z0-9-]+):.*## .*/\1/p' $(MAKEFILE_LIST))

help:  ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' \
		| awk -F '\t' '{ printf "  %-17s %s\n", $$1, $$2 }'

install: $(BIN)/.dev  ## Create .venv with everything that development needs

# Without credentials in the environment: those of `livekit-server --dev`.
run: $(BIN)/.run  ## Start the service with LiveKit's development credentials
	@printf '%s\n' '' 'The service listens on http://$(HOST):$(PORT); Ctrl-C stops it. Try:' '' \
		"  curl http://$(HOST):$(PORT)/api/token -H 'Content-Type: application/json' \\" \
		"    -d '{\"roomName\": \"my-room\", \"participantIdentity\": \"alice\"}'" '' \
		'or open http://$(HOST):$(PORT)/api/ui' ''
	@if [ -z "$${LIVEKIT_API_KEY+set}$${LIVEKIT_API_SECRET+set}" ]; then \
		export LIVEKIT_API_KEY=devkey LIVEKIT_API_SECRET=secret; \
	fi; \
	export HOST='$(HOST)' PORT='$(PORT)' LIVEKIT_URL="$${LIVEKIT_URL-ws://localhost:7880}"; \
	exec $(BIN)/python -m app

demo: $(BIN)/.dev $(NODE_MODULES)  ## Start LiveKit, the service and a page to try them with; AUTH=oidc: and who signs people in
	@exec $(BIN)/python -m examples.demo

mock: $(BIN)/.run  ## Answer from the contract's examples, without the service
	@mkdir -p .cache
	@$(BIN)/python -c "$$ANONYMOUS" > .cache/anonymous.openapi.json
	exec $(BIN)/connexion run .cache/anonymous.openapi.json --mock=all --host $(HOST) --port $(PORT)

wheel: $(BIN)/.dev  ## Build dist/livekit_token_api-….whl, which carries the contract
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

azure-package: $(BIN)/.dev  ## Build dist/azure-functions-….zip, for the Python of AZURE_PYTHON
	$(BIN)/python deploy/azure-functions/package.py --python $(AZURE_PYTHON)

azure-cold-start: $(BIN)/.dev  ## Measure how long the function app takes to start; needs Python 3.11 and 3.13
	$(BIN)/python -m tests.e2e.azure

test: $(BIN)/.dev  ## Run the unit and contract tests
	$(BIN)/pytest tests/unit tests/contract tests/test_log_secrecy.py

unit: $(BIN)/.dev  ## Run the unit tests
	$(BIN)/pytest tests/unit

contract: $(BIN)/.dev  ## Run the contract tests; SEED=random fuzzes with another seed, and prints it
	SCHEMATHESIS_SEED=$(SEED) $(BIN)/pytest -rP tests/contract tests/test_log_secrecy.py

processes: $(BIN)/.dev  ## Run the tests of signals, workers, pipes and files that change, with processes
	$(BIN)/pytest tests/processes tests/test_log_secrecy.py

e2e: $(BIN)/.dev $(NODE_MODULES)  ## Run the tests with a real LiveKit server, OpenID provider, browser, nginx, Redis and promtool; needs Go, Node, Chromium, nginx, Redis, promtool
	$(BIN)/pytest tests/e2e tests/test_log_secrecy.py

pythons: $(BIN)/.dev  ## Run the unit and contract tests under each Python of PYTHONS that is here
	@for version in $(PYTHONS); do \
		if python=$$($(BIN)/uv python find --system --no-project --no-python-downloads $$version 2>/dev/null); then \
			echo "Python $$version"; $(MAKE) --no-print-directory test PYTHON=$$python VENV=.venv-$$version || exit 1; \
		else \
			echo "Python $$version is not here: not tested"; \
		fi; \
	done

coverage: $(BIN)/.dev $(NODE_MODULES)  ## Run all tests, and measure what they cover of app/
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lint: $(BIN)/.dev  ## Check the code's style
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

format: $(BIN)/.dev  ## Mend what can be mended of the code's style
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

types: $(BIN)/.dev  ## Check the types
	$(BIN)/mypy

spec-lint: $(BIN)/.dev $(NODE_MODULES)  ## Check the contract; needs Node
	$(BIN)/openapi-spec-validator $(SPEC)
	REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true npm run --silent redocly
	npm run --silent spectral

check: lint types spec-lint coverage  ## All of it: what CI runs

mutants: $(BIN)/.dev  ## Plant faults one at a time, and see each found by a test; takes minutes
	$(BIN)/python -m tests.mutants

soak: $(BIN)/.dev  ## Run the service for MINUTES under load, rotation, restarts, kills, overload, hostile bytes
	@exec $(BIN)/python -m tests.soak --minutes $(MINUTES)

bench: $(BIN)/.dev  ## Compare with peers, in ten minutes; needs Node, Go, wrk, two idle cores; BEFORE=COMMIT adds an older one
	$(BIN)/python -m benchmarks $(if $(BEFORE),--before $(BEFORE))

lock: $(BIN)/.dev  ## Take the newest versions that pyproject.toml allows into the lock files
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-header \
		--output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-header \
		--constraint requirements.lock --group dev --extra otel --output-file requirements-dev.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-header \
		--constraint requirements.lock --output-file benchmarks/peers/python/requirements.txt benchmarks/peers/python/requirements.in
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 --output-file benchmarks/requirements.txt benchmarks/requirements.in
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-header \
		--constraint requirements.lock --output-file deploy/azure-functions/requirements.txt \
		pyproject.toml deploy/azure-functions/requirements.in
	$(BIN)/uv pip compile --quiet --upgrade --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--constraint deploy/azure-functions/requirements.txt --override tests/e2e/azure/grpc-worker.overrides \
		--output-file tests/e2e/azure/grpc-worker.txt tests/e2e/azure/grpc-worker.in
	$(BIN)/uv pip compile --quiet --upgrade --python-version 3.13 --generate-hashes --no-emit-index-url --no-header \
		--constraint deploy/azure-functions/requirements.txt \
		--output-file tests/e2e/azure/runtime-worker.txt tests/e2e/azure/runtime-worker.in
	$(BIN)/uv pip compile --quiet --upgrade --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--output-file tests/e2e/azure/resource-models.txt tests/e2e/azure/resource-models.in

clean:  ## Remove what the targets have made
	rm -rf $(VENV) .venv-* dist node_modules .cache .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache .schemathesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; set PYTHON." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(BIN)/.run: requirements.lock | $(BIN)/python
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -c "$$FROM_ANYWHERE"
	@touch $@

$(BIN)/.dev: requirements-dev.lock | $(BIN)/python
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements-dev.lock
	$(BIN)/python -c "$$FROM_ANYWHERE"
	@touch $@ $(BIN)/.run

$(NODE_MODULES): package-lock.json
	npm ci --ignore-scripts --no-audit --no-fund
	@touch $@
