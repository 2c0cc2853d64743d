# Half an hour of load; included by the root Makefile, which sets VENV_READY to the target of .venv.

.PHONY: soak
soak: | $(VENV_READY) ## half an hour at half the throughput: memory, connections, bloat, latency; MINUTES=2 for a try
	@PYTHONPATH=layers/ventana .venv/bin/python -m tests.benchmarks.soak $(if $(MINUTES),--minutes $(MINUTES))
