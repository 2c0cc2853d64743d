# Checks template.yaml with AWS's own tools and packs the functions; included by the root Makefile.
# Without AWS: no credentials, no account, no telemetry. The tools live in environments of their own, because aws-sam-cli
# and checkov pin different versions of boto3. The root Makefile may set VENV_READY to the target that makes .venv.

SAM_TOOLS := .local/sam
SAM_ENVIRONMENT := SAM_CLI_TELEMETRY=0 __SAM_CLI_APP_DIR="$(CURDIR)/$(SAM_TOOLS)/home" \
	AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true
CHECKOV_TOOLS := .local/checkov
# It would look for newer checks elsewhere; the pinned ones are what counts.
CHECKOV := $(CHECKOV_TOOLS)/bin/checkov --framework cloudformation --quiet --compact --skip-download
NESTED_TEMPLATES := $(wildcard infra/network.yaml infra/database.yaml infra/monitoring.yaml)

$(SAM_TOOLS)/ready: requirements-sam.txt | $(VENV_READY)
	@test -d $(SAM_TOOLS)/bin || UV_SYSTEM_CERTS=1 .venv/bin/uv venv --quiet --python .venv/bin/python $(SAM_TOOLS)
	@UV_SYSTEM_CERTS=1 .venv/bin/uv pip sync --quiet --require-hashes --python $(SAM_TOOLS)/bin/python requirements-sam.txt
	@touch $@

$(CHECKOV_TOOLS)/ready: requirements-checkov.txt | $(VENV_READY)
	@test -d $(CHECKOV_TOOLS)/bin || UV_SYSTEM_CERTS=1 .venv/bin/uv venv --quiet --python .venv/bin/python $(CHECKOV_TOOLS)
	@UV_SYSTEM_CERTS=1 .venv/bin/uv pip sync --quiet --require-hashes --python $(CHECKOV_TOOLS)/bin/python requirements-checkov.txt
	@touch $@

.PHONY: template-check
template-check: $(SAM_TOOLS)/ready $(CHECKOV_TOOLS)/ready ## lint the templates as AWS reads them, and check their policies
	@$(SAM_ENVIRONMENT) $(SAM_TOOLS)/bin/sam validate --lint --template template.yaml
	@$(SAM_TOOLS)/bin/cfn-lint --template template.yaml $(NESTED_TEMPLATES) --regions us-east-1
	@$(SAM_TOOLS)/bin/cfn-lint --template template.yaml $(NESTED_TEMPLATES) --append-rules cfn_lint_serverless.rules
	@$(CHECKOV) --file template.yaml --config-file infra/checkov.yaml
	@$(CHECKOV) --file $(NESTED_TEMPLATES)

.PHONY: template-build
template-build: $(SAM_TOOLS)/ready ## pack functions and layers as `sam deploy` uploads them
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(SAM_ENVIRONMENT) $(SAM_TOOLS)/bin/sam build --template template.yaml

.PHONY: events
events: | $(VENV_READY) ## write infra/events.json, the schemas of published events, from the code
	@PYTHONPATH=layers/ventana .venv/bin/python -m infra.events
