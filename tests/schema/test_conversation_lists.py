"""Pages of conversations: which fit, in which order, and what is shown beside them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.schema.conftest import rows
from tests.schema.sending import DAY, HOUR, MINUTE, NOW, SECOND, answer, our_address, somebody, text, writes
from ventana.messages import Customer
from ventana.schema.connection import Database
from ventana.schema.conversation_lists import (
    NEWEST,
    STATUSES,
    FoundConversation,
    Place,
    Wanted,
    conversations_of,
    list_conversations,
)
from ventana.schema.inbound import record_inbound
from ventana.schema.lifecycle import change_conversation
from ventana.schema.reads import see_conversation
from ventana.window import window

PROVIDERS = ("kommo", "meta", "twilio")
Pages = Callable[..., list[FoundConversation]]


@pytest.fixture
def pages(database: Database) -> Pages:
    """All that pages of a few lead to, each once."""

    def read(limit: int = 2, scan: int = 5_000, at: datetime = NOW, **wanted: Any) -> list[FoundConversation]:
        found: list[FoundConversation] = []
        place: Place | None = NEWEST
        for _ in range(200):
            assert place
            page, place = list_conversations(
                database, Wanted(**wanted), limit, place, now=at, margin=MINUTE, providers=PROVIDERS, scan=scan
            )
            assert len(page) <= limit
            found += page
            if place is None:
                assert len({each.id for each in found}) == len(found)
                return found
        raise AssertionError("the list has no end")

    return read


@pytest.fixture
def many(database: Database) -> list[str]:
    """Conversations of every provider and status, some at the same moment, some without a message; in their order."""
    made = rows(
        database,
        """
        insert into kommo_conversations (provider, kommo_chat_id, phone, status, last_message_at, last_user_message_at,
                                         last_bot_response_at, window_closed_for, assigned_to, channel)
        select p, case p when 'kommo' then 'chat' || n || s end, '+55' || n || s, s, t.at,
               case when n % 3 > 0 then t.at end, case when n % 4 = 0 then t.at end,
               case when n % 7 = 0 then t.at end, case when n % 5 = 0 then 'eva' end,
               case when n % 11 = 0 then 'telegram' else 'whatsapp' end
          from generate_series(0, 31) n, unnest(%s::text[]) p, unnest(%s::text[]) s,
               lateral (select case when n < 28 then %s - n / 2 * interval '118 minutes' end as at) t
         where (n + length(p) + length(s)) %% 3 = 0
        returning id::text
        """.replace("n % ", "n %% "),
        list(PROVIDERS),
        list(STATUSES),
        NOW,
    )
    assert len(made) > 80
    return [
        found
        for (found,) in rows(
            database, "select id::text from kommo_conversations order by last_message_at desc nulls last, id"
        )
    ]


def where(database: Database, condition: str) -> set[str]:
    return {found for (found,) in rows(database, f"select id::text from kommo_conversations where {condition}")}


@pytest.mark.parametrize("scan", [5_000, 12, 3])
def test_each_is_listed_once_and_in_order(database: Database, many: list[str], pages: Pages, scan: int) -> None:
    """Whatever is asked for, and however few a page may look at."""
    for limit in (2, 7, 200):
        assert [each.id for each in pages(limit, scan)] == many
    cases: list[tuple[dict[str, Any], str]] = [
        *(({"provider": provider}, f"provider = '{provider}'") for provider in PROVIDERS),
        *(({"status": status}, f"status = '{status}'") for status in STATUSES),
        ({"provider": "meta", "status": "closed"}, "provider = 'meta' and status = 'closed'"),
        ({"assigned_to": "eva"}, "assigned_to = 'eva'"),
        ({"assigned_to": "eva", "status": "closed"}, "assigned_to = 'eva' and status = 'closed'"),
        ({"assigned_to": "leo"}, "false"),
        ({"waiting": True}, "last_user_message_at > coalesce(last_bot_response_at, '-infinity')"),
        (
            {"waiting": False},
            "not coalesce(last_user_message_at > coalesce(last_bot_response_at, '-infinity'), false)",
        ),
        ({"waiting": True, "provider": "meta"}, "provider = 'meta' and last_bot_response_at is null"
         " and last_user_message_at is not null"),
    ]  # fmt: skip
    for wanted, condition in cases:
        fit = where(database, condition)
        assert [each.id for each in pages(5, scan, **wanted)] == [each for each in many if each in fit], wanted


@pytest.mark.parametrize("scan", [5_000, 12])
@pytest.mark.parametrize("more", [{}, {"provider": "kommo"}, {"status": "active"}])
def test_windows_are_as_they_are_shown(
    database: Database, many: list[str], pages: Pages, scan: int, more: dict[str, str]
) -> None:
    """By the same rules as each conversation's own, with the margin at its end."""
    found = {each.id: each for each in pages(50, **more)}
    state = {
        each.id: window(
            each.last_user_message_at, NOW, channel=each.channel, closed_for=each.window_closed_for, margin=MINUTE
        )
        for each in found.values()
    }
    listed = {kind: [each.id for each in pages(5, scan, window=kind, **more)] for kind in ("open", "closing", "shut")}
    assert listed["open"] == [each for each in many if each in state and state[each].open]
    assert listed["shut"] == [each for each in many if each in state and not state[each].open]
    assert len(listed["open"]) > 10
    assert listed["shut"]
    soon = [
        each for each in many if each in state and state[each].open and 0 <= (state[each].minutes_left or 9999) < 60
    ]
    assert soon
    if scan > len(many):  # else those are left out that close last
        assert listed["closing"] == soon


def test_a_page_goes_on_though_conversations_move(database: Database, many: list[str]) -> None:
    first, place = list_conversations(database, limit=3)
    assert place
    rows(database, "update kommo_conversations set last_message_at = now() where id = %s returning 1", many[-1])
    rows(database, "delete from kommo_conversations where id = %s returning 1", first[-1].id)
    second, _ = list_conversations(database, Wanted(), 3, place)
    assert [each.id for each in second] == many[3:6]


def talk(database: Database, *moments: tuple[str, float]) -> str:
    """A conversation in which the customer and we wrote, so many minutes ago."""
    customer, address = somebody(), our_address()
    found = ""
    for role, minutes in sorted(moments, key=lambda each: -each[1]):
        at = NOW - minutes * MINUTE
        if role == "user":
            found = str(writes(database, customer, address, at).conversation_id)
        elif role == "reaction":
            writes(database, customer, address, at, content_type="reaction", opens_window=False)
        else:
            answer(database, found, text(), at=at)
    return found


WAITING: list[tuple[list[tuple[str, float]], int, float | None]] = [
    ([("user", 9)], 1, 9),
    ([("user", 9), ("user", 5), ("user", 1)], 3, 9),
    ([("user", 9), ("assistant", 5)], 0, None),
    ([("user", 9), ("assistant", 5), ("user", 2), ("user", 1)], 2, 2),
    ([("user", 9), ("assistant", 5), ("user", 2), ("assistant", 1)], 0, None),
    ([("user", 9), ("assistant", 5), ("reaction", 1)], 0, None),
    ([("user", 9), ("reaction", 1)], 1, 9),
]


@pytest.mark.parametrize(("moments", "unread", "since"), WAITING)
def test_who_waits_since_when(
    shared: Database, moments: list[tuple[str, float]], unread: int, since: float | None
) -> None:
    """And how much of it nobody has read; our own answer says that we have."""
    found = talk(shared, *moments)
    (listed,) = conversations_of(shared, [found])
    assert listed.unread == unread
    assert listed.waiting_since == (NOW - since * MINUTE if since else None)
    assert see_conversation(shared, found) is True
    assert see_conversation(shared, found) is False
    (listed,) = conversations_of(shared, [found])
    assert (listed.unread, listed.waiting_since) == (0, NOW - since * MINUTE if since else None)


def test_what_comes_after_it_was_seen_is_unread(shared: Database) -> None:
    customer, address = somebody(), our_address()
    found = str(writes(shared, customer, address).conversation_id)
    see_conversation(shared, found)
    for number in (1, 2):
        writes(shared, customer, address, NOW + number * SECOND)
    assert [each.unread for each in conversations_of(shared, [found])] == [2]


def test_those_that_become_one_are_never_less_than_unread(shared: Database) -> None:
    """What was seen of either; at the most, that is shown again which came since our last answer."""
    phone, user_id = Customer(phone="+5511900000077"), Customer(user_id="BR.77")
    address = our_address()
    ids = []
    for customer in (phone, user_id):
        for number in range(3):
            found = writes(shared, customer, address, NOW + number * SECOND, provider="meta")
        ids.append(str(found.conversation_id))
        see_conversation(shared, ids[-1])
    both = Customer(phone=phone.phone, user_id=user_id.user_id)
    joined = str(writes(shared, both, address, NOW + MINUTE, provider="meta").conversation_id)
    (listed,) = conversations_of(shared, ids)
    assert listed.id == joined
    assert 1 <= listed.unread <= 7
    see_conversation(shared, joined)
    assert [each.unread for each in conversations_of(shared, [joined])] == [0]
    answer(shared, joined, text(), at=NOW + 2 * MINUTE)
    assert [each.unread for each in conversations_of(shared, [joined])] == [0]


def test_the_last_message(shared: Database) -> None:
    customer, address = somebody(), our_address()
    found = str(writes(shared, customer, address, content="x" * 300).conversation_id)
    (listed,) = conversations_of(shared, [found])
    assert listed.last_message
    assert (listed.last_message["content"], listed.last_message["role"]) == ("x" * 200, "user")
    sent = answer(shared, found, {"type": "template", "content_sid": "HX1"}, at=NOW + MINUTE)
    (listed,) = conversations_of(shared, [found])
    assert listed.last_message == {
        "id": sent,
        "role": "assistant",
        "content": "HX1",
        "content_type": "template",
        "status": "accepted",
        "error_code": None,
        "created_at": (NOW + MINUTE).isoformat(),
    }


def test_a_conversation_without_a_message_shows_none(shared: Database) -> None:
    found = rows(
        shared,
        "insert into kommo_conversations (provider, phone, user_message_count) values ('meta', '+5511900000088', null)"
        " returning id::text",
    )[0][0]
    (listed,) = conversations_of(shared, [found])
    assert (listed.unread, listed.waiting_since, listed.last_message) == (0, None, None)
    assert see_conversation(shared, found) is True
    assert conversations_of(shared, []) == []


NAMED = {
    "José María Núñez": "+5511987650001",
    "Conceição D'Ávila": "+5521987650002",
    "ANA maria": "+34600111222",
    "O'Brien-Smith": "+15550104321",
    "🙂 Łukasz": "+5511987659999",
}
SEARCHES = {
    "jose": ["José María Núñez"],
    "JOSÉ": ["José María Núñez"],
    "maria": ["José María Núñez", "ANA maria"],
    "mar": ["José María Núñez", "ANA maria"],
    "maria nunez": ["José María Núñez"],
    "nunez, maria": ["José María Núñez"],
    "conceicao": ["Conceição D'Ávila"],
    "avila": ["Conceição D'Ávila"],
    "d'avila": ["Conceição D'Ávila"],
    "smith": ["O'Brien-Smith"],
    "+55": ["José María Núñez", "Conceição D'Ávila", "🙂 Łukasz"],
    "+5511": ["José María Núñez", "🙂 Łukasz"],
    "+55 (11) 98765-0001": ["José María Núñez"],
    "11 98765 0001": ["José María Núñez"],
    "987650002": ["Conceição D'Ávila"],
    "222": ["ANA maria"],
    "321": ["O'Brien-Smith"],
    "ana 222": ["ANA maria"],
    "ana 321": [],
    "jose@example.com": ["José María Núñez"],
    "example": ["José María Núñez"],
    "sofá": ["Conceição D'Ávila"],
    "sofas azules": ["Conceição D'Ávila"],
    '"sofá azul"': ["Conceição D'Ávila"],
    '"azul sofá"': [],
    "sofá or mesa": ["Conceição D'Ávila", "ANA maria"],
    "sofá -azul": [],
    "-azul": [],
    "el la de": [],
    "' & | ! : * \\ ) (": [],
    "🙂": ["🙂 Łukasz"],
    "nobody": [],
    "%": [],
}


@pytest.fixture(scope="module")
def named(shared: Database) -> dict[str, str]:
    """These customers, each with a message of theirs."""
    found = {}
    for number, (name, phone) in enumerate(NAMED.items()):
        customer = Customer(phone=phone, name=name)
        said = {1: "¿Tienen el sofá azul?", 2: "una mesa"}.get(number, "hola")
        at = NOW + (50 - number) * DAY
        found[str(writes(shared, customer, our_address(), at, provider="meta", content=said).conversation_id)] = name
    rows(
        shared,
        "update kommo_conversations set contact_email = 'Jose@Example.com' where contact_name ~ '^José' returning 1",
    )
    return found


@pytest.mark.parametrize(("q", "wanted"), SEARCHES.items())
def test_conversations_are_found(shared: Database, named: dict[str, str], q: str, wanted: list[str]) -> None:
    page, place = list_conversations(shared, Wanted(q=q), 50, now=NOW)
    assert [named[each.id] for each in page if each.id in named] == wanted
    assert place is None or len(page) == 50, "others here have phones that begin alike"


def test_what_a_conversation_was_found_by(shared: Database, named: dict[str, str]) -> None:
    """The message, or the part of a long one that has the words; none where the name has them."""
    long = ("relleno " * 200) + "el taburete verde " + ("y más " * 200)
    found = str(writes(shared, content=long).conversation_id)
    ((listed,), _) = list_conversations(shared, Wanted(q="taburetes"), now=NOW)
    assert listed.id == found
    assert listed.found
    assert "taburete verde" in listed.found["content"]
    assert len(listed.found["content"]) < 400
    assert listed.found["message_id"] == (listed.last_message or {})["id"]
    ((listed,), _) = list_conversations(shared, Wanted(q="conceicao"), now=NOW)
    assert listed.found is None
    assert list_conversations(shared, Wanted(q="conceicao", provider="twilio"), now=NOW) == ([], None)
    assert len(list_conversations(shared, Wanted(q="conceicao", provider="meta"), now=NOW)[0]) == 1


def test_what_is_found_is_paged(database: Database, pages: Pages) -> None:
    customers = [Customer(phone=f"+5511900{number:06}", name="Luz") for number in range(9)]
    made = [
        str(writes(database, customer, at=NOW + number // 2 * SECOND, content="la lámpara de luz").conversation_id)
        for number, customer in enumerate(customers)
    ]
    silent = rows(
        database, "insert into kommo_conversations (provider, contact_name) values ('meta', 'Luz') returning id::text"
    )[0][0]
    found = [each.id for each in pages(2, q="luz")]
    assert sorted(found) == sorted([*made, silent])
    assert found[-1] == silent
    assert found[:-1] == [
        each
        for (each,) in rows(
            database,
            "select id::text from kommo_conversations where last_message_at is not null"
            " order by last_message_at desc, id",
        )
    ]


def test_words_follow_the_customer(database: Database) -> None:
    """A name that is learned later, one that is changed by hand, two that become one, one that goes."""
    customer = Customer(phone="+5511911110000")
    found = str(writes(database, customer, "1").conversation_id)

    def finds(q: str) -> list[str]:
        return [each.id for each in list_conversations(database, Wanted(q=q))[0]]

    assert finds("0000") == [found]
    assert finds("zoila") == []
    writes(database, Customer(phone=customer.phone, name="Zoila"), "1", NOW + SECOND)
    assert finds("zoila") == [found]
    rows(
        database, "update kommo_conversations set contact_name = 'Berta', phone = null where id = %s returning 1", found
    )
    assert (finds("zoila"), finds("0000"), finds("berta")) == ([], [], [found])
    rows(database, "delete from kommo_conversations where id = %s returning 1", found)
    assert finds("berta") == []
    assert rows(database, "select * from customer_words") == []


def test_a_message_of_a_known_customer_writes_no_words(database: Database) -> None:
    """The row of words stays the same row."""
    customer = Customer(phone="+5511911110000", name="Ana")
    found = str(writes(database, customer, "1").conversation_id)
    before = rows(database, "select ctid, xmin::text, words::text from customer_words")
    writes(database, customer, "1", NOW + SECOND)
    answer(database, found, text())
    change_conversation(database, found, "resolve", "eva")
    assert rows(database, "select ctid, xmin::text, words::text from customer_words") == before
    assert len(before) == 1


@pytest.mark.parametrize(
    "name",
    [
        "🙂" * 10_000,
        "x" * 5_000,
        " ".join(f"w{number}" for number in range(3_000)),
        "'\\ & | :* <->",
        "\u202eevil\u200b",
        " ",
    ],
)
def test_no_name_keeps_a_message_out(database: Database, name: str) -> None:
    """Whatever somebody calls themselves, they can write."""
    found = writes(database, Customer(phone="+5511911110000", name=name))
    assert found.outcome == "recorded"
    assert [each.id for each in list_conversations(database, Wanted(q="110000"))[0]] == [found.conversation_id]


def test_whoever_writes_a_conversation_writes_its_words(database: Database) -> None:
    """Also a role that may write nothing else."""
    owner = database.owner  # type: ignore[attr-defined]
    owner.call(
        lambda connection: connection.execute(
            "create role lists_writer; grant usage on schema public to lists_writer;"
            " grant all on all tables in schema public to lists_writer; revoke all on customer_words from lists_writer;"
            " set role lists_writer;"
            " insert into kommo_conversations (provider, phone, contact_name) values ('meta', '+1', 'Iris');"
            " reset role; drop owned by lists_writer; drop role lists_writer"
        )
    )
    assert len(list_conversations(database, Wanted(q="iris"))[0]) == 1


def test_seeing_a_conversation_that_is_not_there(database: Database) -> None:
    with pytest.raises(Exception, match="no conversation with this id"):
        see_conversation(database, "6f1cbc1e-0000-4000-8000-000000000000")
    assert record_inbound(database, []) == []


def test_a_search_looks_further_back_until_it_has_enough(database: Database) -> None:
    """Messages of an hour, a day, a month and a year ago, in one order."""
    customer, address = somebody(), our_address()
    found = str(writes(database, customer, address).conversation_id)
    ago: list[timedelta] = [timedelta(0), MINUTE, 2 * HOUR, 2 * DAY, 10 * DAY, 90 * DAY, 900 * DAY]
    for each in ago:
        rows(
            database,
            "insert into kommo_messages (conversation_id, provider, role, content, created_at)"
            " values (%s, 'meta', 'assistant', %s, %s) returning 1",
            found,
            f"jarrón {each.days}d{each.seconds}s",
            NOW - each,
        )
    for limit in (1, 3, 7, 20):
        told = rows(
            database,
            "select m.content from search_messages_v1(websearch_to_tsquery('spanish', 'jarrones'), %s) s"
            " join kommo_messages m on m.id = s.message_id",
            limit,
        )
        assert len(told) == min(limit, len(ago))
        assert {content for (content,) in told} == {f"jarrón {each.days}d{each.seconds}s" for each in ago[:limit]}
