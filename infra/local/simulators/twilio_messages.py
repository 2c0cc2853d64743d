"""What Twilio takes as a WhatsApp message, and by which of its codes it refuses the rest."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TypeAlias
from urllib.parse import parse_qs, parse_qsl, urlsplit

Form: TypeAlias = Sequence[tuple[str, str]]
LONGEST_BODY = 1600
CUSTOMER = re.compile(r"whatsapp:(\+[1-9][0-9]{6,14}|[A-Z]{2}(\.ENT)?\.[A-Za-z0-9]{1,128})")
PLACE = re.compile(r"geo:-?[0-9.]+,-?[0-9.]+(\|[^|\n]+)?")
CONTENT_SID = re.compile(r"HX[0-9a-fA-F]{32}")


class Invalid(Exception):
    """Twilio does not take this; `code` is its own."""

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        super().__init__(text)


def form_of(body: bytes) -> list[tuple[str, str]]:
    """The parameters of a call; a name may come several times."""
    return parse_qsl(body.decode(errors="replace"), keep_blank_values=True)


def check(pairs: Form, senders: set[str]) -> None:
    """Raise Invalid unless it is a message from one of our senders."""
    form = dict(pairs)
    if not form.get("To"):
        raise Invalid("21604", "A 'To' phone number is required.")
    if not form["To"].startswith("whatsapp:"):
        raise Invalid("21910", "Invalid From and To pair. From and To should be of the same channel")
    if not CUSTOMER.fullmatch(form["To"]):
        raise Invalid("21211", "Invalid 'To' Phone Number")
    if form.get("From", "").removeprefix("whatsapp:") not in senders or not form["From"].startswith("whatsapp:"):
        raise Invalid("63007", "Twilio could not find a Channel with the specified From address")
    _check_content(pairs, form)
    if form.get("StatusCallback"):
        _check_callback(form["StatusCallback"])


def kind_of(form: dict[str, str]) -> str:
    """What kind of message it is, as far as the parameters tell."""
    named = {"ContentSid": "template", "PersistentAction": "location", "MediaUrl": "media"}
    return next((kind for name, kind in named.items() if form.get(name)), "text")


def our_id(form: dict[str, str]) -> str | None:
    """The id of ours that travels in the callback's query."""
    return next(iter(parse_qs(urlsplit(form.get("StatusCallback", "")).query).get("message_id", [])), None)


def _check_content(pairs: Form, form: dict[str, str]) -> None:
    media = [value for name, value in pairs if name == "MediaUrl"]
    if not (form.get("Body") or any(media) or form.get("ContentSid")):
        raise Invalid("21602", "Message body is required.")
    if len(form.get("Body", "")) > LONGEST_BODY:
        raise Invalid("21617", "The concatenated message body exceeds the 1600 character limit.")
    if len(media) > 1:
        raise Invalid("21623", "Number of media files exceeds allowed limit")
    if not all(re.match(r"https?://[^/\s]+", url) for url in media):
        raise Invalid("21620", "Invalid media URL(s)")
    if "ContentSid" in form:
        _check_template(form)
    elif "ContentVariables" in form:
        raise Invalid("21654", "ContentSid Required")
    if "PersistentAction" in form and not PLACE.fullmatch(form["PersistentAction"]):
        raise Invalid("63005", "Channel did not accept given content")


def _check_template(form: dict[str, str]) -> None:
    if not CONTENT_SID.fullmatch(form["ContentSid"]):
        raise Invalid("21655", "The ContentSid is Invalid")
    try:
        variables = json.loads(form.get("ContentVariables", "{}"))
    except ValueError:
        variables = None
    if not isinstance(variables, dict) or not all(isinstance(value, str) and value for value in variables.values()):
        raise Invalid("21656", "The ContentVariables Parameter is Invalid")


def _check_callback(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "_" in parts.hostname:
        raise Invalid("21609", "The StatusCallback URL is not a valid URL.")
