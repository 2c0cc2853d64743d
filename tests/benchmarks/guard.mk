# Figures that no machine changes; included by the root Makefile, which sets VENV_READY to the target of .venv.

.PHONY: guard-baseline
guard-baseline: | $(VENV_READY) ## write what webhooks and imports cost now into tests/benchmarks/baseline.json
	@PYTHONPATH=layers/ventana .venv/bin/python -m tests.benchmarks.guard
