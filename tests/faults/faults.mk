# Breaks what the running system stands on; included by the root Makefile, which sets VENV_READY to the target of .venv.

.PHONY: faults
faults: | $(VENV_READY) ## load the system while database, workers and queue break, for as long as real outages; prints a table
	@VENTANA_FAULTS=long .venv/bin/python -m pytest -n0 -q -s tests/faults/test_durability.py $(ARGS)

.PHONY: faults-sending
faults-sending: | $(VENV_READY) ## N (5000) sends while providers fail and senders are killed; prints tables
	@VENTANA_FAULTS=long VENTANA_SENDS=$(N) .venv/bin/python -m pytest -n0 -q -s tests/faults/test_sending.py $(ARGS)
