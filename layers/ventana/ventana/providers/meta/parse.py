"""From Meta's webhook to our words: every entry, change, message and status, each on its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias

from ventana.messages import InboundMessage, Item, Parked
from ventana.providers import parking
from ventana.providers.base import RawRequest
from ventana.providers.meta.call import call_of, no_call_of
from ventana.providers.meta.envelope import META, Change, change_of, park_change, park_entry
from ventana.providers.meta.identity import identity_of
from ventana.providers.meta.inbound import echo_of, message_of
from ventana.providers.meta.preference import preference_of
from ventana.providers.meta.status import status_of
from ventana.providers.parking import Notice, Poison, each, known
from ventana.providers.reading import Object, an_object, decoded_json, text

Reader: TypeAlias = Callable[[Change, Object], Iterable[Item]]
SHARED = {"messaging_product", "metadata", "contacts", "errors"}
NOTICES = {
    *("account_alerts", "account_review_update", "account_settings_update", "account_update", "automatic_events"),
    *("business_capability_update", "business_username_updates", "flows", "group_lifecycle_update"),
    *("group_participants_update", "group_settings_update", "group_status_update", "history"),
    *("message_template_components_update", "message_template_quality_update", "message_template_status_update"),
    *("messaging_handovers", "partner_solutions", "payment_configuration_update", "phone_number_name_update"),
    *("phone_number_quality_update", "security", "smb_app_state_sync", "standby", "template_category_update"),
    *("template_correct_category_detection", "user_actions"),
}
"""Webhook fields, and lists beside the messages, that say nothing about a conversation."""


def parse(request: RawRequest) -> list[Item]:
    """Read a POST: up to a thousand updates for different numbers may share one."""
    try:
        payload = decoded_json(request.body)
    except ValueError:
        return [parking.parked(META, Poison("body is not JSON"), request.body)]
    if not isinstance(payload, dict) or not isinstance(payload.get("entry"), list):
        return [parking.parked(META, Poison("body has no entries"), request.body)]
    return [item for entry in payload["entry"] for item in _entry(payload, entry)]


def _entry(payload: Object, entry: Any) -> Iterator[Item]:
    changes = an_object(entry).get("changes")
    if not isinstance(changes, list):
        yield park_entry(payload, entry, Poison("entry has no changes"))
        return
    for change in changes:
        value = an_object(change).get("value")
        field = text(an_object(change).get("field")) or "messages"
        if field not in SECTIONS:
            yield park_change(payload, entry, change, Notice(known(field, NOTICES)))
        elif not isinstance(value, dict):
            yield park_change(payload, entry, change, Poison("change has no value"))
        elif not _sections(field, value) and value.get("errors") is None:
            yield park_change(payload, entry, change, Poison("change has no items"))
        else:
            yield from _value(change_of(payload, entry, field, value))


def _sections(field: str, value: Object) -> Object:
    """The lists of a value, and what else it holds in more than one word."""
    return {
        name: raws
        for name, raws in value.items()
        if name not in SHARED and (isinstance(raws, dict | list) or name in SECTIONS[field])
    }


def _value(change: Change) -> Iterator[Item]:
    """Read the lists of a value; a section that nobody knows is kept as a notice."""
    readers, reported = SECTIONS[change.field], False
    for section, raws in _sections(change.field, change.value).items():
        if section not in readers:
            yield change.park(section, Notice(known(section, NOTICES)), raws)
        elif isinstance(raws, list):
            for item in each(raws, partial(readers[section], change), partial(_parked_alone, change, section)):
                reported |= isinstance(item, InboundMessage) and item.details.get("errors") is change.errors
                yield item
        elif raws is not None:
            yield change.park(section, Poison(f"{section} is no list"), raws)
    errors = change.value.get("errors")
    if errors and not reported:
        yield change.park("errors", Notice("errors"), errors)


def _parked_alone(change: Change, section: str, why: Exception, raw: Any) -> Parked:
    return change.park(section, why, [raw])


MESSAGES: Mapping[str, Reader] = {"messages": message_of, "message_echoes": echo_of, "statuses": status_of}
SECTIONS: Mapping[str, Mapping[str, Reader]] = {
    "messages": MESSAGES,
    "smb_message_echoes": MESSAGES,
    "user_id_update": {"user_id_update": identity_of},
    "user_preferences": {"user_preferences": preference_of},
    "calls": {"calls": call_of, "statuses": no_call_of},
}
"""The lists that we read, by the field of the change."""
