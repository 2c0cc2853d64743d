"""The picture in README shows what is deployed."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from tests.infra.stack import ROOT, Stack

PICTURE = ROOT / "infra" / "architecture.svg"
BESIDE = {"Echo"}
"""A bot to try it with, which is no part of the system."""


def test_every_function_queue_and_bucket_is_in_the_picture(stack: Stack) -> None:
    words = " ".join(text for text in ElementTree.parse(PICTURE).getroot().itertext())
    queues = {name for name, queue in stack.of_type("AWS::SQS::Queue").items() if "RedrivePolicy" in queue}
    for name in (set(stack.functions()) | queues | {"MediaBucket"}) - BESIDE:
        assert name in words, name


def test_the_picture_needs_nothing_from_elsewhere() -> None:
    text = PICTURE.read_text()
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert 'role="img"' in text
    assert "<desc" in text


def test_readme_shows_it() -> None:
    assert "(infra/architecture.svg)" in (ROOT / "README.md").read_text()
