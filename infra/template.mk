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

.PHONY: artefact-sizes
artefact-sizes: template-build ## pack, and print how large each artefact is
	@PYTHONPATH=layers/ventana .venv/bin/python -m infra.artefacts .aws-sam/build

# The same, packed for this machine's processor and Python, and run through the story under Lambda's runtime client: not
# the sources, nor anything that is installed here.
.PHONY: artefacts
artefacts: $(SAM_TOOLS)/ready ## pack for this machine and run what was packed, not the sources, through the story
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(SAM_ENVIRONMENT) LAYER_PLATFORM="$$(uname -m)-manylinux_2_28" \
	  LAYER_PYTHON="$$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')" \
	  $(SAM_TOOLS)/bin/sam build --template template.yaml --build-dir .local/artefacts >/dev/null 2>.local/artefacts.log \
	  || { cat .local/artefacts.log >&2; exit 1; }
	@VENTANA_ARTEFACTS=.local/artefacts RUN_ONCE=1 .venv/bin/python -m infra.local

.PHONY: events
events: | $(VENV_READY) ## write infra/events.json, the schemas of published events, from the code
	@PYTHONPATH=layers/ventana .venv/bin/python -m infra.events
