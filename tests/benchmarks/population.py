"""What is in the database before anything is measured: a planner that finds empty tables plans as for no production."""

from __future__ import annotations

from ventana.providers import PROVIDERS
from ventana.schema.types import Connection

CONVERSATIONS = 10_000
MESSAGES = 20_000
CONVERSATION_ROWS = """
insert into kommo_conversations (provider, kommo_chat_id, provider_user_id, phone, contact_name, business_address,
                                 message_count, user_message_count, last_message_at, last_user_message_at, created_at)
select p.name, case when p.name = 'kommo' then gen_random_uuid()::text end, 'US.' || (%(conversations)s + n),
       '+1555' || (1000000 + n), 'Customer ' || n, 'address', %(messages)s / %(conversations)s,
       %(messages)s / %(conversations)s, t.at, t.at, t.at - interval '30 days'
  from generate_series(1, %(conversations)s) n,
       lateral (select (%(providers)s::text[])[1 + n %% cardinality(%(providers)s::text[])] as name) p,
       lateral (select now() - n * interval '1 minute' as at) t
"""
MESSAGE_ROWS = """
insert into kommo_messages (conversation_id, provider, business_address, provider_message_id, role, content,
                            content_type, delivery_status, created_at, received_at, provider_payload)
select c.id, c.provider, c.business_address, gen_random_uuid()::text, 'user', 'Hola, tienen la mesa en roble?',
       'text', 'received', c.last_message_at, c.last_message_at, jsonb_build_object('text', repeat('x', 200))
  from kommo_conversations c, generate_series(1, %(messages)s / %(conversations)s)
"""


def populate(connection: Connection) -> None:
    """Fill the tables as some weeks of work would, and let the planner know."""
    numbers = {"conversations": CONVERSATIONS, "messages": MESSAGES, "providers": list(PROVIDERS)}
    # The rows say already what the triggers would make of them.
    connection.execute("set session_replication_role = replica")
    connection.execute(CONVERSATION_ROWS, numbers)
    connection.execute(MESSAGE_ROWS, numbers)
    connection.execute("reset session_replication_role")
    connection.execute("vacuum analyze")
