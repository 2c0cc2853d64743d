# The API's document, made from the code; included by the root Makefile, which sets VENV_READY to the target of .venv.
# A test fails where the file that is checked in says anything else.

.PHONY: openapi
openapi: | $(VENV_READY) ## write infra/openapi.json, the API's OpenAPI document, from the code
	@PYTHONPATH=layers/ventana .venv/bin/python -m ventana.api.document >infra/openapi.json.new
	@mv infra/openapi.json.new infra/openapi.json
