# Every task of the project. `make run` needs Python alone; `make test` fetches the rest itself.
# Stamps in .venv keep the second time quick: each is as new as the last install it stands for.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CACHE := .cache
PIP_INSTALL := $(BIN)/python -m pip --disable-pip-version-check --no-input install -qq
LOCK := --require-hashes --no-deps
UV_VERSION := 0.13.8

# Programs that a task looks for (ruff, node …) are those of the environment first.
export PATH := $(CURDIR)/$(BIN):$(PATH)

BUILD_INPUTS := pyproject.toml setup.py $(wildcard omniroute/_speedups/*.pyx omniroute/_speedups/*.pxd)
UNIT := not browser and not processes and not slow
TWIN_TESTS = $(wildcard tests/wire tests/_speedups tests/test_speedups*.py)
# Page of docs : module that prints it.
REFERENCES := reference/cli:omniroute.cli_reference reference/config:omniroute.config.reference \
	reference/providers:omniroute.providers.reference formats:omniroute.formats.carried \
	api:omniroute.control.api.reference
FUZZ_S ?= 60
ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL: # builds share build/, and the tests use the cores themselves
.PHONY: help run test lint types unit twins dashboard whole agents system-deps wheel sbom bench \
	bench-micro bench-dashboard bench-history fuzz lock docs extensions clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

run: $(VENV)/.project ## start the gateway in demo mode (ARGS="--port 20130" and the like pass on)
	@$(BIN)/python -m omniroute demo $(ARGS)

test: system-deps lint types dashboard unit twins wheel whole ## everything: system packages, linters, types, all tests, the wheel

lint: $(VENV)/.dev
	@$(BIN)/ruff check --quiet --cache-dir $(CACHE)/ruff .
	@$(BIN)/ruff format --check --quiet --cache-dir $(CACHE)/ruff .

types: $(VENV)/.dev
	@$(BIN)/mypy

unit: $(VENV)/.dev extensions ## the quick tests, in parallel
	@$(BIN)/python -m pytest -q -n auto -m "$(UNIT)" $(ARGS)

# The byte work once more, on its Python twins: what a machine without a compiler runs.
twins: $(VENV)/.dev
	@OMNIROUTE_NO_EXTENSIONS=1 $(BIN)/python -m pytest -q -n auto -m "$(UNIT)" $(TWIN_TESTS)

# node is the system's, else the one that system-deps has put into .venv.
dashboard: $(CACHE)/dashboard/.installed ## the dashboard's source: types, lint, tests of its pure parts
	@$(CACHE)/dashboard/node_modules/.bin/tsc -p tests/dashboard/tsconfig.json
	@cp tests/dashboard/eslint.config.js $(CACHE)/dashboard/
	@$(CACHE)/dashboard/node_modules/.bin/eslint -c $(CACHE)/dashboard/eslint.config.js \
		--ignore-pattern 'dashboard_static/vendor/' --max-warnings 0 dashboard_static tests/dashboard
	@node --import ./tests/dashboard/in_node.mjs --test --test-reporter=dot tests/dashboard/*.test.js

# The tests with real processes and with the built wheel. One at a time: they count on the machine.
whole: $(VENV)/.dev extensions $(CACHE)/wheel/.tried $(CACHE)/dashboard/.installed agents ## tests with real processes, faults, browser, the wheel's content
	@OMNIROUTE_WHEEL=$(CURDIR)/$(CACHE)/wheel $(BIN)/python -m pytest -q -m "not ($(UNIT))" $(ARGS)

agents: $(CACHE)/agents/.installed ## the coding agents that the tests run, from npm (750 MB)

system-deps: ## what comes from the system: as root it is installed, otherwise the command is printed
	@PYTHON=$(PYTHON) sh tools/system_deps.sh

wheel: $(CACHE)/wheel/.tried ## build the wheel, install it into a fresh environment, try it there
	@mkdir -p dist && cp $(CACHE)/wheel/*.whl $(CACHE)/wheel/*.tar.gz dist/ && ls -1 dist/*.whl

sbom: $(VENV)/.dev ## the bill of materials of what is installed with the gateway
	@mkdir -p dist
	@$(BIN)/cyclonedx-py requirements requirements/runtime.txt --pyproject pyproject.toml \
		--output-reproducible --output-format JSON -o dist/omniroute.cdx.json
	@echo dist/omniroute.cdx.json

bench: system-deps $(VENV)/.dev extensions ## measure against nginx and direct-to-mock (minutes)
	@$(BIN)/python -m bench.run $(ARGS)

bench-micro: $(VENV)/.dev extensions ## each compiled speedup beside its Python twin
	@$(BIN)/python -m pytest -q bench/micro --benchmark-enable $(ARGS)

bench-dashboard: system-deps $(VENV)/.dev extensions ## first paint, delay of the live feed, memory (ARGS="--minutes 1")
	@$(BIN)/python -m bench.dashboard $(ARGS)

bench-history: $(VENV)/.dev ## request log and analytics at a million requests (a minute)
	@$(BIN)/python -m bench.history $(ARGS)

fuzz: $(VENV)/.dev extensions ## mutation fuzzers and the property tests at length (FUZZ_S=60)
	@for target in $(wildcard tests/fuzz/fuzz_*.py); do \
		PYTHONPATH=. $(BIN)/python $$target --seconds $(FUZZ_S) || exit 1; done
	@$(BIN)/python -m pytest -q -n auto -m hypothesis --hypothesis-profile=fuzz $(ARGS)

lock: $(CACHE)/lock/.uv ## resolve the dependencies anew into requirements/*.txt, with hashes
	@sh tools/lock.sh $(CACHE)/lock/bin/uv

docs: $(VENV)/.dev ## write the generated pages of docs anew
	@$(foreach page,$(REFERENCES),$(BIN)/python -m $(word 2,$(subst :, ,$(page))) \
		>$(VENV)/page && cp $(VENV)/page docs/$(word 1,$(subst :, ,$(page))).md &&) true

extensions: $(VENV)/.dev
	@OMNIROUTE_REQUIRE_EXTENSIONS=1 $(BIN)/python setup.py --quiet build_ext --inplace

clean: ## take away everything that was built or installed here
	rm -rf $(VENV) $(CACHE) build dist *.egg-info .hypothesis .benchmarks bench/build
	find omniroute bench tests tools -name __pycache__ -prune -exec rm -rf {} +
	find omniroute -name '*.so' -delete

# --- what the tasks stand on

$(VENV)/.made:
	@$(PYTHON) tools/python_version.py
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || PYTHON=$(PYTHON) sh tools/system_deps.sh venv
	@echo "making the virtual environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: requirements/runtime.txt requirements/build.txt | $(VENV)/.made
	@echo "installing the locked dependencies"
	@$(PIP_INSTALL) $(LOCK) -r requirements/runtime.txt
	@$(PIP_INSTALL) $(LOCK) -r requirements/build.txt
	@touch $@

# Editable: what is changed in the checkout is what runs. The link first, which pip makes silently;
# then the speedups by themselves, so that a warning about missing ones is seen.
$(VENV)/.project: $(VENV)/.runtime $(BUILD_INPUTS)
	@echo "building OmniRoute in place"
	@OMNIROUTE_NO_EXTENSIONS=1 $(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@$(BIN)/python setup.py --quiet build_ext --inplace
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.project
	@echo "installing the locked development tools"
	@$(PIP_INSTALL) $(LOCK) -r requirements/dev.txt
	@touch $@

$(CACHE)/lock/.uv: Makefile
	@$(PYTHON) -m venv $(CACHE)/lock
	@$(CACHE)/lock/bin/python -m pip install --quiet uv==$(UV_VERSION)
	@touch $@

$(CACHE)/wheel/.tried: $(VENV)/.dev $(BUILD_INPUTS) MANIFEST.in tools/wheel.sh tools/smoke.py \
		$(shell find omniroute dashboard_static -type f -not -name '*.so' -not -name '*.c' -not -path '*/__pycache__/*' 2>/dev/null)
	@sh tools/wheel.sh $(BIN)/python $(CACHE)/wheel
	@touch $@

$(CACHE)/dashboard/.installed: tests/dashboard/package-lock.json tests/dashboard/package.json \
		tools/npm_ci.sh | $(VENV)/.made
	@echo "installing what checks the dashboard's source"
	@sh tools/npm_ci.sh tests/dashboard $(CACHE)/dashboard $(BIN)/python
	@touch $@

$(CACHE)/agents/.installed: tests/agents/package-lock.json tests/agents/package.json \
		tests/agents/install.sh tools/npm_ci.sh | $(VENV)/.made
	@echo "installing the coding agents for the tests"
	@sh tests/agents/install.sh $(CACHE)/agents $(BIN)/python
	@touch $@
