# Measures the system beside its floors; included by the root Makefile, which sets VENV_READY to the target of .venv.
# SIZES=10k,100k,1M: messages of the part growth; CONVERSATIONS=10k,1M: of the part sweep.

.PHONY: bench bench-picture
bench: | $(VENV_READY) ## measure ourselves beside our floors; prints a table, PARTS="ingest" picks some, SIZES=10k,1M
	@SIZES="$(SIZES)" CONVERSATIONS="$(CONVERSATIONS)" .venv/bin/python -m tests.benchmarks $(PARTS)

bench-picture: | $(VENV_READY) ## draw what `make bench` found as tests/benchmarks/figures.svg
	@.venv/bin/python -m tests.benchmarks.picture
