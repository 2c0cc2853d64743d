"""The phone and name behind a contact, which Kommo's hooks leave out: asked for with the contact's id."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import quote

from ventana.errors import AskedTooMuch, Unavailable
from ventana.http import HttpRequest, Transport
from ventana.messages import Customer, IdentityChange
from ventana.providers.fetching import asked
from ventana.providers.kommo.identity import PHONE, typed_phone
from ventana.providers.kommo.message import KOMMO
from ventana.providers.reading import Object, an_object, decoded_json, objects, text
from ventana.secrets import ProviderSecrets

BLOCKED = timedelta(hours=6)
"""After a 403, which is what Kommo answers to accounts and addresses that went on after a 429."""
NOTHING_TO_LEARN = frozenset({204, 404})


def lookup(customer: Customer, secrets: ProviderSecrets, http: Transport) -> IdentityChange | None:
    """Ask for the contact; None where there is none, or nothing is known of it.

    Raises Unavailable where asking again may help, AskedTooMuch where nothing of the account should be asked for now.
    """
    if not customer.contact_id:
        return None
    reply = asked(http, _request(customer.contact_id, secrets))
    if reply.status in NOTHING_TO_LEARN:
        return None
    if reply.status in (401, 402, 403):
        raise AskedTooMuch(f"the provider answered {reply.status}", BLOCKED)
    try:
        contact = an_object(decoded_json(reply.body))
    except ValueError:
        contact = {}
    if reply.status != 200 or not contact:
        raise Unavailable(f"the provider's answer holds no contact (status {reply.status})")
    phone, name = next(_phones(contact), None), text(contact.get("name")).strip()
    if not phone and not name:
        return None
    found = Customer(contact_id=customer.contact_id, phone=phone, name=name or None)
    return IdentityChange(KOMMO, secrets.get("account_id") or "", found)


def _request(contact_id: str, secrets: ProviderSecrets) -> HttpRequest:
    return HttpRequest(
        "GET",
        f"https://{secrets.first('subdomain')}.kommo.com/api/v4/contacts/{quote(contact_id, safe='')}",
        {"authorization": f"Bearer {secrets.first('access_tokens')}"},
    )


def _phones(contact: Object) -> Iterator[str]:
    """The contact's numbers that say themselves which country they are of, in Kommo's order."""
    for field in map(an_object, objects(contact.get("custom_fields_values"))):
        if field.get("field_code") == PHONE:
            values = (text(an_object(value).get("value")) for value in objects(field.get("values")))
            yield from filter(None, map(typed_phone, values))
