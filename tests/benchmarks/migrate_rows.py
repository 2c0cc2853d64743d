"""The rows of a Kommo-only system that has worked for two years, and whether they are the same afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import psycopg

from tests.benchmarks.migrate_load import Told

Rows: TypeAlias = list[tuple[object, ...]]

PER_CONVERSATION = 10
SEEDED_BEFORE = "2026-01-01"
WORDS = (
    "hola,gracias,mesa,silla,roble,precio,envío,mañana,tarde,pedido,entrega,tienda,disponible,color,madera,pago,"
    "tarjeta,transferencia,factura,dirección,cuándo,cuánto,dónde,también,necesito,quiero,pregunta,garantía,descuento,"
    "medidas,catálogo,foto,visita,horario,cita,ayuda,problema,cambio,devolución,sofá,lámpara"
)
CONVERSATIONS = """
insert into kommo_conversations (id, kommo_chat_id, kommo_contact_id, phone, contact_name, status, message_count,
                                 bot_message_count, user_message_count, last_message_at, last_bot_response_at, tags,
                                 created_at, updated_at)
select md5('conversation ' || n)::uuid, 'chat-' || n, 'contact-' || n, '+55119' || lpad(n::text, 8, '0'),
       'Customer ' || n, (array['active', 'active', 'active', 'resolved', 'closed', 'escalated'])[1 + n %% 6],
       %(per)s, %(per)s / 2, %(per)s / 2, t.last, t.last, array['tag-' || n %% 7], t.last - interval '30 days', t.last
  from generate_series(1, %(conversations)s) n,
       lateral (select %(before)s::timestamptz - n * interval '10 seconds' as last) t
"""
# In the order of time, so that a conversation's messages lie all over the table, as they do in one that has grown.
MESSAGES = """
insert into kommo_messages (id, conversation_id, kommo_message_id, role, content, intent, created_at)
select md5('message ' || n)::uuid, md5('conversation ' || 1 + n %% %(conversations)s)::uuid, 'kommo-' || n,
       (array['user', 'assistant'])[1 + n / %(conversations)s %% 2],
       concat_ws(' ', w[1 + n %% 41], w[1 + n / 3 %% 41], w[1 + n / 7 %% 41], w[1 + n / 11 %% 41], w[1 + n / 13 %% 41],
                 w[1 + n / 17 %% 41], w[1 + n / 19 %% 41], n),
       (array['greeting', 'product_inquiry', 'price_inquiry', 'faq', 'other'])[1 + n %% 5],
       %(before)s::timestamptz - (%(messages)s - n) * interval '10 seconds'
  from generate_series(0, %(messages)s - 1) n, (select string_to_array(%(words)s, ',')) words (w)
"""
INDEXES = """
select i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid), coalesce(k.conname, '')
  from pg_index i left join pg_constraint k on k.conindid = i.indexrelid and k.contype = 'p'
 where i.indrelid = 'kommo_messages'::regclass
"""
# What the load leaves alone, in the columns that there were: equal before and after.
FINGERPRINTS = {
    "messages": f"""
        select count(*), sum(hashtextextended((id, conversation_id, kommo_message_id, role, content, content_type,
               media_url, intent, sentiment, confidence_score, products_referenced, ai_model, tokens_used,
               response_time_ms, metadata, created_at)::text, 0)::numeric)
          from kommo_messages where created_at < '{SEEDED_BEFORE}'
    """,
    "conversations": f"""
        select count(*), sum(hashtextextended((id, kommo_chat_id, kommo_contact_id, kommo_lead_id, phone, contact_name,
               contact_email, escalated_at, escalation_reason, resolved_at, channel, metadata, tags,
               created_at)::text, 0)::numeric)
          from kommo_conversations where created_at < '{SEEDED_BEFORE}'
    """,
}
WRONG_COUNTERS = """
select count(*) from kommo_conversations c left join (
    select conversation_id, count(*) as messages, count(*) filter (where role = 'user') as user_messages,
           count(*) filter (where role = 'assistant') as bot_messages, max(created_at) as last_message_at
      from kommo_messages group by conversation_id
) m on m.conversation_id = c.id
 where (c.message_count, c.user_message_count, c.bot_message_count)
       is distinct from (coalesce(m.messages, 0), coalesce(m.user_messages, 0), coalesce(m.bot_messages, 0))
"""

# What writers were told is committed, by name: which rows of it there are.
COMMITTED: dict[str, tuple[str, Callable[[Told], list[list[object]]]]] = {
    "messages": (
        """
        select count(*) from unnest(%s::uuid[], %s::uuid[], %s::text[]) t (id, conversation_id, content)
          join kommo_messages m using (id, conversation_id, content)
        """,
        lambda told: _columns([(key, *value) for key, value in told.messages.items()], 3),
    ),
    "conversations": (
        "select count(*) from unnest(%s::uuid[]) t (id) join kommo_conversations c using (id)",
        lambda told: [list(told.conversations)],
    ),
    "statuses": (
        """
        select count(*) from unnest(%s::uuid[], %s::text[]) t (id, status)
          join kommo_conversations c using (id, status)
        """,
        lambda told: _columns(list(told.statuses.items()), 2),
    ),
    "assignments": (
        """
        select count(*) from unnest(%s::uuid[], %s::text[]) t (id, assigned_to)
          join kommo_conversations c using (id, assigned_to)
        """,
        lambda told: _columns(list(told.assigned.items()), 2),
    ),
}


def fill(dsn: str, conversations: int) -> None:
    """Fill the empty tables of the Kommo-only schema: so many conversations, ten messages each."""
    numbers = {
        "conversations": conversations,
        "messages": conversations * PER_CONVERSATION,
        "per": PER_CONVERSATION,
        "before": SEEDED_BEFORE,
        "words": WORDS,
    }
    with psycopg.connect(dsn, autocommit=True) as connection:
        # The rows say already what the triggers would make of them, and indexes are quicker made than kept.
        connection.execute("set session_replication_role = replica; set maintenance_work_mem = '512MB'")
        indexes = connection.execute(INDEXES).fetchall()
        for name, _, constraint in indexes:
            connection.execute(
                f"alter table kommo_messages drop constraint {constraint}" if constraint else f"drop index {name}"
            )
        connection.execute(CONVERSATIONS, numbers)
        connection.execute(MESSAGES, numbers)
        for name, definition, constraint in indexes:
            connection.execute(definition)
            if constraint:
                connection.execute(
                    f"alter table kommo_messages add constraint {constraint} primary key using index {name}"
                )
        connection.execute("vacuum (analyze) kommo_conversations, kommo_messages")


def fingerprints(dsn: str) -> Rows:
    """Of every row that was there, in the columns that nobody changes."""
    with psycopg.connect(dsn) as connection:
        return [connection.execute(query).fetchone() or () for query in FINGERPRINTS.values()]


def differences(dsn: str, before: Rows, conversations: int, told: Told) -> list[str]:
    """What is not as it must be after the load: rows that were there, rows that were told of, and counters."""
    found = [
        f"{name}: {was} before, {now} after"
        for name, was, now in zip(FINGERPRINTS, before, fingerprints(dsn), strict=True)
        if was != now
    ]
    totals = {
        "kommo_conversations": conversations + len(told.conversations),
        "kommo_messages": conversations * PER_CONVERSATION + len(told.messages),
    }
    with psycopg.connect(dsn) as connection:
        for name, expected in totals.items():
            (total,) = connection.execute(f"select count(*) from {name}").fetchone() or (0,)
            if total != expected:
                found.append(f"{name}: {total} rows, should be {expected}")
        (wrong,) = connection.execute(WRONG_COUNTERS).fetchone() or (0,)
        if wrong:
            found.append(f"{wrong} conversations with wrong counters")
        for name, (query, expectation) in COMMITTED.items():
            columns = expectation(told)
            (kept,) = connection.execute(query, columns).fetchone() or (0,)
            if kept != len(columns[0]):
                found.append(f"{name}: {len(columns[0])} committed, {kept} found")
    return found


def _columns(table: list[tuple[object, ...]], width: int) -> list[list[object]]:
    return [list(column) for column in zip(*table, strict=True)] or [[] for _ in range(width)]
