# Connects a running system to its providers, and says what is wrong with it; included by the root Makefile, which sets
# VENV_READY to the target of .venv. STACK=… means a deployed one; without it, what `make run` has started.

.PHONY: connect doctor
connect: | $(VENV_READY) ## what to set at each provider; APPLY=1 sets it; STACK=…, PROVIDER=…, REPLACE=1
	@PYTHONPATH=layers/ventana .venv/bin/python -m infra.connect

doctor: | $(VENV_READY) ## check a running system end to end and say what to do; STACK=…, TOKEN=…
	@PYTHONPATH=layers/ventana .venv/bin/python -m infra.doctor
