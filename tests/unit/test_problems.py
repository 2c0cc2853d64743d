"""Errors that nobody foresaw, as the operators' API tells and counts them."""

from __future__ import annotations

import json

import pytest

from ventana.api.problems import refuse_unexpected
from ventana.telemetry import measured


def test_a_bug_tells_the_caller_nothing_and_is_counted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POWERTOOLS_METRICS_DISABLED", raising=False)
    answered = measured(lambda: refuse_unexpected(ValueError("what a customer wrote")))()
    out = capsys.readouterr().out
    assert answered.status_code == 500
    assert "customer" not in str(answered.body) + out
    (line,) = [json.loads(line) for line in out.splitlines() if '"_aws"' in line]
    assert line["Unexpected"] == [1.0]
