# Checks template.yaml with AWS's own tools and packs the functions; included by the root Makefile.
# Without AWS: no credentials, no account, no telemetry. The tools live in an environment of their own, because
# aws-sam-cli pins boto3. The root Makefile may set VENV_READY to the target that makes .venv.

SAM_TOOLS := .local/sam
SAM_ENVIRONMENT := SAM_CLI_TELEMETRY=0 __SAM_CLI_APP_DIR="$(CURDIR)/$(SAM_TOOLS)/home" \
	AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true

$(SAM_TOOLS)/ready: requirements-sam.txt | $(VENV_READY)
	@test -d $(SAM_TOOLS)/bin || UV_SYSTEM_CERTS=1 .venv/bin/uv venv --quiet --python .venv/bin/python $(SAM_TOOLS)
	@UV_SYSTEM_CERTS=1 .venv/bin/uv pip sync --quiet --require-hashes --python $(SAM_TOOLS)/bin/python requirements-sam.txt
	@touch $@

.PHONY: template-check
template-check: $(SAM_TOOLS)/ready ## lint template.yaml as AWS reads it
	@$(SAM_ENVIRONMENT) $(SAM_TOOLS)/bin/sam validate --lint --template template.yaml
	@$(SAM_TOOLS)/bin/cfn-lint --template template.yaml --regions us-east-1
	@$(SAM_TOOLS)/bin/cfn-lint --template template.yaml --append-rules cfn_lint_serverless.rules

.PHONY: template-build
template-build: $(SAM_TOOLS)/ready ## pack functions and layers as `sam deploy` uploads them
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(SAM_ENVIRONMENT) $(SAM_TOOLS)/bin/sam build --template template.yaml

.PHONY: events
events: | $(VENV_READY) ## write infra/events.json, the schemas of published events, from the code
	@PYTHONPATH=layers/ventana .venv/bin/python -m infra.events
