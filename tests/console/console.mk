# Pictures of the console for README; included by the root Makefile, which sets VENV_READY to the target of .venv.

.PHONY: console-screenshots
console-screenshots: | $(VENV_READY) ## take the pictures of the console that README shows, in infra/console/
	@PYTHONPATH=layers/ventana .venv/bin/python -m tests.console.screenshots infra/console
