"""Asking Kommo what became of a send whose answer was lost: its talks show what was written in them.

An answer is known by its text and time alone. It may stand in another talk than the customer's is now: they are closed
and reopened, and the sender looks for the open one.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from ventana.content import summary
from ventana.errors import ListingFailed, SendError
from ventana.http import Transport
from ventana.messages import Customer, OutboundMessage, Receipt
from ventana.providers.base import Known
from ventana.providers.kommo.message import role_of
from ventana.providers.kommo.talks import changed_since, id_of, messages_of, talks_of
from ventana.providers.reading import Object, an_object, moment, text
from ventana.secrets import ProviderSecrets

CALLS_PER_SECOND = 5.0
"""Kommo blocks an account or an address for more than 7, and the sender calls as well."""
SLACK = timedelta(seconds=5)
"""Kommo's times are whole seconds, of another clock."""


def find_taken(
    message: OutboundMessage,
    since: datetime,
    until: datetime,
    secrets: ProviderSecrets,
    http: Transport,
    known: Known,
) -> Receipt | None:
    """Look for the answer in the customer's talks; None: it stands in none of them.

    Raises ListingFailed where it cannot be told.
    """
    body = summary(message.content)
    try:
        found = _written(message.customer, since - SLACK, secrets, http)
    except SendError as error:
        raise ListingFailed("the list could not be asked for") from error
    if not _reaches(found, since + SLACK):
        raise ListingFailed("the list does not show what was answered")
    possible = [entry for entry in found if _is_possible(entry, body, since - SLACK, until + SLACK)]
    others = known(text(entry.get("id")) for entry in possible)
    alike = {text(entry.get("id")) for entry in possible if _is_clear(entry)} - others
    # An echo is recorded as another message where Kommo has changed the text.
    doubtful = [
        entry for entry in possible if not _is_clear(entry) or (text(entry["id"]) in others and entry["text"] != body)
    ]
    if len(alike) == 1:
        return Receipt(alike.pop(), "sent")
    if alike or doubtful:
        raise ListingFailed("several messages could be this one" if alike else "a message there cannot be compared")
    return None


def _written(customer: Customer, since: datetime, secrets: ProviderSecrets, http: Transport) -> list[Object]:
    """What was written since then, and perhaps before, in every talk where the answer may stand."""
    talks = {id_of(talk) for talk in talks_of(customer, secrets, http) if changed_since(talk, since)}
    if customer.talk_id:
        talks.add(customer.talk_id)
    return [entry for talk in sorted(talks) for entry in messages_of(talk, since, secrets, http)]


def _reaches(entries: list[Object], since: datetime) -> bool:
    """Whether a customer's message from before `since` is there: what was answered comes before the answer, and a list
    that does not show it may not show the answer either.
    """
    times = [moment(entry.get("created_at")) for entry in entries if _is_customers(entry)]
    return any(at <= since for at in times if at)


def _is_customers(entry: Object) -> bool:
    """Whether it says of itself who wrote it; of a hook, silence means the customer."""
    told = text(entry.get("type")) or text(an_object(entry.get("author")).get("type"))
    return bool(told) and role_of(entry) == "user"


def _is_possible(entry: Object, body: str, since: datetime, until: datetime) -> bool:
    """Whether nothing speaks against its being this answer."""
    theirs, at = entry.get("text"), moment(entry.get("created_at"))
    says_another = isinstance(theirs, str) and _plain(theirs) != _plain(body)
    return not (_is_customers(entry) or says_another or (at and not since <= at <= until))


def _is_clear(entry: Object) -> bool:
    """Whether it tells all that is compared."""
    told = isinstance(entry.get("text"), str) and moment(entry.get("created_at")) and text(entry.get("id"))
    return bool(told) and role_of(entry) == "assistant"


def _plain(body: str) -> str:
    """A text as it may come back: white space is not always kept, and half an emoji never."""
    return " ".join(body.encode("utf-8", "replace").decode().split())
