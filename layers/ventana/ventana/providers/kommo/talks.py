"""The talks of a Kommo account and the messages in them, as its API lists them.

Known from a single source and not tried on a live account: what has another shape than expected is no list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from ventana.errors import ListingFailed
from ventana.http import HttpRequest, Transport
from ventana.messages import Customer
from ventana.providers.reading import Object, an_object, decoded_json, moment, text
from ventana.secrets import ProviderSecrets

USUAL_PAGE = 50
LARGEST_PAGE = 250
MOST_PAGES = 10


@dataclass(frozen=True, slots=True)
class Listed:
    """The objects of a page, and whether Kommo says that there are more."""

    entries: list[Object]
    more: bool


def listed(path: str, name: str, secrets: ProviderSecrets, http: Transport, size: int = USUAL_PAGE) -> Listed:
    """One page of a list. Raises ListingFailed for anything that is no list: it must not pass for an empty one."""
    origin = f"https://{secrets.first('subdomain')}.kommo.com/api/v4"
    headers = {"authorization": f"Bearer {secrets.first('access_tokens')}", "accept": "application/json"}
    reply = http(HttpRequest("GET", f"{origin}/{path}", headers))
    if reply.status == 204:
        return Listed([], False)
    if reply.status != 200:
        raise ListingFailed(f"the list was answered with {reply.status}", reply.status)
    try:
        answer = an_object(decoded_json(reply.body))
    except ValueError:
        answer = {}
    entries: Any = an_object(answer.get("_embedded")).get(name, answer.get(name))
    if not isinstance(entries, list):
        raise ListingFailed(f"the answer holds no list of {name}")
    more = bool(an_object(answer.get("_links")).get("next")) or len(entries) >= size
    return Listed([entry for entry in entries if isinstance(entry, dict)], more)


def id_of(talk: Object) -> str:
    """The id that answers are addressed to."""
    return text(talk.get("talk_id")) or text(talk.get("id"))


def is_open(talk: Object) -> bool:
    """Whether it says of itself that it takes answers."""
    return talk.get("is_in_work") is True or text(talk.get("is_in_work")).lower() in ("1", "true")


def changed_since(talk: Object, since: datetime) -> bool:
    """Whether anything happened in it since then, as far as it tells."""
    return (moment(talk.get("updated_at")) or since) >= since


def talks_of(customer: Customer, secrets: ProviderSecrets, http: Transport) -> list[Object]:
    """The contact's talks in the chat that the customer wrote in; none where contact or chat are not known.

    Raises ListingFailed or SendError.
    """
    if not (customer.contact_id and customer.chat_id):
        return []
    query = urlencode({"filter[contact_id][]": customer.contact_id, "limit": LARGEST_PAGE})
    talks = listed(f"talks?{query}", "talks", secrets, http, LARGEST_PAGE)
    if talks.more:
        raise ListingFailed("the list of talks is too long")
    return [talk for talk in talks.entries if id_of(talk) and text(talk.get("chat_id")) == customer.chat_id]


def messages_of(talk: str, since: datetime, secrets: ProviderSecrets, http: Transport) -> Iterator[Object]:
    """The talk's messages since then, and perhaps older ones. Raises ListingFailed or SendError."""
    path, seen = f"talks/{quote(talk, safe='')}/messages", set[str]()
    for page in range(1, MOST_PAGES + 1):
        found = listed(f"{path}?page={page}" if page > 1 else path, "messages", secrets, http)
        new = [entry for entry in found.entries if text(entry.get("id")) not in seen]
        yield from new
        seen |= {text(entry.get("id")) for entry in new}
        if not (found.more and new) or is_past(found.entries, "created_at", since):
            return  # all of them, the same page again, or older ones only
    raise ListingFailed("the list of messages is too long")


def is_past(entries: list[Object], name: str, since: datetime) -> bool:
    """Whether the rest is from before `since`, as far as the list shows itself to be newest first."""
    times = [time for entry in entries if (time := moment(entry.get(name)))]
    return bool(times) and max(times) < since and times[0] >= times[-1]
