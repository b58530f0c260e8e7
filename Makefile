# Every task of the project. The first word of each is a target; `make` alone lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NODE_MODULES := node_modules/.package-lock.json
CLIENT_TYPESCRIPT := clients/typescript
SPEC := spec/token-api.openapi.yaml
SOURCES := app benchmarks clients/python deploy examples tests tools
PROJECT_VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

HOST ?= 127.0.0.1
PORT ?= 7071
SEED ?= 1
PYTHONS ?= 3.11 3.12 3.13 3.14
BEFORE ?=
MINUTES ?= 5
DIST ?= dist
SITE ?= $(DIST)/docs
SITE_MODULES := tools/site/node_modules/.package-lock.json
AZURE_PYTHON ?= $(BIN)/python
SHIPPED ?= requirements.lock
# Has nothing but what that lock file names; each lock file makes it anew.
SHIPPED_ENV := .cache/shipped/.$(subst /,-,$(SHIPPED))

# What builds the image, and on what; empty: the first engine that is here, and the Dockerfile's own base.
ENGINE ?= $(firstword $(foreach engine,docker podman buildah,$(shell command -v $(engine))))
BASE ?=
IMAGE ?= livekit-token-api:$(PROJECT_VERSION)

OASDIFF_VERSION := v1.36.0
OASDIFF := .cache/oasdiff/$(OASDIFF_VERSION)/oasdiff
CONTRACT_VERSIONS := $(BIN)/python -m tools.contract_versions --oasdiff $(OASDIFF)
ACTIONLINT_VERSION := v1.7.12
ACTIONLINT := .cache/actionlint/$(ACTIONLINT_VERSION)/actionlint

# Renovate reads in the head of a lock file how it was made, and knows no other options: what it shall keep has a head.
LOCK := $(BIN)/uv pip compile --quiet --upgrade --generate-hashes
LOCK_WITHOUT_HEAD := $(LOCK) --no-emit-index-url --no-header

# So that `.venv/bin/python -m app` runs in any directory.
export FROM_ANYWHERE = import pathlib, site; \
	pathlib.Path(site.getsitepackages()[0], "livekit-token-api.pth").write_text("$(CURDIR)")

.DEFAULT_GOAL := help
.PHONY: $(shell sed -nE 's/^([a-z0-9-]+):.*## .*/\1/p' $(MAKEFILE_LIST))

help:  ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' \
		| awk -F '\t' '{ printf "  %-19s %s\n", $$1, $$2 }'

install: $(BIN)/.dev  ## Create .venv with everything that development needs

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

mock: $(BIN)/.run  ## Answer from the contract's examples: the service, but nothing is signed
	@export HOST='$(HOST)' PORT='$(PORT)' VALIDATE_RESPONSES=true; exec $(BIN)/python -m tools.mock

wheel: $(BIN)/.dev  ## Build dist/livekit_token_api-….whl, which carries the contract
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir $(DIST) .

image:  ## Build the container image; needs Docker, Podman or Buildah: ENGINE=podman; BASE=IMAGE is what it is built on
	@[ -n '$(ENGINE)' ] || { echo 'Docker, Podman or Buildah is needed; set ENGINE.'; exit 1; }
	$(ENGINE) build $(if $(filter docker,$(notdir $(ENGINE))),,--format docker) --file deploy/container/Dockerfile \
		$(if $(BASE),--build-arg BASE=$(BASE)) --build-arg VERSION=$(PROJECT_VERSION) \
		--build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown) --tag $(IMAGE) $(BUILD_FLAGS) .

azure-package: $(BIN)/.dev  ## Build dist/azure-functions-….zip, for the Python of AZURE_PYTHON
	$(BIN)/python deploy/azure-functions/package.py --python $(AZURE_PYTHON) --into $(DIST)

clients: clients-typescript clients-python  ## Make anew what of the clients is generated from the contract, and build their packages

clients-python: $(BIN)/.dev  ## Make the Python client's types anew, and build dist/livekit_token_api_client-….whl
	cd clients/python && $(CURDIR)/$(BIN)/datamodel-codegen
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir $(DIST) clients/python

clients-typescript: $(CLIENT_TYPESCRIPT)/$(NODE_MODULES)  ## Make the TypeScript client's types and version anew, and build dist/livekit-token-api-client-….tgz; needs Node
	@mkdir -p $(DIST)
	cd $(CLIENT_TYPESCRIPT) && npm run --silent schema \
		&& npm version --silent --no-git-tag-version --allow-same-version $(PROJECT_VERSION) \
		&& npm pack --silent --pack-destination $(abspath $(DIST))

# Redoc's page would send for its maker's logo: the name stands for it.
REDOCLY := data:image/svg+xml,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22 width=%2246%22 height=%2212%22%3E%3Ctext \
	y=%2210%22 font-size=%2211%22 font-family=%22sans-serif%22 fill=%22gray%22%3ERedocly%3C/text%3E%3C/svg%3E

docs: $(BIN)/.dev $(NODE_MODULES) $(SITE_MODULES)  ## Build a site of the guides and the contract into dist/docs; needs Node
	rm -rf $(SITE)
	$(BIN)/sphinx-build -b html -c tools/site -d .cache/doctrees -q -E -n -W --keep-going . $(SITE)
	REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true npm run --silent reference -- --output .cache/reference.html
	sed -E 's#https://cdn\.redoc\.ly/redoc/logo-[a-z-]+\.svg#$(REDOCLY)#g' .cache/reference.html > $(SITE)/reference.html

sbom: $(BIN)/.dev $(SHIPPED_ENV)  ## Write into dist/ which packages ship, and their licences, all of which must be allowed
	@mkdir -p $(DIST)
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--output-file $(DIST)/livekit-token-api.cdx.json .cache/shipped
	$(BIN)/pip-licenses --python .cache/shipped/bin/python --output-file $(DIST)/licences.txt

# The lock files of a name, wherever they are; packages have some of their own.
locked = $(filter-out node_modules/%,$(foreach name,$(1),$(wildcard $(name) */$(name) */*/$(name) */*/*/$(name))))

audit: $(BIN)/.dev  ## Look for known vulnerabilities in what the lock files name; asks OSV and npm
	$(BIN)/pip-audit --strict --disable-pip --require-hashes --progress-spinner off \
		--vulnerability-service osv $(if $(OSV_URL),--osv-url $(OSV_URL)) \
		$(addprefix --requirement ,$(call locked,*.lock requirements.txt)) \
		|| { echo 'Not audited, or vulnerable: the lines above say which.' >&2; exit 1; }
	@for lock in $(call locked,package-lock.json); do \
		echo "npm audit: $$lock"; npm audit --package-lock-only --prefix $$(dirname $$lock) || exit 1; \
	done

check: lint types spec-lint spec-diff docs coverage  ## All of it: what CI runs; needs Node, Go; skips tests that need what is not here

test: $(BIN)/.dev  ## Run the unit and contract tests, and those of the Python client
	$(BIN)/pytest tests/unit tests/contract clients/python/tests tests/test_log_secrecy.py

unit: $(BIN)/.dev  ## Run the unit tests
	$(BIN)/pytest tests/unit

contract: $(BIN)/.dev  ## Run the contract tests; SEED=random fuzzes with another seed, and prints it
	SCHEMATHESIS_SEED=$(SEED) $(BIN)/pytest -rP tests/contract tests/test_log_secrecy.py

processes: $(BIN)/.dev  ## Run the tests of signals, workers, pipes and files that change, with processes
	$(BIN)/pytest tests/processes tests/test_log_secrecy.py

e2e: $(BIN)/.dev $(NODE_MODULES)  ## Run the tests with real servers, clients, browsers, containers; docs/contribute.md has what they need
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

spec-diff: $(BIN)/.dev $(OASDIFF)  ## Tell what has changed in the contract since its last release, and if its version says so; needs Go
	$(CONTRACT_VERSIONS) check

workflows: $(BIN)/.dev $(ACTIONLINT)  ## Check what GitHub and Renovate are told to do; needs Go
	$(ACTIONLINT)
	$(BIN)/zizmor --offline --quiet --persona=pedantic .github
	$(BIN)/check-jsonschema --builtin-schema vendor.renovate renovate.json
	$(BIN)/pre-commit validate-config

kubernetes: $(BIN)/.dev  ## Have a real API server take the manifests; needs Go, which builds it in minutes, and etcd
	@exec $(BIN)/python -m tests.kubernetes

mutants: $(BIN)/.dev  ## Plant faults one at a time, and see each found by a test; takes minutes
	$(BIN)/python -m tests.mutants

soak: $(BIN)/.dev  ## Run the service for MINUTES under load, rotation, restarts, kills, overload, hostile bytes
	@exec $(BIN)/python -m tests.soak --minutes $(MINUTES)

bench: $(BIN)/.dev  ## Compare with peers, in ten minutes; needs Node, Go, wrk, two idle cores; BEFORE=COMMIT adds an older one
	$(BIN)/python -m benchmarks $(if $(BEFORE),--before $(BEFORE))

azure-cold-start: $(BIN)/.dev  ## Measure how long the function app takes to start; needs Python 3.11 and 3.13
	$(BIN)/python -m tests.e2e.azure

spec-changelog: $(BIN)/.dev $(OASDIFF)  ## Write spec/CHANGELOG.md anew; needs Go
	$(CONTRACT_VERSIONS) changelog

spec-release: $(BIN)/.dev $(OASDIFF)  ## Keep the contract in spec/released/ as the version that it is; needs Go
	$(CONTRACT_VERSIONS) release

version: $(BIN)/.dev  ## Write VERSION, or the next major, minor or patch one, wherever a version is written
	@echo '$(VERSION)' | grep -qE '^(major|minor|patch|[0-9]+\.[0-9]+\.[0-9]+)$$' \
		|| { echo 'Set VERSION to major, minor or patch, or to one like 1.2.0.' >&2; exit 1; }
	$(BIN)/bump-my-version bump $(if $(filter major minor patch,$(VERSION)),,--new-version) $(VERSION)

lock: $(BIN)/.dev  ## Take the newest versions that pyproject.toml allows into the lock files
	$(LOCK) --universal --output-file requirements.lock pyproject.toml
	$(LOCK) --universal --constraint requirements.lock --group dev --extra otel \
		--output-file requirements-dev.lock pyproject.toml
	$(LOCK_WITHOUT_HEAD) --universal --constraint requirements-dev.lock --extra otel \
		--output-file deploy/container/requirements.lock pyproject.toml
	echo hatchling | $(LOCK_WITHOUT_HEAD) --universal --constraint requirements-dev.lock \
		--output-file deploy/container/build.lock -
	$(LOCK_WITHOUT_HEAD) --universal --constraint requirements.lock \
		--output-file deploy/azure-functions/requirements.txt pyproject.toml deploy/azure-functions/requirements.in
	$(LOCK_WITHOUT_HEAD) --python-version 3.11 --constraint deploy/azure-functions/requirements.txt \
		--override tests/e2e/azure/grpc-worker.overrides \
		--output-file tests/e2e/azure/grpc-worker.txt tests/e2e/azure/grpc-worker.in
	$(LOCK_WITHOUT_HEAD) --python-version 3.13 --constraint deploy/azure-functions/requirements.txt \
		--output-file tests/e2e/azure/runtime-worker.txt tests/e2e/azure/runtime-worker.in
	$(LOCK_WITHOUT_HEAD) --python-version 3.11 \
		--output-file tests/e2e/azure/resource-models.txt tests/e2e/azure/resource-models.in
	$(LOCK_WITHOUT_HEAD) --universal --constraint requirements.lock \
		--output-file benchmarks/peers/python/requirements.txt benchmarks/peers/python/requirements.in
	$(LOCK_WITHOUT_HEAD) --python-version 3.11 \
		--output-file benchmarks/requirements.txt benchmarks/requirements.in

hooks: $(BIN)/.dev  ## Have git run the quick checks before each commit
	$(BIN)/pre-commit install

clean:  ## Remove what the targets have made
	cd $(CLIENT_TYPESCRIPT) && rm -rf LICENSE build dist node_modules recipes/build recipes/node_modules
	rm -rf $(VENV) .venv-* dist node_modules tools/site/node_modules .cache .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache .schemathesis

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

$(SHIPPED_ENV): $(SHIPPED) | $(BIN)/python
	$(BIN)/python -m venv --clear --without-pip .cache/shipped
	$(BIN)/python -m pip --python .cache/shipped install --quiet --require-hashes --requirement $(SHIPPED)
	@touch $@

$(NODE_MODULES): package-lock.json
	npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

$(CLIENT_TYPESCRIPT)/$(NODE_MODULES): $(CLIENT_TYPESCRIPT)/package-lock.json
	cd $(CLIENT_TYPESCRIPT) && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

$(SITE_MODULES): tools/site/package-lock.json
	npm ci --prefix tools/site --ignore-scripts --no-audit --no-fund
	@touch $@

$(OASDIFF):
	GOBIN=$(CURDIR)/$(@D) go install github.com/oasdiff/oasdiff@$(OASDIFF_VERSION)

$(ACTIONLINT):
	GOBIN=$(CURDIR)/$(@D) go install github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT_VERSION)
