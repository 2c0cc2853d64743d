"""Waits of template.yaml can be shortened for one run, and only where the template has them."""

from __future__ import annotations

from typing import Any

from infra.local.aws import Aws
from infra.local.template import Template
from infra.local.waits import shortened, visibility_seconds

DECLARED = {"LEASE_SECONDS": "90", "PROVIDER_TIMEOUT_MS": "10000", "EVENT_BUS_NAME": "events"}


def test_what_is_given_wins() -> None:
    given = {"LEASE_SECONDS": "8", "PROVIDER_TIMEOUT_MS": "", "WINDOW_MARGIN_SECONDS": "1", "EVENT_BUS_NAME": "mine"}
    assert shortened(DECLARED, given) == {**DECLARED, "LEASE_SECONDS": "8"}
    assert visibility_seconds("360", {"VISIBILITY_SECONDS": "10"}) == "10"


def test_without_a_word_the_template_holds() -> None:
    assert shortened(DECLARED, {}) == DECLARED
    assert visibility_seconds("360", {}) == "360"


def test_queues_are_made_with_it(aws: Aws, monkeypatch: Any) -> None:
    content = {
        "Resources": {
            "WaitsQueue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 360}},
            "PlainQueue": {"Type": "AWS::SQS::Queue", "Properties": {}},
        }
    }
    monkeypatch.setenv("VISIBILITY_SECONDS", "10")
    made = aws.create(Template(content, {}), {})
    asked = {
        name: aws.sqs.get_queue_attributes(QueueUrl=made[name], AttributeNames=["VisibilityTimeout"])["Attributes"]
        for name in ("WaitsQueue", "PlainQueue")
    }
    assert {name: found["VisibilityTimeout"] for name, found in asked.items()} == {
        "WaitsQueue": "10",
        "PlainQueue": "30",
    }
