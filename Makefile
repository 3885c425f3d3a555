# Needs make and Python 3.11 or newer, nothing else. Each target installs what it needs into .venv first; after that, no network.

VENV := .venv
PY := $(VENV)/bin/python
ARGS ?=
N ?= 1
BENCH ?= $(filter $(basename $(notdir $(wildcard bench/*.py))),floor statements ingest flow drain latency lateness isolation growth purge)
MAX_LINES := 300
GRACE := 30
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
JOBS ?= $(CORES)
OTHER_POSTGRES ?= $(wildcard /usr/lib/postgresql/*/bin)

.DEFAULT_GOAL := help
.PHONY: help demo run test slow faults wheel browser nightly bench lint audit outdated format clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime ## the whole product on this machine, with receivers, event buses and a feed; ARGS=--once checks itself and ends
	@$(PY) manage.py demo $(ARGS)

run: $(VENV)/.runtime ## the Procfile's processes, a worker a core, with PostgreSQL and Valkey of our own unless set otherwise
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" WEB_HOST=127.0.0.1 $(PY) -m tests.support.services --postgres --valkey --development -- \
		sh -c '$(PY) manage.py migrate --verbosity 0 && exec $(PY) -c "import honcho.command, honcho.manager as m; \
		m.KILL_WAIT = $(GRACE); honcho.command.main()" start --port 8000 --concurrency worker=$(CORES) $(ARGS)'

test: $(VENV)/.dev ## the tests, side by side on one PostgreSQL: DATABASE_URL's, or our own; ARGS are pytest's
	$(PY) -m tests.support.services --postgres --valkey -- $(PY) -m pytest -n $(JOBS) --dist loadfile $(ARGS)

# Suites that .ci/run adds. pytest says 5 when it finds no such test; that is no failure of a suite still to be written.
define suite
	@set -x; $(PY) -m tests.support.services --postgres -- $(PY) -m pytest -m $@ $(ARGS) || { code=$$?; set +x; \
		[ $$code -eq 5 ] || exit $$code; echo "No test is marked '$@' yet."; }
endef

slow: $(VENV)/.dev ## the tests that wait out the retry schedule
	$(suite)

faults: export FAULT_ROUNDS := $(N)
faults: $(VENV)/.dev ## the tests that kill workers and servers; N=rounds
	$(suite)

wheel: $(VENV)/.dev ## the tests that build the wheel and install it into projects of their own; needs the package index
	$(suite)

browser: $(VENV)/.dev ## the tests that drive Chromium
	$(suite)

nightly: $(VENV)/.dev ## what takes long or needs Debian's servers: the image, an open page at 200 events/s, ten restarts of each server, the tests on other PostgreSQLs
	$(suite)
	RESTARTS=10 $(PY) -m tests.support.services --postgres -- $(PY) -m pytest -m faults tests/faults/test_restarts.py $(ARGS)
	@for programs in $(OTHER_POSTGRES); do echo "--- $$($$programs/postgres --version)"; POSTGRES_PROGRAMS=$$programs \
		$(PY) -m tests.support.services --postgres --valkey -- $(PY) -m pytest -n $(JOBS) --dist loadfile $(ARGS) || exit; done

bench: $(VENV)/.dev ## the benchmarks, on PostgreSQL and Valkey that keep their promises on disk; BENCH="drain latency" picks
	@for name in $(BENCH); do echo "--- bench/$$name.py"; \
		$(PY) -m tests.support.services --postgres --valkey --fsync -- $(PY) -m bench.$$name $(ARGS) || exit; done

lint: $(VENV)/.dev ## style, types, import contracts, missing migrations, module length
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports --no-logo
	$(PY) -m tests.support.services -- $(VENV)/bin/mypy
	$(PY) -m tests.support.services --postgres -- $(PY) manage.py makemigrations --check --dry-run
	@find . -name '*.py' -not -path './$(VENV)/*' -not -path '*/migrations/*' -exec wc -l {} + | awk \
		'$$2 != "total" && $$1 > $(MAX_LINES) {print $$2 " has " $$1 " lines; the limit is $(MAX_LINES): split it by stage"; bad = 1} \
		END {exit bad}'

audit: $(VENV)/.audit ## known vulnerabilities of what constraints.txt pins; asks PyPI, or with ARGS="-s osv" the OSV database
	@$(VENV)/audit/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off --requirement constraints.txt $(ARGS) || { \
		echo "Nothing above names a vulnerability? Then the data could not be read, and nothing was audited: see SECURITY.md." >&2; exit 1; }

outdated: $(VENV)/.dev ## what constraints.txt pins and has a newer release; needs the package index only
	@$(PY) -m pip list --outdated --disable-pip-version-check

format: $(VENV)/.dev ## put the code into the house style
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean: ## remove what was installed and cached; var/ (the embedded database) stays
	rm -rf $(VENV) staticfiles .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- installing: only the dependencies, at the versions of constraints.txt; the product runs from its checkout -----------

FIND_PYTHON := for python in $$PYTHON python3.14 python3.13 python3.12 python3.11 python3; do \
	"$$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null && break; \
	python=; done
LIST := import sys, tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
	extra = p["optional-dependencies"]; \
	of = {"runtime": p["dependencies"] + extra["admin"] + extra["service"] + extra["embedded"], "dev": extra["dev"]}; \
	print(*of[sys.argv[1]], sep="\n")

$(VENV)/.created:
	@$(FIND_PYTHON); [ -n "$$python" ] || { echo "Python 3.11, 3.12, 3.13 or 3.14 with its venv module is needed, and" \
		"none was found. Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1; }; \
	"$$python" -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.created pyproject.toml constraints.txt
	$(call install,runtime)

$(VENV)/.dev: $(VENV)/.runtime
	$(call install,dev)

$(VENV)/.audit: $(VENV)/.created  # in an environment of its own: what it brings along is not what runs
	@$(PY) -m venv $(VENV)/audit
	@$(VENV)/audit/bin/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.10,<3'
	@touch $@

define install
	@echo "Installing the $(1) packages into $(VENV)"
	@$(PY) -c '$(LIST)' $(1) > $(VENV)/$(1).txt
	@$(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --requirement $(VENV)/$(1).txt
	@touch $@
endef
