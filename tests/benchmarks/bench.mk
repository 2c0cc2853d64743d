# Measures the system beside its floors; included by the root Makefile, which sets VENV_READY to the target of .venv.

.PHONY: bench
bench: | $(VENV_READY) ## measure ingest, round trips and start; prints a table, PARTS="ingest" picks some
	@.venv/bin/python -m tests.benchmarks $(PARTS)
