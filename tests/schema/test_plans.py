"""What each statement reads when the tables are large: no sequential scan of a large one, and few rows by indexes.

The statements are found in the modules of ventana.schema, so that a new one fails here until it has a case. Each runs
for real, as the application, in a transaction that is taken back; what it and the functions that it calls have read is
counted by the server, often enough that a session keeps the plans that it will keep.

VENTANA_TEST_MESSAGES=1000000 looks at a million messages instead of the 200,000 that each test run has time for.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import md5
from importlib import import_module
from pkgutil import iter_modules
from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.conftest import _database as fresh_database
from tests.conftest import as_application
from ventana import schema
from ventana.providers import PROVIDERS
from ventana.schema import backfill
from ventana.schema.backfill import NOBODY
from ventana.schema.conversation_lists import NEWEST as NEWEST_CONVERSATION
from ventana.schema.conversation_lists import Place, Wanted
from ventana.schema.conversation_lists import _parameters as of_list
from ventana.schema.message_pages import NEWEST, PHASES

pytestmark = pytest.mark.slow

MESSAGES = int(os.environ.get("VENTANA_TEST_MESSAGES", "200000"))
CONVERSATIONS = MESSAGES // 10
FEW = 300
"""Rows that a statement may read: a page of a hundred, and what belongs to each."""
TIMES = 13
"""Psycopg prepares a statement that comes a sixth time, and the server may then keep a plan after five more."""
STATEMENT = re.compile(r"\s*(select|insert|update|delete|with)\b")
CALLS = re.compile(r"\b[a-z_]+_v\d+\(")
Parameters = list[Any] | dict[str, Any]

# Conversation n was last written to n hundred-thousandths of a hundred days ago; message m is the (m / conversations)th
# last of conversation m % conversations. The first hundred conversations have something to send.
FILL = """
insert into kommo_conversations (id, provider, kommo_chat_id, kommo_contact_id, provider_user_id, phone, contact_name,
                                 business_address, status, message_count, user_message_count, bot_message_count,
                                 last_message_at, last_user_message_at, window_warned_for, window_closed_for,
                                 needs_template, contact_looked_up_at, created_at)
select md5('c' || n)::uuid, p.name, case p.name when 'kommo' then 'chat' || n end,
       case p.name when 'kommo' then 'contact' || n end, 'user' || n,
       case when p.name <> 'kommo' or n % 2 = 0 then '+' || 5511900000000 + n end, 'Ana', 'address' || n % 5,
       case when n % 100 = 0 then 'escalated' when n % 10 < 7 then 'resolved' else 'active' end, 10, 5, 5,
       t.at, t.at, w.told, w.told, w.told is not null, t.at, t.at - interval '30 days'
  from generate_series(0, {conversations} - 1) n,
       lateral (select (array['twilio', 'meta', 'kommo'])[1 + n % 3] as name) p,
       lateral (select now() - n * interval '100 days' / {conversations} as at) t,
       lateral (select case when t.at < now() - interval '24 hours' then t.at end as told) w;
insert into kommo_messages (id, conversation_id, provider, business_address, provider_message_id, role, content,
                            content_type, delivery_status, opens_window, metadata, created_at, received_at,
                            provider_payload)
select md5('m' || n)::uuid, md5('c' || k.c)::uuid, (array['twilio', 'meta', 'kommo'])[1 + k.c % 3],
       'address' || k.c % 5,
       case when s.status not in ('queued', 'held', 'uncertain') then 'message' || n end,
       case when s.status = 'received' then 'user' else 'assistant' end, 'Hola', 'text', s.status,
       s.status = 'received',
       case when s.status = 'received' then '{}' else '{"send": {"if_window_closed": "hold"}}'::jsonb end, t.at, t.at,
       '{"text": "Hola"}'
  from generate_series(0, {messages} - 1) n,
       lateral (select n % {conversations} as c, n / {conversations} as nth) k,
       lateral (select now() - k.c * interval '100 days' / {conversations} - k.nth * interval '1 hour' as at) t,
       lateral (select case when k.nth % 2 = 0 then 'received'
                            when k.nth = 1 and k.c < 30 then 'queued'
                            when k.nth = 1 and k.c < 60 then 'held'
                            when k.nth = 1 and k.c < 90 then 'uncertain'
                            when n % 21 = 0 then 'failed' else 'read' end as status) s;
insert into sends (message_id, conversation_id, provider, business_address, phase, due_at, expires_at, claimed_at)
select m.id, m.conversation_id, m.provider, m.business_address,
       case m.delivery_status when 'queued' then 'ready' when 'failed' then 'over' else m.delivery_status end,
       m.created_at + case m.delivery_status when 'failed' then interval '130 days' else interval '10 minutes' end,
       now() + interval '1 day', m.created_at
  from kommo_messages m where m.delivery_status in ('queued', 'held', 'uncertain', 'failed');
insert into message_status_history (message_id, status, at, cause)
select m.id, 'read', m.created_at, 'provider' from kommo_messages m where m.delivery_status = 'read';
insert into message_media (message_id, place, source, state)
select m.id, 0, '{}', case when n < 20 then 'pending' else 'stored' end
  from (select id, row_number() over () as n from kommo_messages where role = 'user') m where n % 5 = 0 or n < 20;
insert into events (name, detail, occurred_at, published_at)
select 'MessageReceived', jsonb_build_object('n', n), t.at, case when n >= 50 then t.at end
  from generate_series(0, {messages} / 4) n, lateral (select now() - n * interval '8 days' / {messages} * 4 as at) t;
insert into former_windows (conversation_id, business_address, last_user_message_at, window_warned_for,
                            window_closed_for)
select c.id, 'other', t.at, t.told, t.told
  from (select *, row_number() over (order by last_user_message_at desc) as n from kommo_conversations) c,
       lateral (select case when c.n <= 40 then now() - interval '25 hours' else c.last_user_message_at end as at,
                       case when c.n > 40 then c.last_user_message_at end as told) t;
insert into send_pairs (conversation_id, business_address, free_at)
select id, business_address, last_message_at from kommo_conversations;
insert into conversation_history (conversation_id, at, change, changed_by)
select id, now(), 'resolved', 'ana' from kommo_conversations;
insert into idempotency_keys (caller, key, request_hash, answer, created_at)
select 'desk', n::text, '', '{}', now() - n * interval '9 days' / {conversations}
  from generate_series(1, {conversations}) n;
insert into parked_items (id, provider, kind, reason, fingerprint, received_at, replayed_at)
select md5('p' || n)::uuid, 'meta', case when n % 3 = 0 then 'poison' else 'notice' end, 'x', n::text,
       now() - n * interval '1 minute', case when n > 100 then now() end
  from generate_series(0, {conversations}) n;
insert into parked_statuses (provider, provider_message_id, status, item)
select 'meta', 'unknown' || n, 'read', '{}' from generate_series(1, {conversations}) n;
insert into customer_words (conversation_id, words)
select id, customer_words_v1(contact_name, contact_email, phone) from kommo_conversations;
insert into conversation_reads (conversation_id, seen_user_messages, seen_at)
select id, 4, last_message_at from kommo_conversations;
insert into message_templates (provider, address, id, name, language, body, send, refreshed_at)
select p, 'address' || a, 'template' || n, 'name' || n, 'es', 'Hola', '{}', now()
  from unnest(array['twilio', 'meta', 'kommo']) p, generate_series(0, 19) a, generate_series(0, 19) n;
insert into hourly_statistics (hour, provider, received, sent)
select date_trunc('hour', now()) - n * interval '1 hour', p, 1, 1
  from unnest(array['twilio', 'meta', 'kommo']) p, generate_series(0, 5000) n;
insert into hourly_failures (hour, provider, error_code, count)
select date_trunc('hour', now()) - n * interval '1 hour', 'meta', '131026', 1 from generate_series(0, 5000) n;
insert into sweep_progress (counted_to) values (now() - interval '1 hour');
insert into business_addresses (provider, address)
select p, 'address' || n from unnest(array['twilio', 'meta', 'kommo']) p, generate_series(0, 4) n;
"""
REBUILT = """
select i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) from pg_index i
 where i.indrelid in ('kommo_conversations'::regclass, 'kommo_messages'::regclass)
   and not exists (select from pg_constraint c where c.conindid = i.indexrelid)
"""
READ = """
select relname, seq_tup_read, coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables where schemaname = 'public'
"""
LARGE = (
    "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' and reltuples > 1000"
)

NOW = datetime.now(UTC)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
PACES = json.dumps(
    {name: {"messages_per_second": 100, "pair_seconds": 0, "pair_burst": 1} for name in ("twilio", "meta", "kommo")}
)


def conversation(number: int) -> str:
    return f"md5:c{number}"


def message(nth: int, of: int) -> str:
    """The nth last message of a conversation; even ones are the customer's."""
    return f"md5:m{nth * CONVERSATIONS + of}"


QUEUED, HELD, UNCERTAIN, RECEIVED, SENT = (
    message(1, 9),
    message(1, 39),
    message(1, 69),
    message(0, 500),
    message(3, 500),
)
FAILED = message(1, 210 - CONVERSATIONS % 21)
OLD = conversation(CONVERSATIONS // 2)
PAGE: dict[str, Any] = {
    "status": None,
    "provider": None,
    "conversation_id": None,
    "phases": [],
    "at": NEWEST.at,
    "id": NEWEST.id,
}
LATER_PAGE = {**PAGE, "at": NOW - 50 * DAY, "scan": 51, "rows": 51}
PAGE |= {"scan": 51, "rows": 51}
MIDDLE = Place(NOW - 50 * DAY, "00000000-0000-0000-0000-000000000000")


def listing(after: Place = NEWEST_CONVERSATION, **wanted: Any) -> dict[str, Any]:
    """A page of fifty conversations."""
    return of_list(Wanted(**wanted), 50, after, NOW, MINUTE, ["kommo", "meta", "twilio"], 5_000)


ALL_PARKED = {"provider": None, "kind": None, "limit": 50}
ITEM = {
    "kind": "message",
    "provider": "meta",
    "business_address": "address1",
    "provider_message_id": "new",
    "customer": {"phone": "+5511900000001", "user_id": "user1"},
    "role": "user",
    "content_type": "text",
    "content": "Hola",
    "sent_at": NOW.isoformat(),
    "channel": "whatsapp",
    "opens_window": True,
    "media": [],
    "raw": {},
}
STRANGER = {**ITEM, "customer": {"phone": "+15550009999", "user_id": "US.1"}, "provider_message_id": "stranger"}
REPORT = {
    "kind": "status",
    "provider": "meta",
    "business_address": "address1",
    "provider_message_id": f"message{3 * CONVERSATIONS + 1}",
    "status": "read",
    "at": NOW.isoformat(),
}
OTHER_ITEMS = [
    {**REPORT, "provider_message_id": "unheard of"},
    {"kind": "identity", "provider": "meta", "customer": {"phone": "+5511900000004", "user_id": "changed"},
     "previous": {"phone": "+5511900000001", "user_id": "user1"}},
    {"kind": "identity", "provider": "kommo", "customer": {"contact_id": "contact2", "phone": "+15550001"}},
    {"kind": "preference", "provider": "meta", "customer": {"phone": "+5511900000001"}, "opted_out": True},
    {"kind": "parked", "provider": "meta", "park_as": "poison", "reason": "x", "body": "eA==", "content_type": "x"},
]  # fmt: skip
REQUEST = {
    "parts": [{"id": "00000000-0000-4000-8000-000000000001", "content": {"type": "text", "body": "Hola"},
               "summary": "Hola", "content_type": "text"}],
    "caller": "desk",
    "conversation_id": conversation(3),
    "expires_in": 86400,
}  # fmt: skip
TO_PHONE = {
    **REQUEST,
    "conversation_id": None,
    "provider": "meta",
    "to": "+5511900000004",
    "key": "k",
    "request_hash": "h",
}
CASES: Mapping[str, list[Parameters]] = {
    "addresses.LIST": [[]],
    "addresses.ONE": [["meta", "address1"]],
    "addresses.SAVE": [["meta", "address1", 5, None]],
    "addresses.RESUME": [["meta", "address1", "ana", None]],
    "addresses.STOPPED": [[]],
    "backfill.LEFT": [[NOBODY]],
    "backfill.NEXT + SEEN + JUDGED + READ": [{"after": NOBODY, "rows": 20, "now": NOW}],
    "backfill.THESE + SEEN + JUDGED + READ": [{"ids": [OLD], "now": NOW}],
    "backfill_words.NEXT": [{"after": NOBODY, "rows": 20}],
    "backfill.HELD + JUDGED + WRITE": [{"told": json.dumps([]), "now": NOW}],
    "bubbles.PAGE": [{"conversation_id": OLD, "at": NEWEST.at, "id": NEWEST.id, "rows": 51}],
    "bubbles.SOME": [{"conversation_id": OLD, "ids": [RECEIVED, SENT]}],
    "changes.SINCE": [
        {"since": NOW + HOUR, "conversation_id": OLD, "most": 2_000},
        {"since": NOW - MINUTE, "conversation_id": None, "most": 100},
    ],
    "changes.RECEIVED": [{"conversation_id": OLD, "since": NOW - MINUTE}],
    "changes.HISTORY": [{"conversation_id": OLD, "since": NOW - MINUTE}],
    "changes.NOW": [[]],
    "conversation_lists.OF_IDS": [{"ids": [OLD, conversation(1)]}],
    "conversation_lists.LIST": [
        listing(),
        listing(MIDDLE),
        listing(window="open"),
        listing(MIDDLE, window="shut"),
        listing(waiting=True),
        listing(assigned_to="nobody"),
    ],
    "conversation_lists.LIST_BY_STATUS": [
        listing(provider="meta"),
        listing(MIDDLE, status="escalated"),
        listing(provider="meta", status="active"),
        listing(MIDDLE, provider="meta", status="closed"),
        listing(provider="twilio", window="open"),
    ],
    "conversation_lists.LIST_CLOSING": [listing(window="closing"), listing(MIDDLE, window="closing")],
    "conversation_lists.LIST_FOUND": [listing(q=q) for q in ("ana", "hola", "nothing", "+5511900000004", "0004")],
    "conversations.ONE": [[OLD]],
    "conversations.ADD_COUNTS": [[]],
    "conversations.STATISTICS": [[]],
    "dispatch.CLAIM": [[QUEUED, "reply", PACES, MINUTE, MINUTE, None], [SENT, "reply", PACES, MINUTE, MINUTE, None]],
    "dispatch.LEAVE": [[QUEUED, None, MINUTE]],
    "dispatch.FINISH_SENT": [[UNCERTAIN, "new", "sent", None]],
    "dispatch.FINISH_UNSENT": [
        [QUEUED, kind, "1", "x", MINUTE, 8, None]
        for kind in ("retry", "failed", "uncertain", "slow_pair", "slow_address", "stop_address", "window_shut")
    ],
    "dispatch.FIND_INDICATED": [[RECEIVED]],
    "events.CLAIM": [[10, MINUTE, None]],
    "events.FINISH": [[["00000000-0000-4000-8000-000000000001"]]],
    "inbound.RECORD_INBOUND": [
        [json.dumps(items), None, guarded]
        for guarded, every in ((True, OTHER_ITEMS), (False, ()))
        for items in ([ITEM], [STRANGER], [REPORT], *([each] for each in every))
    ],
    "lifecycle.CHANGE": [
        [conversation(3), change, "ana", "{}", None] for change in ("escalate", "assign", "resolve", "note", "opt_out")
    ],
    "lifecycle.HISTORY": [[OLD, 100]],
    "lookups.QUEUE": [[100, MINUTE, None]],
    "lookups.CLAIM": [["kommo", "address1", "contact5", None]],
    "lookups.FINISH": [["kommo", "address1", "contact5", None]],
    "lookups.POSTPONE": [["kommo", "contact5", MINUTE, HOUR, None]],
    "lookups.PAUSE": [["kommo", "address1", "contact5", MINUTE, HOUR, None]],
    "media.QUEUE": [[100, MINUTE, None]],
    "media.COPY": [[RECEIVED, 0]],
    "media.CLAIM": [[RECEIVED, 0, MINUTE, 12, None]],
    "media.FINISH": [[RECEIVED, 0, 1, "stored", "s3://x", "image/png", 1, None, None, 12, None]],
    "message_pages.KEPT": [
        {**PAGE, "status": status, "phases": list(PHASES[status])} for status in ("queued", "held", "uncertain")
    ],
    "message_pages.OF_CONVERSATION": [{**PAGE, "conversation_id": OLD}],
    "message_pages.BY_AGE": [PAGE, LATER_PAGE, {**LATER_PAGE, "provider": "meta", "status": "read"}],
    "messages.ONE": [[SENT], [QUEUED]],
    "messages.OF_CONVERSATION": [[OLD, 100]],
    "messages.HISTORY": [[SENT]],
    "outbound.ACCEPT": [[json.dumps(request), MINUTE, None] for request in (REQUEST, TO_PHONE)],
    "outbound.QUEUED": [[[QUEUED]]],
    "outbound.TARGET": [[OLD]],
    "parked.LIST": [ALL_PARKED, {**ALL_PARKED, "provider": "meta"}, {**ALL_PARKED, "kind": "notice"}],
    "parked.COUNTS": [{"since": NOW - DAY, "most": 100}],
    "parked.ONE": [["md5:p9"]],
    "parked.REPLAYED": [["md5:p9", "recorded"]],
    "readiness.MISSING": [[["record_inbound_v3"]]],
    "readiness.READABLE": [[]],
    "reconcile.FIND": [["twilio"]],
    "reconcile.KEEP": [["twilio", NOW, NOW, "x"]],
    "reconcile.FINISH": [["twilio", NOW]],
    "reconcile.KNOWN": [["twilio", [f"message{number}" for number in range(0, 300, 3)]]],
    "sends.HELD": [[100]],
    "reads.SEE": [[OLD, None]],
    "sends.UNCERTAIN": [[None, MINUTE]],
    "settle.CANCEL": [[QUEUED, "ana", None]],
    "settle.RETRY": [[FAILED, "ana", DAY, MINUTE, None]],
    "settle.CLAIM_UNSETTLED": [["meta", 20, None]],
    "settle.SETTLE": [[UNCERTAIN, how, "ana", timedelta(0), None] for how in ("sent", "failed", "untaken")],
    "settle.SETTLE_SENT": [[UNCERTAIN, "new", "sent", None]],
    "statistics.COUNT": [[20, None]],
    "statistics.FAILURES": [[NOW - DAY, 20]],
    "statistics.FINISH_SWEEP": [["{}", None]],
    "statistics.PROGRESS": [[]],
    "statistics.SERIES": [{"since": NOW - DAY, "step": "hour"}, {"since": NOW - 30 * DAY, "step": "day"}],
    "statistics.WINDOWS": [{"providers": [*PROVIDERS], "now": NOW, "within": HOUR}],
    "templates.OF_ADDRESS": [{"provider": "meta", "address": "address1", "limit": 100}],
    "templates.OF_PROVIDER": [{"provider": "meta", "limit": 20}],
    "templates.REFRESHED": [["meta"]],
    "templates.REPLACE": [["meta", "[]", None]],
    "windows.SWEEP": [[HOUR, 20, NOW + timedelta(minutes=30)]],
    "windows.SWEEP_SENDS": [[20, NOW]],
    "windows.FORGET": [[20, NOW]],
    "windows.WINDOWS_OF": [{"id": OLD}],
}
NO_CASE = {
    "backfill.TABLE": "makes a table once",
    "backfill.TAKE_UP": "a table of one row",
    "backfill.KEEP": "a table of one row",
    "backfill_words.AFTER": "the same table",
    "backfill_words.KEEP": "the same table",
    "backfill_words.TABLE": "the same",
    "backfill.NEXT": "the beginning of a statement",
    "backfill.THESE": "the beginning of a statement",
    "backfill.HELD": "the beginning of a statement",
    "backfill.READ": "the end of a statement",
    "bubbles.OWN": "the beginning of a statement",
    "bubbles.NEWEST_FIRST": "a part of a statement",
    "bubbles.THESE": "a part of a statement",
    "conversation_lists.FOUND": "a part of a statement",
    "conversation_lists.LOOK": "the beginning of a statement",
    "conversation_lists.SEARCH": "the beginning of a statement",
    "message_pages.OWN": "the beginning of a statement",
    "message_pages.LATEST": "the beginning of a statement",
    "readiness.UNFINISHED": "the runner's own table, of one row for each migration",
}


@dataclass(frozen=True)
class Much:
    """A statement that must look at more: why, at how many rows, whether it scans for them, and in which case."""

    why: str
    rows: int
    scans: bool = False
    when: str = ""


LITTLE = Much("", FEW)
ALL = CONVERSATIONS + CONVERSATIONS // 10
MUCH: Mapping[str, Much] = {
    "backfill.LEFT": Much("counts what is left to do, once, by an index", ALL),
    "conversations.STATISTICS": Much(
        "who wrote within a day is counted, and what has changed since the last sweep", ALL // 10, scans=True
    ),
    "conversation_lists.LIST": Much("who waits, and whose window is open, no index tells", 5_000 + 1_000),
    "conversation_lists.LIST_BY_STATUS": Much("the same; or each status by itself, and put in order", 20_000),
    "conversation_lists.LIST_CLOSING": Much("all that close within the hour, and the messages of a page", 2_000),
    "conversation_lists.LIST_FOUND": Much("what is latest of what is found, two hundred of each", 5_000),
    "inbound.RECORD_INBOUND": Much(
        "two conversations become one, which is rare, and the server looks for sends of the one that goes, in all"
        " phases: an index for that would be written at each step of each send",
        MESSAGES // 10,
        scans=True,
        when='"previous"',
    ),
    "statistics.SERIES": Much("a row for each hour and provider of thirty days", 30 * 24 * 3 + 3, when="'day'"),
    "templates.OF_PROVIDER": Much("each template once, from however many addresses it goes", 1200, scans=True),
    "templates.REPLACE": Much("all that this provider told before, once an hour", 1200, scans=True),
}


def _statements() -> Mapping[str, str]:
    """Every statement of ventana.schema, by module and name, and those of the backfill as it puts them together."""
    found = {}
    for module in iter_modules(schema.__path__):
        if module.name != "migrate":
            for name, value in vars(import_module(f"{schema.__name__}.{module.name}")).items():
                if isinstance(value, str) and name.isupper() and STATEMENT.match(value):
                    found[f"{module.name}.{name}"] = value
    for case in CASES:
        if " + " in case:
            names = case.removeprefix("backfill.").split(" + ")
            found[case] = "".join(getattr(backfill, name) for name in names)
    return found


STATEMENTS = _statements()


@pytest.fixture(scope="module")
def large(server: str, template: Callable[[], str]) -> Iterator[str]:
    """A database with so many messages: filled without triggers, its indexes built afterwards."""
    with fresh_database(server, template()) as dsn:
        with psycopg.connect(dsn, autocommit=True) as owner:
            owner.execute("set session_replication_role = replica; set maintenance_work_mem = '256MB'")
            indexes = owner.execute(REBUILT).fetchall()
            for name, _ in indexes:
                owner.execute(f"drop index {name}".encode())
            owner.execute(
                FILL.replace("{messages}", str(MESSAGES)).replace("{conversations}", str(CONVERSATIONS)).encode()
            )
            for _, definition in indexes:
                owner.execute(definition.encode())
            owner.execute("select recount_conversations_v1(), watch_open_windows_v1()")
            owner.execute("vacuum analyze")
        yield dsn


@pytest.fixture(scope="module")
def application(large: str) -> Iterator[psycopg.Connection]:
    with _counting(as_application(large)) as opened:
        yield opened


@pytest.fixture(scope="module")
def migrator(large: str) -> Iterator[psycopg.Connection]:
    """As the backfill connects, and sets it."""
    with _counting(large) as opened:
        opened.execute("set enable_seqscan = off")
        yield opened


def _counting(dsn: str) -> psycopg.Connection:
    opened = psycopg.connect(dsn, autocommit=True)
    # What a parallel worker reads is counted as its own.
    opened.execute("set max_parallel_workers_per_gather = 0; set timezone = 'UTC'")
    return opened


def test_every_statement_has_a_case() -> None:
    assert STATEMENTS.keys() - NO_CASE.keys() - CASES.keys() == set(), "say in CASES what to call it with"
    assert NO_CASE.keys() - STATEMENTS.keys() == set()
    assert CASES.keys() - STATEMENTS.keys() == set()
    assert MUCH.keys() - CASES.keys() == set()


@pytest.mark.parametrize("name", CASES)
def test_it_reads_little_of_large_tables(
    application: psycopg.Connection, migrator: psycopg.Connection, name: str
) -> None:
    session = migrator if name.startswith("backfill") else application
    tables = {table for (table,) in session.execute(LARGE)}
    assert len(tables) >= 11, tables
    for case in CASES[name]:
        much = MUCH.get(name, LITTLE)
        if much.when not in str(case):
            much = LITTLE
        for time, read in enumerate(_read(session, name, case)):
            scanned = {table: seq for table, (seq, _) in read.items() if seq and table in tables}
            assert much.scans or not scanned, f"{name} {case} scans {scanned} the {time}. time"
            rows = sum(seq + fetched for table, (seq, fetched) in read.items())
            assert rows <= much.rows, f"{name} {case} reads {rows} rows the {time}. time: {read}"
        if not CALLS.search(STATEMENTS[name]) and not much.scans:
            assert not _scans(session, name, case) & tables, f"{name} {case}"


def _read(session: psycopg.Connection, name: str, case: Parameters) -> Iterator[dict[str, tuple[int, int]]]:
    """Rows of each table that the statement read, by a scan and by indexes, each time that it runs."""
    for _ in range(TIMES):
        with session.transaction(force_rollback=True):
            before = {table: (seq, fetched) for table, seq, fetched in session.execute(READ)}
            session.execute(STATEMENTS[name].encode(), _ids(case))
            after = {table: (seq, fetched) for table, seq, fetched in session.execute(READ)}
        yield {
            table: (seq - before[table][0], fetched - before[table][1])
            for table, (seq, fetched) in after.items()
            if (seq, fetched) != before[table]
        }


def _scans(session: psycopg.Connection, name: str, case: Parameters) -> set[str]:
    """Tables that the plan scans from end to end."""
    found = session.execute(f"explain (format json) {STATEMENTS[name]}".encode(), _ids(case)).fetchone()
    assert found
    return {str(node["Relation Name"]) for node in _nodes(found[0][0]["Plan"]) if node["Node Type"] == "Seq Scan"}


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


def _ids(value: Any) -> Any:
    """The same, with ids in place of what they are made of."""
    match value:
        case list():
            return [_ids(each) for each in value]
        case dict():
            return {name: _ids(each) for name, each in value.items()}
        case str() if "md5:" in value:
            return re.sub(r"md5:(\w+)", lambda match: _id(match[1]), value)
    return value


def _id(text: str) -> str:
    return str(UUID(md5(text.encode()).hexdigest()))
