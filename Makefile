# Two commands set everything up: `make run` and `make test`. They need Python >= 3.11 and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
# Where it is set, as in images of containers, every process would compile anew all that it imports.
unexport PYTHONDONTWRITEBYTECODE
STAMP := $(VENV)/.synced

.PHONY: help run test check bench load soak format lock screenshots clean

help: ## show the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "AI Gateway needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip sync --quiet --require-hashes requirements.lock
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

run: $(STAMP) ## start the gateway for trying out, with simulated providers
	@exec $(BIN)/aigateway server --dev

test: $(STAMP) ## run every test
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(STAMP) ## lint, types, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

bench: $(STAMP) ## measure what the gateway costs beside a plain proxy
	@$(BIN)/python -m benchmarks.bench $(ARGS)

load: $(STAMP) ## hold thousands of streams open, and look for growth
	@$(BIN)/python -m benchmarks.bench.crowd $(ARGS)

soak: $(STAMP) ## let every fault strike again and again, and count what was lost
	@$(BIN)/python -m benchmarks.soak $(ARGS)

format: $(STAMP) ## format the code and mend what lint can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: $(STAMP) ## resolve the dependencies anew into requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11 --upgrade --extra dev --custom-compile-command 'make lock' --output-file requirements.lock pyproject.toml

screenshots: $(STAMP) ## take the pictures in docs/images anew; needs Chromium
	@$(BIN)/python -m tests.browser.screenshots $(ARGS)

clean: ## remove what the other targets made
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
