# `make run`, `make test` and `make check` need nothing but Python 3.11 or newer; all are quick when run again.
PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
# Modules are compiled when first imported and kept; with this set, every start would compile 700 of them again.
unexport PYTHONDONTWRITEBYTECODE
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
# uv installs in seconds what takes pip most of a minute; but only pip reads pip's settings, of a mirror say.
install = $(BIN)/uv pip install --quiet --python $(BIN)/python $(1) \
	|| { echo "uv could not install them; now pip tries." >&2; $(PIP) $(1); }
LOCKED := --require-hashes --no-deps -r

.PHONY: run test test-fast test-spark check bench lock format docs clean

run: .venv/.run
	@$(BIN)/prospect-fit serve

# With fewer random cases than `pytest` alone, which takes the effort 1.
test: .venv/.dev
	@TEST_EFFORT=$${TEST_EFFORT:-0.25} $(BIN)/pytest -n auto --ignore tests/spark

# On SQLite alone, with fewer random cases, and without the slow tests.
test-fast: .venv/.dev
	@TEST_EFFORT=0.2 $(BIN)/pytest -n auto --fast

# Needs Java. Spark is half a gigabyte, so it is installed for nothing else.
test-spark: .venv/.spark
	@$(BIN)/pytest tests/spark

check: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m tools.reference --check

bench: .venv/.dev
	@$(BIN)/python -m bench

format: .venv/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/.dev
	$(BIN)/python -m tools.reference

# Hashes, and no index address: any index that serves the same files will do.
# `make lock UPGRADE=--upgrade` takes the newest versions, without it only what pyproject.toml asks for.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate
lock: .venv/.build
	$(COMPILE) $(UPGRADE) pyproject.toml -o requirements.lock
	$(COMPILE) $(UPGRADE) --group pyproject.toml:build -c requirements.lock -o requirements-build.lock
	$(COMPILE) $(UPGRADE) pyproject.toml --group pyproject.toml:build --group pyproject.toml:dev \
		-c requirements.lock -c requirements-build.lock -o requirements-dev.lock
	$(COMPILE) $(UPGRADE) --group pyproject.toml:spark -c requirements-dev.lock -o requirements-spark.lock

clean:
	rm -rf .venv

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Prospect Fit needs Python 3.11 or newer with its venv module (Debian: apt install python3-venv)." >&2; exit 1; }
	@$(PYTHON) -m venv --clear .venv

.venv/.build: .venv/bin/python requirements-build.lock
	@echo "Installing into .venv …"
	@$(PIP) $(LOCKED) requirements-build.lock
	@touch $@

.venv/.run: .venv/.build requirements.lock pyproject.toml
	@$(call install,$(LOCKED) requirements.lock)
	@$(call install,--no-deps --no-build-isolation -e .)
	@touch $@

.venv/.dev: .venv/.run requirements-dev.lock
	@$(call install,$(LOCKED) requirements-dev.lock)
	@touch $@

.venv/.spark: .venv/.dev requirements-spark.lock
	@$(PIP) --no-build-isolation $(LOCKED) requirements-spark.lock
	@touch $@
