# Migrates a large database in use; included by the root Makefile, which sets VENV_READY to the target of .venv.

.PHONY: bench-migrate
bench-migrate: | $(VENV_READY) ## migrate 5 million messages under load, step by step and plainly; ROWS=200000 for fewer
	@.venv/bin/python -m tests.benchmarks.migrate $(if $(ROWS),--rows $(ROWS))
