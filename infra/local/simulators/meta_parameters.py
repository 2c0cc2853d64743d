"""Parameters as the Graph API checks them, and its word for those that it does not take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

PARAMETER, VALUE, FORMAT = "100", "131009", "132012"


class Invalid(Exception):
    """Meta does not take this; `code` is its own."""

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        super().__init__(text)


def an_object(content: Any, name: str) -> dict[str, Any]:
    """The object of this name."""
    found = content.get(name) if isinstance(content, dict) else None
    if not isinstance(found, dict):
        raise Invalid(PARAMETER, f"The parameter {name} is required.")
    return found


def objects(content: Any, name: str, most: int, least: int = 1) -> list[dict[str, Any]]:
    """The list of objects of this name."""
    found = content.get(name, []) if isinstance(content, dict) else None
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise Invalid(PARAMETER, f"Param {name} must be a list of objects.")
    if not least <= len(found) <= most:
        raise Invalid(VALUE, f"Param {name} must have {least} to {most} elements.")
    return found


def a_text(content: Any, name: str, most: int, code: str = PARAMETER, least: int = 1) -> None:
    """See to it that there is a text of this name, and of this length."""
    value = content.get(name) if isinstance(content, dict) else None
    if not isinstance(value, str) or not least <= len(value) <= most:
        raise Invalid(code, f"Param {name} must have {least} to {most} characters.")


def a_link(content: Mapping[str, Any], name: str) -> None:
    """See to it that there is an address of this name."""
    if not re.match(r"https?://[^/\s]+", str(content.get(name))):
        raise Invalid(PARAMETER, f"Param {name} is not a valid URI.")


def one_of(value: Any, name: str, allowed: tuple[str, ...]) -> None:
    """See to it that a value is one of those that there are."""
    if value not in allowed:
        raise Invalid(PARAMETER, f"Param {name} must be one of {{{', '.join(allowed)}}}.")


def unique(values: list[str], what: str) -> None:
    """See to it that no value comes twice."""
    if len(set(values)) < len(values):
        raise Invalid(VALUE, f"The {what} must be unique.")
