"""The Content templates of our Twilio account that WhatsApp has approved: GET /v1/ContentAndApprovals.

https://www.twilio.com/docs/content/content-api-resources. One ContentSid stands for one language, and may be sent from
every sender of the account. Of the kinds in which it has its content, the one handed in for approval counts.

Unsure, not tried on a live account: whether a list tells the approval at once, or under the name of its channel; both
are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ventana.errors import ListingFailed
from ventana.http import Transport
from ventana.providers.reading import Object, an_object, objects, text
from ventana.providers.templating import (
    OfferedTemplate,
    TemplateButton,
    TemplateParameter,
    in_order,
    keys_of,
    placeholder,
)
from ventana.providers.twilio.console import Console
from ventana.secrets import ProviderSecrets

CALLS_PER_SECOND = 5.0
EVERY_ADDRESS = ""
BUTTONS = {
    "QUICK_REPLY": "quick_reply",
    "URL": "url",
    "PHONE_NUMBER": "phone",
    "COPY_CODE": "copy_code",
}
NOT_OFFERED = ("twilio/carousel", "twilio/catalog", "twilio/flows", "twilio/location", "whatsapp/flows")
"""Kinds that cannot be shown before they are sent."""


def offered(secrets: ProviderSecrets, http: Transport) -> Iterator[OfferedTemplate]:
    """Every approved template. Raises ListingFailed or Unavailable where Twilio does not tell all."""
    console = Console(secrets.first("account_sid"), secrets.first("auth_tokens"), http)
    for told in console.contents():
        entries = told.content.get("contents")
        if not told.fine or not isinstance(entries, list):  # taken for an empty list, it would take all away
            raise ListingFailed(f"the question for templates was answered with {told.why}", told.status)
        for entry in map(an_object, entries):
            if template := _template(entry):
                yield template


def _template(entry: Object) -> OfferedTemplate | None:
    approval = an_object(entry.get("approval_requests"))
    approval = an_object(approval.get("whatsapp")) or approval
    types = an_object(entry.get("types"))
    kind = text(approval.get("content_type"))
    if kind not in types:
        kind = next(iter(types), "")
    sid, content = text(entry.get("sid")), an_object(types.get(kind))
    body = text(content.get("body")) or text(content.get("title"))
    if text(approval.get("status")).lower() != "approved" or kind in NOT_OFFERED or not (sid and body):
        return None
    variables = an_object(entry.get("variables"))
    keys = in_order({*variables, *_keys_in(content)})
    send: Object = {"content_sid": sid}
    if keys:
        send["variables"] = {key: placeholder(key) for key in keys}
    return OfferedTemplate(
        EVERY_ADDRESS,
        sid,
        text(entry.get("friendly_name")) or text(approval.get("name")) or sid,
        text(entry.get("language")),
        body,
        send,
        text(approval.get("category")).lower() or None,
        text(content.get("header_text")) or None,
        text(content.get("footer")) or text(content.get("subtitle")) or None,
        tuple(_buttons(content)),
        tuple(TemplateParameter(key, text(variables.get(key)) or None) for key in keys),
    )


def _buttons(content: Object) -> Iterator[TemplateButton]:
    """Of a list, the one that opens it."""
    for action in map(an_object, objects(content.get("actions"))):
        yield TemplateButton(
            BUTTONS.get(text(action.get("type")).upper() or "QUICK_REPLY", "other"), text(action.get("title"))
        )
    if opens := text(content.get("button")):
        yield TemplateButton("other", opens)


def _keys_in(value: Any) -> Iterator[str]:
    """Also of a link's end, and of whatever else there is to fill in."""
    match value:
        case str():
            yield from keys_of(value)
        case dict():
            for each in value.values():
                yield from _keys_in(each)
        case list():
            for each in value:
                yield from _keys_in(each)
