"""What the Graph API takes as an interactive message or a template."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from infra.local.simulators.meta_parameters import (
    FORMAT,
    VALUE,
    Invalid,
    a_link,
    a_text,
    an_object,
    objects,
    one_of,
    unique,
)

INTERACTIVE = ("button", "list", "cta_url", "flow", "location_request_message", "request_contact_info")
NOT_IN_PARAMETERS = re.compile(r"[\n\t]| {5}")


def check_interactive(content: Mapping[str, Any], kind: str) -> None:
    """Raise Invalid unless it has all its parts, each within its limits."""
    form = content.get("type")
    one_of(form, "interactive['type']", INTERACTIVE)
    a_text(an_object(content, "body"), "text", 4096 if form == "list" else 1024, VALUE)
    if "footer" in content:
        a_text(an_object(content, "footer"), "text", 60, VALUE)
    if "header" in content:
        header = an_object(content, "header")
        allowed = ("text", "image", "video", "document") if form == "button" else ("text",)
        one_of(header.get("type"), "header['type']", allowed)
        if header["type"] == "text":
            a_text(header, "text", 60, VALUE)
        else:
            an_object(header, header["type"])
    action = an_object(content, "action")
    match form:
        case "button":
            _check_buttons(action)
        case "list":
            _check_rows(action)
        case "cta_url":
            one_of(action.get("name"), "action['name']", ("cta_url",))
            a_text(an_object(action, "parameters"), "display_text", 20, VALUE)
            a_link(action["parameters"], "url")


def _check_buttons(action: Mapping[str, Any]) -> None:
    buttons = objects(action, "buttons", 3)
    for button in buttons:
        one_of(button.get("type"), "button['type']", ("reply",))
        a_text(an_object(button, "reply"), "id", 256, VALUE)
        a_text(button["reply"], "title", 20, VALUE)
    for name in ("id", "title"):
        unique([button["reply"][name] for button in buttons], f"button {name}s")


def _check_rows(action: Mapping[str, Any]) -> None:
    a_text(action, "button", 20, VALUE)
    sections = objects(action, "sections", 10)
    rows = [row for section in sections for row in objects(section, "rows", 10)]
    if len(rows) > 10:
        raise Invalid(VALUE, "Total row count exceed max allowed count: 10")
    for section in sections:
        if len(sections) > 1 or "title" in section:
            a_text(section, "title", 24, VALUE)
    for row in rows:
        a_text(row, "id", 200, VALUE)
        a_text(row, "title", 24, VALUE)
        if "description" in row:
            a_text(row, "description", 72, VALUE)
    unique([row["id"] for row in rows], "row ids")


def check_template(template: Mapping[str, Any], kind: str) -> None:
    """Raise Invalid unless it names a template, with parameters that fit into one."""
    a_text(template, "name", 512)
    a_text(an_object(template, "language"), "code", 20)
    for component in objects(template, "components", 100, least=0):
        a_text(component, "type", 50)
        for parameter in objects(component, "parameters", 100, least=0):
            a_text(parameter, "type", 50)
            if parameter["type"] == "text":
                a_text(parameter, "text", 32768, FORMAT)
                if NOT_IN_PARAMETERS.search(parameter["text"]):
                    raise Invalid(FORMAT, "Param text cannot have new-line/tab characters or more than 4 spaces.")
