"""Whether a customer wants marketing messages, as WhatsApp's own switch for them says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ventana.messages import Preference
from ventana.providers.meta.envelope import META, Change
from ventana.providers.meta.identity import customer_of
from ventana.providers.parking import Poison
from ventana.providers.reading import Object, moment, text

OPTED_OUT: Mapping[str, bool] = {"stop": True, "resume": False, "signup": False}
CATEGORY = "marketing_messages"


def preference_of(change: Change, raw: Object) -> Iterator[Preference]:
    """Read an entry of `user_preferences`."""
    value = text(raw.get("value")).lower()
    if value not in OPTED_OUT or text(raw.get("category")) not in (CATEGORY, ""):
        raise Poison("preference not known")
    customer = customer_of(raw.get("wa_id"), raw.get("user_id"), change.contacts)
    if not (customer and change.business_address):
        raise Poison(f"preference without known {'address' if customer else 'customer'}")
    yield Preference(
        provider=META,
        business_address=change.business_address,
        customer=customer,
        opted_out=OPTED_OUT[value],
        at=moment(raw.get("timestamp")),
        raw=raw,
    )
