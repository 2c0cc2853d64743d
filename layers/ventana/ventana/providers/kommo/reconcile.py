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
from ventana.http import HttpRequest, Transport
from ventana.messages import InboundMessage, Item
from ventana.providers.base import Known, Page, RawRequest
from ventana.providers.kommo.form import flat
from ventana.providers.kommo.parse import parse
from ventana.providers.reading import Object, an_object, decoded_json, moment, picked, text
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
        talks = _listed(f"talks?limit={TALKS_A_PAGE}&page={page}", "talks", secrets, http)
        changed = [talk for talk in talks if _id(talk) and (_changed(talk) or since) >= since]
        found = [message for talk in changed for message in _messages(talk, secrets, http)]
        wanted = [message for message in found if _is_incoming(message, since, until)]
        ours = known(text(message["id"]) for message in wanted)
        items = [item for message in wanted if text(message["id"]) not in ours for item in _items(message, account)]
        page = page + 1 if len(talks) == TALKS_A_PAGE and not _is_past(talks, since) else 0
        yield Page(len(wanted), items, str(page) if page else None)


def _messages(talk: Object, secrets: ProviderSecrets, http: Transport) -> list[Object]:
    """The talk's messages, each with what its hook would tell of the talk; none of a talk that is gone."""
    try:
        messages = _listed(f"talks/{quote(_id(talk), safe='')}/messages", "messages", secrets, http)
    except ListingFailed as error:
        if error.status != 404:
            raise
        return []
    return [{**picked(talk, FROM_TALK), "talk_id": _id(talk), **message} for message in messages]


def _listed(path: str, name: str, secrets: ProviderSecrets, http: Transport) -> list[Object]:
    """The objects of one list. Raises ListingFailed for anything that is no list: it must not pass for an empty one."""
    origin = f"https://{secrets.first('subdomain')}.kommo.com/api/v4"
    headers = {"authorization": f"Bearer {secrets.first('access_tokens')}", "accept": "application/json"}
    reply = http(HttpRequest("GET", f"{origin}/{path}", headers))
    if reply.status == 204:
        return []
    if reply.status != 200:
        raise ListingFailed(f"the list was answered with {reply.status}", reply.status)
    try:
        answer = an_object(decoded_json(reply.body))
    except ValueError:
        answer = {}
    entries = an_object(answer.get("_embedded")).get(name, answer.get(name))
    if not isinstance(entries, list):
        raise ListingFailed(f"the answer holds no list of {name}")
    return [entry for entry in entries if isinstance(entry, dict)]


def _id(talk: Object) -> str:
    return text(talk.get("talk_id")) or text(talk.get("id"))


def _changed(talk: Object) -> datetime | None:
    return moment(talk.get("updated_at"))


def _is_past(talks: list[Object], since: datetime) -> bool:
    """Whether the rest changed before `since`, as far as the list shows itself to be newest first."""
    times = [changed for talk in talks if (changed := _changed(talk))]
    return bool(times) and max(times) < since and times[0] >= times[-1]


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
