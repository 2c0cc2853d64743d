# Looks at once for messages whose webhook was lost, in a running `make run`; included by the root Makefile, which sets
# VENV_READY to the target of .venv. Without grace, so that it also finds what was lost a second ago.

.PHONY: reconcile
reconcile: | $(VENV_READY) ## recover messages whose webhook was lost, in a running `make run`
	@.venv/bin/python -m infra.local.invoke Reconcile '{"grace_seconds": 0}'
