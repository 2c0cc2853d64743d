"""What wraps Meta's items, `object` → `entry` → `changes` → `value`: what they share, and one of them alone in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ventana.messages import Parked
from ventana.providers import parking
from ventana.providers.reading import Object, an_object, objects, picked, text

META = "meta"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one entry, and what its items share."""

    field: str
    business_address: str
    contacts: list[Object]
    errors: list[Any]
    value: Object
    entry: Object
    payload: Object

    def park(self, section: str, why: Exception, raw: Any) -> Parked:
        """Set aside one item of a section of the value: alone, with our number and the contacts that it names."""
        value = picked(self.value, ("messaging_product", "metadata"))
        contacts = self._named_by(raw)
        if contacts:
            value["contacts"] = contacts
        return park_change(self.payload, self.entry, {"field": self.field, "value": {**value, section: raw}}, why)

    def _named_by(self, raws: Any) -> list[Object]:
        """One contact may be meant without being named; of a thousand, the others' do not belong to this item."""
        names = {text(name) for raw in objects(raws) for name in an_object(raw).values()} - {""}
        if len(self.contacts) <= 1:
            return self.contacts
        return [
            contact for contact in self.contacts if {text(contact.get("wa_id")), text(contact.get("user_id"))} & names
        ]


def change_of(payload: Object, entry: Object, field: str, value: Object) -> Change:
    """Read what the items of a value share; all of it may be missing."""
    return Change(
        field=field,
        business_address=text(an_object(value.get("metadata")).get("phone_number_id")),
        contacts=[contact for contact in objects(value.get("contacts")) if isinstance(contact, dict)],
        errors=objects(value.get("errors")),
        value=value,
        entry=entry,
        payload=payload,
    )


def park_change(payload: Object, entry: Object, change: Any, why: Exception) -> Parked:
    """Set aside a whole change."""
    return park_entry(payload, {**picked(entry, ("id", "time")), "changes": [change]}, why)


def park_entry(payload: Object, entry: Any, why: Exception) -> Parked:
    """Set aside a whole entry."""
    body = {**picked(payload, ("object",)), "entry": [entry]}
    return parking.parked(META, why, json.dumps(body, separators=(",", ":")).encode())
