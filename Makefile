# Everything a developer does here. Needs make and Python 3.11 or newer, and sets up the rest in .venv.

SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHONS := python3 python3.14 python3.13 python3.12 python3.11
VENV_READY := .venv/ready
LOCKED := requirements-uv.txt requirements-dev.txt
TO_LOCK := $(wildcard requirements*.in layers/*/requirements.in)
# Where a machine has a certificate authority of its own, uv asks the system for it.
export UV_SYSTEM_CERTS := 1

.PHONY: help
help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: $(VENV_READY) ## the whole system on PORT (3000) with a short story; RUN_ONCE=1 ends after it
	@exec .venv/bin/python -m infra.local

.PHONY: test
test: $(VENV_READY) ## all tests, in parallel and in random order; ARGS="-k window" picks some
	@# A worker for each core, and those tests first that start whole systems: each of these is fifteen processes, which
	@# have two seconds to answer Kommo in.
	@.venv/bin/python -m pytest -n $$(getconf _NPROCESSORS_ONLN) --dist loadfile --no-loadscope-reorder -q $(ARGS)

.PHONY: check
check: $(VENV_READY) ## lint, formatting, types
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/mypy layers/ventana/ventana functions infra tests

.PHONY: migrate
migrate: $(VENV_READY) ## bring the database at DATABASE_URL up to date; ACTION="plan", "revert --to …"; ROLE=ventana_app
	@PYTHONPATH=layers/ventana .venv/bin/python -m ventana.schema.migrate $(or $(ACTION),up) $(if $(ROLE),--role $(ROLE))

.PHONY: lock
lock: $(VENV_READY) ## pin every requirements*.in again, with hashes
	@for file in requirements-dev.in $(filter-out requirements-dev.in,$(TO_LOCK)); do \
	  echo "$$file"; \
	  case "$$file" in layers/*) tested="--constraints requirements-dev.txt";; *) tested=;; esac; \
	  .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --no-emit-index-url $$tested "$$file" --output-file "$${file%.in}.txt" || exit 1; \
	done

.PHONY: clean
clean: ## remove what was made here: .venv, the local data in .local, caches
	@if [ -f .local/postgres.elsewhere ]; then \
	  case "$$(cat .local/postgres.elsewhere)" in /var/tmp/ventana-*) rm -rf -- "$$(cat .local/postgres.elsewhere)";; esac; \
	fi
	@rm -rf .venv .local .aws-sam .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Made again only when what it should hold has changed. uv ignores pip's configuration, so no index is named here.
$(VENV_READY): $(LOCKED)
	@found=; incomplete=; for python in $(PYTHONS); do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  "$$python" -c 'import ensurepip, venv' 2>/dev/null || { incomplete=$$python; continue; }; \
	  found=$$python; break; \
	done; \
	if [ -z "$$found" ] && [ -n "$$incomplete" ]; then \
	  echo "make: $$incomplete has no venv: install python3-venv (Debian, Ubuntu) or a complete Python" >&2; exit 1; \
	elif [ -z "$$found" ]; then \
	  echo "make: Python 3.11 or newer is needed; found $$(python3 --version 2>&1 | head -n 1)" >&2; exit 1; \
	fi; \
	.venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || "$$found" -m venv --clear .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt
	@.venv/bin/uv pip sync --quiet --require-hashes --python .venv/bin/python requirements-dev.txt requirements-uv.txt
	@touch $@

include $(wildcard infra/*.mk tests/*/*.mk)
