"""Asking Kommo which messages its talks hold, for hooks that it gave up on or switched off.

Known from a single source and not tried on a live account, so nothing is done unless RECONCILE_PROVIDERS names it. Read
with tolerance: what has another shape than expected is left alone, never taken for a customer's message.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from ventana.errors import ListingFailed
from ventana.http import Transport
from ventana.messages import InboundMessage, Item
from ventana.providers.base import Known, Page, RawRequest
from ventana.providers.kommo.form import flat
from ventana.providers.kommo.parse import parse
from ventana.providers.kommo.talks import changed_since, id_of, is_past, listed
from ventana.providers.reading import Object, an_object, moment, picked, text
from ventana.secrets import ProviderSecrets

CALLS_PER_SECOND = 5.0
"""Kommo blocks an account or an address for more than 7, and the sender calls as well."""
TALKS_A_PAGE = 50
FROM_TALK = ("talk_id", "chat_id", "contact_id", "entity_type", "entity_id", "origin")


def missed(
    since: datetime,
    until: datetime,
    secrets: ProviderSecrets,
    http: Transport,
    known: Known,
    place: str | None = None,
) -> Iterator[Page]:
    """Read the talks that changed since then, and their messages. Raises ListingFailed or SendError."""
    account = secrets.first("account_id")  # the address that hooks give
    page = int(place) if place and place.isdigit() else 1
    while page:
        talks = listed(f"talks?limit={TALKS_A_PAGE}&page={page}", "talks", secrets, http).entries
        changed = [talk for talk in talks if id_of(talk) and changed_since(talk, since)]
        found = [message for talk in changed for message in _messages(talk, secrets, http)]
        wanted = [message for message in found if _is_incoming(message, since, until)]
        ours = known(text(message["id"]) for message in wanted)
        items = [item for message in wanted if text(message["id"]) not in ours for item in _items(message, account)]
        page = page + 1 if len(talks) == TALKS_A_PAGE and not is_past(talks, "updated_at", since) else 0
        yield Page(len(wanted), items, str(page) if page else None)


def _messages(talk: Object, secrets: ProviderSecrets, http: Transport) -> list[Object]:
    """The talk's messages, each with what its hook would tell of the talk; none of a talk that is gone."""
    try:
        messages = listed(f"talks/{quote(id_of(talk), safe='')}/messages", "messages", secrets, http).entries
    except ListingFailed as error:
        if error.status != 404:
            raise
        return []
    return [{**picked(talk, FROM_TALK), "talk_id": id_of(talk), **message} for message in messages]


def _is_incoming(message: Object, since: datetime, until: datetime) -> bool:
    """Only what says of itself that it is a customer's, and when: an answer of ours must not open a window."""
    kind, author = text(message.get("type")), text(an_object(message.get("author")).get("type"))
    sent_at = moment(message.get("created_at"))
    incoming = kind == "incoming" or (not kind and author == "external")
    return incoming and bool(text(message.get("id"))) and sent_at is not None and since <= sent_at <= until


def _items(message: Object, account: str) -> Iterator[Item]:
    """The hook that would have brought this message, read by the hook's own parser."""
    hook = {"message": {"add": {"0": _as_form(message)}}, "account": {"id": account}}
    for item in parse(RawRequest("POST", "", {}, flat(hook))):
        if isinstance(item, InboundMessage):
            yield replace(item, details={**item.details, "reconciled": True}, raw=message)


def _as_form(value: Any) -> Any:
    """JSON as Kommo's forms show it: every value a string, lists by index, what is null left out."""
    match value:
        case dict():
            return {str(name): _as_form(inner) for name, inner in value.items() if inner is not None}
        case list():
            return {str(index): _as_form(inner) for index, inner in enumerate(value)}
        case bool():
            return "1" if value else "0"
    return text(value).encode("utf-8", "replace").decode()
