# What it costs and where it stops; included by the root Makefile, which sets VENV_READY to the target of .venv.

.PHONY: cost
cost: | $(VENV_READY) ## dollars a month by service, and limits; MESSAGES="250000" for a size of your own
	@PYTHONPATH=layers/ventana .venv/bin/python -m infra.cost $(MESSAGES)

.PHONY: cost-measure
cost-measure: | $(VENV_READY) ## measure again what one message takes, for make cost
	@.venv/bin/python -m infra.cost.measure
