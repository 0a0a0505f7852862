# Two commands: `make demo` and `make test`. Needs make and Python 3.11 or newer with venv, nothing else.
# (README.md has the same without make, also for Windows.)

PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python; do \
	$$name -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$name; break; }; done)
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
comma := ,

.DEFAULT_GOAL := help
.PHONY: help demo demo-reset venv lock test odbc lint types unit browser test-postgres test-cluster test-sqlserver image-steps static schema messages screenshots bench audit attack

help:  ## List the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

# The portal over its embedded warehouse. PORT and PORTAL_DATA_DIR are taken from the environment.

demo: .venv/run.stamp  ## Run the portal, a demo warehouse and its ETL on http://127.0.0.1:8000 (PORT)
	@$(BIN)/python manage.py demo

demo-reset: .venv/run.stamp  ## The same, with a new warehouse and new users
	@$(BIN)/python manage.py demo --reset

# The environment. A stamp is newer than the pins when they are installed.

.venv/run.stamp: requirements.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed: set PYTHON to one."; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --requirement requirements.txt
	@touch $@

.venv/test.stamp: .venv/run.stamp requirements/test.txt
	$(BIN)/pip install --quiet --requirement requirements/test.txt
	@touch $@

venv: .venv/test.stamp  ## Create the environment with everything that tests need

LOCK := $(BIN)/uv pip compile --quiet --python-version 3.11 --universal

lock: .venv/test.stamp  ## Update the pins from requirements/*.in
	@test -x $(BIN)/uv || $(BIN)/pip install --quiet uv
	$(LOCK) requirements/run.in -o requirements.txt
	$(LOCK) requirements/test.in -o requirements/test.txt

# Tests. `make test` runs all parts; each can be run alone.

# The environment of `check --deploy`: a complete production configuration.
PRODUCTION := ETL_SQL_SERVER=sql.example.com ETL_SQL_USER=etl_monitor ETL_SQL_PASSWORD=not-a-real-one \
	ALLOWED_HOSTS=portal.example.com SECRET_KEY=not-a-real-key-but-long-enough-to-pass-for-one-5f0c1e7a9b

test: odbc lint audit types unit browser  ## Run linters, type checks and all tests; browser tests if a Chromium is installed

odbc: .venv/test.stamp
	@$(BIN)/python -m etlportal.backends.sqlserver.odbc

lint: .venv/test.stamp  ## Check style, templates, imports, migrations, deployment, translations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/djlint templates --lint --quiet
	$(BIN)/lint-imports --no-cache
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec compose.yaml compose.prod.yaml
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && export PORTAL_DATA_DIR="$$folder" && set -x && \
	$(BIN)/python manage.py makemigrations --check --dry-run && \
	env $(PRODUCTION) $(BIN)/python -W error::RuntimeWarning manage.py check --deploy --fail-level WARNING
	$(BIN)/python -m tools.messages --check
	$(BIN)/python -m tools.access --check

# Only these two folders build SQL from the project's own names. There ruff's and bandit's warnings about that are off, and
# bandit's about random numbers of the demo's shop.
STATEMENTS := monitoring/warehouse,demo

audit: .venv/test.stamp  ## Look for dangerous calls, and for known vulnerabilities of the pinned libraries
	$(BIN)/bandit --quiet --recursive etlportal monitoring demo --exclude $(STATEMENTS)
	$(BIN)/bandit --quiet --recursive $(subst $(comma), ,$(STATEMENTS)) --skip B608,B311
	$(BIN)/python -m tools.audit

types: .venv/test.stamp  ## Run mypy
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && PORTAL_DATA_DIR="$$folder" $(BIN)/mypy

unit: odbc  ## Run the tests without a browser, on all cores
	$(BIN)/python -m pytest --ignore=tests/browser --ignore=tests/cluster -n auto --dist worksteal -q

browser: .venv/test.stamp  ## Run the tests in a Chromium, with a running demo
	$(BIN)/python -m pytest tests/browser -n 3 --dist loadfile -q

# Needs the distribution's PostgreSQL; the server is temporary. (The other tests of tests/unit use no database;
# tests/sqlserver and tests/browser have their own.)
ON_POSTGRES := tests/integration tests/contract tests/unit/test_settings.py

test-postgres: .venv/test.stamp  ## Run every test that touches the portal's own tables on PostgreSQL
	$(BIN)/python -m tools.postgres $(BIN)/python -m pytest $(ON_POSTGRES) -n auto --dist worksteal -q

# Needs Debian's postgresql, redis-server and nginx-light. Temporary; listens on this machine only. CLUSTER_SEED changes the
# order.
KILLS ?= 10
test-cluster: .venv/test.stamp  ## Kill parts of a cluster (KILLS, 10) while clients read it
	REQUIRE_CLUSTER=1 CLUSTER_KILLS=$(KILLS) $(BIN)/python -m pytest tests/cluster -q -s

image-steps: .venv/test.stamp  ## Run the Dockerfile's steps without a container engine and check the result (a minute)
	$(BIN)/python -m tools.image

test-sqlserver: odbc  ## Run the tests on the SQL Server in TEST_SQLSERVER_HOST (tests/sqlserver/README.md)
	$(BIN)/python -m pytest tests/sqlserver --ds=tests.sqlserver.settings -q

REQUESTS ?= 10000

attack: .venv/test.stamp  ## Send generated requests (REQUESTS to each page and form): none may cause an error
	ATTACK_REQUESTS=$(REQUESTS) $(BIN)/python -m pytest tests/integration/test_attack.py -n auto --dist worksteal -q

# One file for styles and one for scripts, so that a first visit is ten requests instead of twenty. Needs Node.js. The result
# is committed, so only changes of static/css and static/js need Node. A test compares it with its sources.
BUNDLED := -p esbuild@0.28.2 -p chart.js@4.6.1
ESBUILD := esbuild --bundle --minify --log-level=warning --external:*.woff2

static: .venv/test.stamp  ## Bundle static/css and static/js into static/dist, after a change to them
	npx --yes $(BUNDLED) -c 'export NODE_PATH=$$(dirname $$(dirname $$(command -v esbuild))); set -ex; \
		$(ESBUILD) static/css/portal.css --outfile=static/dist/portal.css; \
		$(ESBUILD) static/js/chart-library.js --format=esm --legal-comments=eof --outfile=static/dist/chart-library.js; \
		for page in shell:portal entrance:entrance; do \
			$(ESBUILD) static/js/$${page%:*}.js --format=esm --outfile=static/dist/$${page#*:}.js; done'
	$(BIN)/python -m tools.bundles

schema: .venv/test.stamp  ## Write sql/embedded/ from sql/sqlserver/, after a change to it
	$(BIN)/python -m tools.embedded_schema

messages: .venv/test.stamp  ## Update locale/ from code and templates, and compile it
	$(BIN)/python -m tools.messages

screenshots: .venv/test.stamp  ## Take every page in both themes and languages, three widths, into docs/screenshots/
	$(BIN)/python -m tools.screenshots

bench: .venv/test.stamp  ## Measure the figures of docs/performance.md (half an hour)
	$(BIN)/python -m bench
