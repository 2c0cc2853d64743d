"""What checkov is told not to ask for, and that every template is looked at."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra.local.intrinsics import read_yaml
from tests.infra.nested import unexplained
from tests.infra.stack import ROOT

CONFIGURATION = (ROOT / "infra/checkov.yaml").read_text()
TARGETS = (ROOT / "infra/template.mk").read_text()
TEMPLATES = [path for path in (ROOT / "infra").glob("*.yaml") if "Resources:" in path.read_text()]


@pytest.mark.parametrize("path", [ROOT / "template.yaml", *TEMPLATES], ids=lambda path: path.name)
def test_each_check_that_is_suppressed_at_a_resource_has_a_reason(path: Path) -> None:
    assert not unexplained(read_yaml(path))


def test_each_check_that_is_suppressed_for_the_whole_template_has_a_reason_above_it() -> None:
    reasons = re.findall(r"((?:^  #.*\n)+)^  - (CKV2?_AWS_\d+)$", CONFIGURATION, flags=re.MULTILINE)
    skipped = read_yaml(ROOT / "infra/checkov.yaml")["skip-check"]
    assert [check for _, check in reasons] == skipped
    assert len(skipped) == len(set(skipped))
    assert all(len(reason.split()) > 8 for reason, _ in reasons)


def test_what_is_suppressed_for_the_whole_template_holds_for_no_other() -> None:
    """The configuration is named where template.yaml is checked; checkov would find `.checkov.yaml` by itself."""
    assert [line for line in TARGETS.splitlines() if "--config-file" in line] == [
        "\t@$(CHECKOV) --file template.yaml --config-file infra/checkov.yaml"
    ]
    assert not [name for name in (".checkov.yaml", ".checkov.yml") if (ROOT / name).exists()]


def test_every_nested_template_is_checked() -> None:
    (listed,) = re.findall(r"^NESTED_TEMPLATES := \$\(wildcard (.+)\)$", TARGETS, flags=re.MULTILINE)
    assert {path.relative_to(ROOT).as_posix() for path in TEMPLATES} <= set(listed.split())
    for tool in ("cfn-lint --template", "$(CHECKOV) --file"):
        assert [line for line in TARGETS.splitlines() if tool in line and "$(NESTED_TEMPLATES)" in line], tool


def test_checkov_asks_nobody() -> None:
    (command,) = re.findall(r"^CHECKOV := .*$", TARGETS, flags=re.MULTILINE)
    assert "--skip-download" in command
    assert "--soft-fail" not in command
