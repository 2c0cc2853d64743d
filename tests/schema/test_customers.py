"""One customer is one conversation at a provider, by whatever names it is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.schema.conftest import rows
from tests.schema.recording import HELLO, NOW, outcomes
from ventana.messages import Customer, IdentityChange, Preference
from ventana.schema.connection import Database
from ventana.schema.inbound import record_inbound


def test_one_customer_is_one_conversation_by_phone_and_by_user_id(database: Database) -> None:
    by_phone = HELLO
    by_both = replace(HELLO, provider_message_id="SM2", customer=Customer(phone="+5511987654321", user_id="BR.1349"))
    by_id = replace(HELLO, provider_message_id="SM3", customer=Customer(user_id="BR.1349"))
    assert len({row.conversation_id for row in record_inbound(database, [by_phone, by_both, by_id])}) == 1
    assert rows(database, "select phone, provider_user_id from kommo_conversations") == [("+5511987654321", "BR.1349")]


def test_rows_that_turn_out_to_be_one_customer_are_joined(database: Database) -> None:
    """The phone in one message, the id in the next, both in a third."""
    phone, user_id = Customer(phone="+5511987654321", name="Ana"), Customer(user_id="BR.1349")
    both = Customer(phone="+5511987654321", user_id="BR.1349")
    first = record_inbound(database, [replace(HELLO, customer=phone)])[0]
    second = record_inbound(database, [replace(HELLO, provider_message_id="SM2", customer=user_id)])[0]
    assert first.conversation_id != second.conversation_id
    third = record_inbound(database, [replace(HELLO, provider_message_id="SM3", customer=both)])[0]
    assert third.conversation_id == first.conversation_id
    assert rows(
        database,
        "select phone, provider_user_id, contact_name, message_count, user_message_count from kommo_conversations",
    ) == [("+5511987654321", "BR.1349", "Ana", 3, 3)]
    assert rows(database, "select count(*) from kommo_messages") == [(3,)]
    assert rows(database, "select count(*) from events where name = 'ConversationsMerged'") == [(1,)]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("+5511987654321", "+551187654321", True),  # Brazil's ninth digit
        ("+551187654321", "+5511987654321", True),
        ("+551132654321", "+5511932654321", False),  # a landline has none
        ("+5215512345678", "+525512345678", True),  # Mexico's 1
        ("+525512345678", "+5215512345678", True),
        ("+5491123456789", "+541123456789", True),  # Argentina's 9
        ("+541123456789", "+5491123456789", True),
        ("+34612345678", "+349612345678", False),
    ],
)
def test_one_phone_in_two_forms_is_one_customer(database: Database, first: str, second: str, same: bool) -> None:
    outcomes(database, [replace(HELLO, customer=Customer(phone=first))])
    outcomes(database, [replace(HELLO, provider_message_id="SM2", customer=Customer(phone=second))])
    stored = [row[0] for row in rows(database, "select phone from kommo_conversations order by created_at")]
    assert stored == ([first] if same else [first, second]), "and the form that we send to is never rewritten"


PHONE, ID, NEW_ID = Customer(phone="+5511987654321"), Customer(user_id="BR.old"), Customer(user_id="BR.new")


@pytest.mark.parametrize(
    ("label", "before", "change", "after"),
    [
        ("an id rotates", Customer(user_id="BR.old"), (NEW_ID, ID), (None, "BR.new")),
        ("a number changes", PHONE, (Customer(phone="+5521999999999"), PHONE), ("+5521999999999", None)),
        ("a phone becomes known", ID, (Customer(user_id="BR.old", phone="+5511"), None), ("+5511", "BR.old")),
        ("of nobody we know", PHONE, (NEW_ID, ID), ("+5511987654321", None)),
    ],
)
def test_identity_changes(
    database: Database,
    label: str,
    before: Customer,
    change: tuple[Customer, Customer | None],
    after: tuple[str | None, str | None],
) -> None:
    outcomes(database, [replace(HELLO, customer=before)])
    found = outcomes(database, [IdentityChange("twilio", "+14155238886", *change)])
    assert found == (["unmatched"] if label == "of nobody we know" else ["moved"]), label
    assert rows(database, "select phone, provider_user_id from kommo_conversations") == [after]
    if label != "of nobody we know":
        assert outcomes(database, [replace(HELLO, provider_message_id="SM2", customer=change[0])]) == ["recorded"]
        assert rows(database, "select count(*) from kommo_conversations") == [(1,)]


def test_a_change_that_comes_after_the_first_message_under_the_new_name_joins_them(database: Database) -> None:
    old = record_inbound(database, [replace(HELLO, customer=ID)])[0]
    outcomes(database, [replace(HELLO, provider_message_id="SM2", customer=NEW_ID)])
    assert outcomes(database, [IdentityChange("twilio", "+14155238886", NEW_ID, ID)]) == ["moved"]
    assert rows(database, "select id::text, provider_user_id, message_count from kommo_conversations") == [
        (old.conversation_id, "BR.new", 2)
    ]


@pytest.mark.parametrize("previous", [None, ID, Customer(user_id="BR.older")])
def test_an_identity_that_names_both_joins_them(database: Database, previous: Customer | None) -> None:
    """The phone of one row and the id of another are told together, without a message."""
    first = record_inbound(database, [replace(HELLO, customer=PHONE)])[0]
    outcomes(database, [replace(HELLO, provider_message_id="SM2", customer=ID)])
    both = Customer(phone=PHONE.phone, user_id=ID.user_id)
    change = IdentityChange("twilio", "+14155238886", both, previous)
    assert [outcomes(database, [change]), outcomes(database, [change])] == [["moved"], ["unchanged"]]
    assert rows(database, "select id::text, phone, provider_user_id, message_count from kommo_conversations") == [
        (first.conversation_id, PHONE.phone, ID.user_id, 2)
    ]


def test_a_contacts_phone_reaches_all_its_chats(database: Database) -> None:
    chats = [
        replace(HELLO, provider="kommo", provider_message_id=chat, customer=Customer(chat_id=chat, contact_id="5"))
        for chat in ("a", "b")
    ]
    outcomes(database, list(chats))
    change = IdentityChange("kommo", "100", Customer(contact_id="5", phone="+5511987654321", name="Ana"))
    assert [outcomes(database, [change]), outcomes(database, [change])] == [["moved"], ["unchanged"]]
    assert rows(database, "select phone, contact_name from kommo_conversations") == [("+5511987654321", "Ana")] * 2


def test_a_preference_is_kept_on_the_customer(database: Database) -> None:
    outcomes(database, [HELLO])
    stop = Preference("twilio", "+14155238886", HELLO.customer, opted_out=True, at=NOW)
    found = [outcomes(database, [item])[0] for item in (stop, stop, replace(stop, customer=Customer(phone="+1")))]
    assert found == ["moved", "unchanged", "unmatched"]
    assert rows(database, "select opted_out_at, opted_out_by from kommo_conversations") == [(NOW, "customer")]
    outcomes(database, [replace(stop, opted_out=False)])
    assert rows(database, "select opted_out_at, opted_out_by from kommo_conversations") == [(None, None)]


def test_a_customer_without_a_phone_is_stored_by_the_id(database: Database) -> None:
    outcomes(database, [replace(HELLO, customer=Customer(user_id="US.1349"))])
    assert rows(database, "select phone, provider_user_id from kommo_conversations") == [(None, "US.1349")]


def test_the_same_phone_at_two_providers_is_two_conversations(database: Database) -> None:
    outcomes(database, [HELLO, replace(HELLO, provider="meta", business_address="1065")])
    assert rows(database, "select count(*) from kommo_conversations") == [(2,)]
