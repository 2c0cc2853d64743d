"""What is in the database before anything is measured: a planner that finds empty tables plans as for no production."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ventana.providers import PROVIDERS
from ventana.schema.types import Connection

CONVERSATIONS = 10_000
MESSAGES = 20_000
# Spread over a hundred days, one in a hundred of today. Windows older than 20 hours are swept already, and the others
# stay open while we measure: what is due is what a part makes due.
CONVERSATION_ROWS = """
insert into kommo_conversations (provider, kommo_chat_id, provider_user_id, phone, contact_name, business_address,
                                 message_count, user_message_count, last_message_at, last_user_message_at,
                                 window_warned_for, window_closed_for, created_at)
select p.name, case when p.name = 'kommo' then gen_random_uuid()::text end, 'US.' || (%(conversations)s + n),
       '+1555' || (1000000 + n), 'Customer ' || n, 'address', %(messages)s / %(conversations)s,
       %(messages)s / %(conversations)s, t.at, t.at, s.swept, s.swept, t.at - interval '30 days'
  from generate_series(1, %(conversations)s) n,
       lateral (select (%(providers)s::text[])[1 + n %% cardinality(%(providers)s::text[])] as name) p,
       lateral (select now() - n * interval '100 days' / %(conversations)s as at) t,
       lateral (select case when t.at < now() - interval '20 hours' then t.at end as swept) s
"""
MESSAGE_ROWS = """
insert into kommo_messages (conversation_id, provider, business_address, provider_message_id, role, content,
                            content_type, delivery_status, created_at, received_at, provider_payload)
select c.id, c.provider, c.business_address, gen_random_uuid()::text, 'user',
       'Hola, tienen la mesa en roble? Palabra' || (random() * 5000)::integer,
       'text', 'received', t.at, t.at, jsonb_build_object('text', repeat('x', 200))
  from kommo_conversations c, generate_series(1, %(messages)s / %(conversations)s) n,
       lateral (select c.last_message_at - (n - 1) * interval '1 hour' as at) t
"""
INDEXES = """
select i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) from pg_index i
 where i.indrelid in ('kommo_conversations'::regclass, 'kommo_messages'::regclass)
   and not exists (select from pg_constraint c where c.conindid = i.indexrelid)
"""


def populate(connection: Connection, conversations: int = CONVERSATIONS, messages: int = MESSAGES) -> None:
    """Fill the tables as some weeks of work would, and let the planner know."""
    numbers = {"conversations": conversations, "messages": messages, "providers": list(PROVIDERS)}
    with _without_indexes(connection):
        # The rows say already what the triggers would make of them.
        connection.execute("set session_replication_role = replica")
        connection.execute(CONVERSATION_ROWS, numbers)
        connection.execute(MESSAGE_ROWS, numbers)
        connection.execute("reset session_replication_role")
    connection.execute("select recount_conversations_v1(), watch_open_windows_v1()")
    connection.execute("vacuum analyze")


@contextmanager
def _without_indexes(connection: Connection) -> Iterator[None]:
    """Build the indexes once all rows are there: a row at a time, ten million would take hours."""
    indexes = connection.execute(INDEXES).fetchall()
    for name, _ in indexes:
        connection.execute(f"drop index {name}".encode())
    yield
    connection.execute("set maintenance_work_mem = '256MB'")
    for _, definition in indexes:
        connection.execute(definition.encode())
    connection.execute("reset maintenance_work_mem")
