# Two commands: `make run` serves, `make test` proves. Python 3.11+ and make are all they need.
.DEFAULT_GOAL := help
.PHONY: help setup chromium run test test-sqlite test-postgresql check check-types check-rest fmt bench bench-pg clean

# Asked of each candidate itself: version managers leave names on the path that start nothing.
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3 python; do \
	"$$name" -c 'import sys; sys.version_info < (3, 11) and sys.exit(1); print(sys.executable)' \
	2>/dev/null && break; done)
UV ?= $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
BIN := .venv/bin
STAMP := .venv/.installed
export UV_PYTHON_DOWNLOADS := never
# Hard links out of the cache fail across file systems; copying is what uv would fall back to, noisily.
export UV_LINK_MODE := copy
# Where Python may keep no bytecode each process that we start would compile our own code anew.
unexport PYTHONDONTWRITEBYTECODE

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' Makefile

setup: $(STAMP)  ## Make or refresh the environment in .venv from requirements.lock

# Redone only when the lock changed: a second start must not wait for it. Compiled at once, since where
# Python may write no bytecode each process would compile all packages anew, for seconds. uv does not read pip's
# configuration, so an index that only pip knows is handed on.
$(STAMP): requirements.lock
	@$(if $(filter .uv/bin/uv,$(UV)),$(MAKE) --no-print-directory .uv/bin/uv)
	@test -n "$(PYTHON)" || { echo "imsite needs Python 3.11 or newer; none was found on PATH." >&2; exit 1; }
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| $(UV) venv --quiet --clear --python "$(PYTHON)" .venv
	@index="$${PIP_INDEX_URL:-$$("$(PYTHON)" -m pip config get global.index-url 2>/dev/null || true)}"; \
	if [ -n "$$index" ] && [ -z "$$UV_DEFAULT_INDEX$$UV_INDEX_URL" ]; then export UV_DEFAULT_INDEX="$$index"; fi; \
	echo "installing requirements.lock into .venv"; \
	$(UV) pip sync --quiet --require-hashes --compile-bytecode --python $(BIN)/python requirements.lock
	@touch $@

.uv/bin/uv:
	@test -n "$(PYTHON)" || { echo "imsite needs Python 3.11 or newer; none was found on PATH." >&2; exit 1; }
	@"$(PYTHON)" -m venv .uv || { rm -rf .uv; echo "This Python cannot make environments: install its venv package, or uv." >&2; exit 1; }
	.uv/bin/python -m pip install --quiet --disable-pip-version-check uv

# The browser tests drive the machine's Chromium; without one they skip, in CI (CI=true) they fail.
chromium:  ## Install Debian's Chromium if there is none and we may (IM_TEST_CHROMIUM names another)
	@if [ -z "$$IM_TEST_CHROMIUM" ] && ! command -v chromium chromium-browser google-chrome >/dev/null 2>&1 \
		&& [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		echo "installing chromium for the browser tests"; \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get -qq update && apt-get -qq install -y --no-install-recommends chromium >/dev/null \
		|| echo "chromium could not be installed" >&2; \
	fi

run: $(STAMP)  ## Serve on http://127.0.0.1:8000 (PORT, IM_HOST, IM_DATA_DIR); Ctrl-C stops it
	@exec $(BIN)/python -m imsite.supervise

# Where make can do it (GNU make 4) each writes its lines in one piece. If one fails the other still goes to its end.
SIDE_BY_SIDE := --no-print-directory --keep-going -j2 $(addprefix --,$(filter output-sync,$(.FEATURES)))

# Both engines side by side, since tests wait more than they compute; each has a closing line of its own.
test: $(STAMP) chromium  ## Run the tests on SQLite and PostgreSQL (ARGS="tests/store -k sync -x")
	@$(MAKE) $(SIDE_BY_SIDE) test-sqlite test-postgresql

test-sqlite: $(STAMP)  ## All tests but those of `check`, on SQLite
	$(BIN)/python -m pytest $(or $(ARGS),--ignore=tests/arch)

test-postgresql: $(STAMP)  ## What touches the database, on PostgreSQL
	$(BIN)/python -m pytest --engine=postgresql $(or $(ARGS),tests/store tests/flows tests/api)

check: $(STAMP)  ## Format, lint, types, imports, migrations, architecture
	@$(MAKE) $(SIDE_BY_SIDE) check-types check-rest

check-types: $(STAMP)
	$(BIN)/mypy

check-rest: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python -m pytest -q tests/arch

fmt: $(STAMP)  ## Format the code and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)  ## Measure on SQLite, 4 minutes (ARGS="sends pages --json FILE")
	$(BIN)/python -m bench $(ARGS)

bench-pg: $(STAMP)  ## Measure on PostgreSQL, at production's sizes
	$(BIN)/python -m bench --engine postgresql $(ARGS)

clean:  ## Remove the environment and caches; your data in var stays
	rm -rf .venv .uv .mypy_cache .ruff_cache .import_linter_cache .hypothesis staticfiles
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
