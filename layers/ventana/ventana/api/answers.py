"""Answers: JSON with times in ISO 8601, and problem+json for everything that went wrong."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any

from aws_lambda_powertools.event_handler import Response


def answer(status: int, body: object, content_type: str = "application/json") -> Response[Any]:
    """A JSON answer; dates, ids and the like become text."""
    fields = asdict(body) if is_dataclass(body) and not isinstance(body, type) else body
    return Response(status, content_type, json.dumps(fields, default=_plain, ensure_ascii=False))


def problem(status: int, code: str, title: str, **more: object) -> Response[Any]:
    """An error as RFC 9457 has it, with our stable `code`."""
    body = {"type": "about:blank", "title": title, "status": status, "code": code, **more}
    return answer(status, body, "application/problem+json")


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
