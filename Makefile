# Every target does its own set-up in .venv; the stamps inside it make the second time quick.
# Nothing is installed outside the folder, except by `make setup-system`.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3.11 python3 python
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip --disable-pip-version-check --quiet

GOAL ?= What is 17 * 23?
LOG ?= playhead.db
WORKERS ?= 2
ARGS ?=

# What tests need from the system, as command:package. `make setup-system` installs what is missing.
SYSTEM := tmux:tmux chromium:chromium node:nodejs npm:npm git:git pg_ctlcluster:postgresql

# With a key or an endpoint of your own, `make run` leaves the local model (400 MB) out.
REMOTE := $(ANTHROPIC_API_KEY)$(ANTHROPIC_BASE_URL)
RUN_EXTRAS := $(if $(REMOTE),,[local])
RUN_READY := $(VENV)/ready-$(if $(REMOTE),remote,local)
DEV_READY := $(VENV)/ready-dev
BUILD_READY := $(VENV)/ready-build

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(DEV_READY) ## Install everything that a contributor needs into .venv

.PHONY: setup-system
setup-system: ## Install what some tests need from the system (apt, as root)
	@missing=; \
	for pair in $(SYSTEM); do \
	  command -v "$${pair%%:*}" >/dev/null || missing="$$missing $${pair#*:}"; \
	done; \
	if [ -z "$$missing" ]; then echo "system packages: all there"; exit 0; fi; \
	if ! command -v apt-get >/dev/null; then \
	  echo "setup-system: no apt-get here; install by hand:$$missing" >&2; exit 1; fi; \
	if [ "$$(id -u)" != 0 ]; then \
	  echo "setup-system: not root; run: sudo apt-get install -y$$missing" >&2; exit 1; fi; \
	apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null && \
	echo "system packages: installed$$missing"

NODE_READY := $(VENV)/ready-node
NODE_PACKAGES := @modelcontextprotocol/server-everything@2026.8.31 @modelcontextprotocol/server-memory@2026.8.31 \
  axe-core@4.14.1

.PHONY: setup-node
setup-node: $(NODE_READY) ## Install MCP servers and axe-core, which some tests use (npm, into .venv)

$(NODE_READY): $(BIN)/python
	@if command -v npm >/dev/null; then \
	  echo "installing MCP servers and axe-core of npm into $(VENV)/node"; \
	  npm install --silent --no-audit --no-fund --prefix $(VENV)/node $(NODE_PACKAGES) && touch $@; \
	else echo "no npm here: the tests of its MCP servers will be skipped (make setup-system)"; fi

CONFORMANCE := @modelcontextprotocol/conformance@0.2.0-alpha.12 node@22

.PHONY: conformance
conformance: $(DEV_READY) ## Run the MCP project's own suite against our client and our server (npm)
	@npm install --silent --no-audit --no-fund --prefix $(VENV)/conformance $(CONFORMANCE)
	$(BIN)/python -m tests.mcp.conformance $(VENV)/conformance

.PHONY: run
run: $(RUN_READY) ## Run an agent on a real model, then show and replay its log (GOAL="...")
	@$(BIN)/playhead run "$(GOAL)" --log "$(LOG)"
	@$(BIN)/playhead show last --log "$(LOG)"
	@$(BIN)/playhead replay last --log "$(LOG)"

.PHONY: test
test: $(DEV_READY) ## Run every test (ARGS="-k name" for some)
	$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

CHECKS := check-lint check-format check-mypy check-pyright check-house
.PHONY: check $(CHECKS)
check: $(CHECKS) ## Lint, formatting, types (mypy and pyright, strict), house rules, packaging
$(CHECKS): $(DEV_READY)
check-lint:
	$(BIN)/ruff check .
check-format:
	$(BIN)/ruff format --check .
check-mypy:
	$(BIN)/mypy
check-pyright:
	$(BIN)/basedpyright
check-house:
	$(BIN)/python -m pytest -q tests/house

.PHONY: format
format: $(DEV_READY) ## Format the code and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: bench
bench: $(DEV_READY) ## Measure against the raw SDK loop and raw SQLite (ARGS="--help")
	$(BIN)/python -m tests.bench $(ARGS)

VERSION := sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml

SIZE ?= ci
SEED ?= 0

.PHONY: campaign
campaign: $(DEV_READY) ## Try to break it: crashes, power cuts, kills, damage (SIZE=ci|full SEED=0 KEPT=file)
	$(BIN)/python -m tests.simulation.campaign --size $(SIZE) --seed $(SEED) \
	  $(if $(filter full,$(SIZE)),--page docs/campaign.md) $(if $(KEPT),--kept $(KEPT))

.PHONY: kills
kills: $(DEV_READY) ## Kill real processes around `once` and `keyed` tools (KILLS=200 SEED=0)
	$(BIN)/python -m tests.crash.kills --kills $(or $(KILLS),200) --first $(SEED)

.PHONY: full-disk
full-disk: $(DEV_READY) ## Fill a real disk, and lower the file-size limit, under 30 runs (TIMES=50 SEED=0)
	$(BIN)/python -m tests.crash.full_disk --times $(or $(TIMES),50) --first $(SEED)

.PHONY: screenshots
screenshots: $(DEV_READY) ## Draw the inspector for the docs: 1280 and 390 pixels, dark (needs Chromium)
	$(BIN)/python -m tests.inspector.screenshots $(ARGS)

JAEGER := github.com/jaegertracing/jaeger
JAEGER_VERSION := v1.76.0

.PHONY: jaeger
jaeger: artifacts/jaeger/jaeger ## Build a real Jaeger for one test (needs Go; minutes)
# Its go.mod replaces modules, which `go install` refuses: so it is built in a copy of its own.
artifacts/jaeger/jaeger:
	@command -v go >/dev/null || { echo "make jaeger: no Go toolchain here" >&2; exit 1; }
	@mkdir -p $(@D) && rm -rf $(@D)/source
	@dir=$$(cd $(@D) && go mod download -json $(JAEGER)@$(JAEGER_VERSION) | \
	  sed -n 's/^[[:space:]]*"Dir": "\(.*\)",*$$/\1/p') && \
	cp -R "$$dir" $(@D)/source && chmod -R u+w $(@D)/source
	cd $(@D)/source && CGO_ENABLED=0 go build -o ../jaeger ./cmd/all-in-one
	@rm -rf $(@D)/source
	@echo "Jaeger $(JAEGER_VERSION): $@"

KEPT_RUNS := $(VENV)/kept-runs
.PHONY: replay-all
replay-all: $(DEV_READY) ## Replay every run that the tests produce, elsewhere, sockets forbidden
	rm -rf $(KEPT_RUNS)
	$(BIN)/python -m pytest -q -n $(WORKERS) -p tests.replay.keep --keep-runs $(abspath $(KEPT_RUNS)) \
	  $(or $(ARGS),tests)
	$(BIN)/python -m tests.replay.again $(KEPT_RUNS)

.PHONY: golden
golden: $(DEV_READY) ## Make this version's golden logs anew (by hand; after its release never)
	$(BIN)/python -m tests.golden.make

.PHONY: coverage
coverage: $(DEV_READY) ## Run the tests and say which lines and branches none of them reaches
	$(BIN)/coverage run -m pytest $(ARGS)
	$(BIN)/coverage report

.PHONY: build
build: $(BUILD_READY) ## Build the sdist, and the wheel from it, into dist/
	$(BIN)/python -c "from setuptools.build_meta import build_sdist; build_sdist('dist')" >/dev/null
	$(PIP) wheel --no-deps --no-build-isolation --wheel-dir dist dist/playhead-$$($(VERSION)).tar.gz

.PHONY: clean
clean: ## Remove .venv, caches and builds (logs stay)
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@for python in $(PYTHON); do \
	  command -v "$$python" >/dev/null || continue; \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  "$$python" -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "$$python cannot make a venv: install its venv package (Debian: python3-venv)" >&2; exit 1; }; \
	  echo "making $(VENV) with $$("$$python" --version)"; \
	  "$$python" -m venv --clear $(VENV) && exit 0; exit 1; \
	done; \
	echo "no Python >= 3.11 found as $(PYTHON): install one, or name it: make PYTHON=/path/to/python" >&2; \
	exit 1

# pip from 25.1 on knows dependency groups.
$(VENV)/ready-pip: $(BIN)/python
	@$(PIP) install --upgrade 'pip>=25.1'
	@touch $@

$(RUN_READY): pyproject.toml $(VENV)/ready-pip
	@echo "installing Playhead$(RUN_EXTRAS) into $(VENV)"
	@$(PIP) install --editable '.$(RUN_EXTRAS)'
	@touch $@

$(DEV_READY): pyproject.toml $(VENV)/ready-pip $(NODE_READY)
	@echo "installing Playhead and what its tests and checks need into $(VENV)"
	@for room in actors events projections tools; do \
	  test -e playhead/$$room || ln -s ../$$room playhead/$$room; done  # an sdist holds no links
	@$(PIP) install --editable '.[aiohttp,apsw,bedrock,embeddings,evals,inspector,local,mcp,openai,otlp-grpc,postgres,schedules,skills,vertex,web]' --group dev
	@touch $@ $(VENV)/ready-local $(VENV)/ready-remote $(BUILD_READY)

$(BUILD_READY): pyproject.toml $(VENV)/ready-pip
	@echo "installing what a build needs into $(VENV)"
	@$(PIP) install --group build
	@touch $@
