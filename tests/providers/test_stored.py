"""The database takes what the adapters make of every case: none of it is refused."""

from __future__ import annotations

import pytest

from tests.providers.case_table import all_cases
from ventana.messages import IdentityChange, InboundMessage, Parked, Preference, StatusUpdate
from ventana.providers import PROVIDERS
from ventana.schema.connection import Database
from ventana.schema.inbound import record_inbound
from ventana.settings import Settings

OUTCOMES = {
    InboundMessage: {"recorded", "duplicate", "echo"},
    StatusUpdate: {"moved", "unchanged", "orphaned"},
    IdentityChange: {"moved", "unchanged", "unmatched", "recorded"},
    Preference: {"moved", "unchanged", "unmatched", "recorded"},
    Parked: {"parked", "noticed"},
}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_item_of_every_case_is_stored(database_url: str, provider: str) -> None:
    database = Database(Settings(database_url=database_url))
    for case in all_cases():
        if case.provider_name == provider:
            items = case.provider.parse(case.request())
            for row in record_inbound(database, items):
                assert row.outcome in OUTCOMES[type(items[row.place])], (case.label, row)
    database.close()
