"""What every peer stores, and how: lean tables in a schema of its own, one statement for a message.

The statement is the leanest that we know for it: the message once (by its id), its conversation, the counters, in one
round trip. It does less than our record_inbound: no window, no event for others, no identity but the phone, no item
kept that was not understood, no order of statuses. So a peer here is as fast as its framework lets it be.
"""

from __future__ import annotations

import os

DSN = os.environ.get("PEER_DSN", "")
SCHEMA = os.environ.get("PEER_SCHEMA", "")
APP_SECRET = os.environ.get("PEER_APP_SECRET", "")
VERIFY_TOKEN = os.environ.get("PEER_VERIFY_TOKEN", "")
PATH = "/webhooks/meta"

TABLES = """
create table conversations (
    business_address text not null, customer text not null, customer_name text,
    message_count integer not null default 0, last_message_at timestamptz not null,
    created_at timestamptz not null default now(), primary key (business_address, customer)
);
create table messages (
    id bigint generated always as identity primary key, provider_message_id text not null unique,
    business_address text not null, customer text not null, content_type text not null, content text,
    status text not null default 'received', sent_at timestamptz not null, payload jsonb not null,
    created_at timestamptz not null default now(),
    foreign key (business_address, customer) references conversations
);
create index on messages (business_address, customer, sent_at);
insert into conversations (business_address, customer, message_count, last_message_at)
select 'address', '1555' || (1000000 + n), 2, now() - n * interval '1 minute' from generate_series(1, 10000) n;
insert into messages (provider_message_id, business_address, customer, content_type, content, sent_at, payload)
select gen_random_uuid()::text, business_address, customer, 'text', 'Hola, tienen la mesa en roble?', last_message_at,
       jsonb_build_object('text', repeat('x', 200))
  from conversations, generate_series(1, 2);
"""
"""With as many rows as our own tables have before anything is measured (population.py)."""
UPSERT = """
with message as (
    insert into messages (provider_message_id, business_address, customer, content_type, content, sent_at, payload)
    values ($1, $2, $3, $4, $5, $6, $7)
    on conflict (provider_message_id) do nothing
    returning business_address, customer, sent_at
)
insert into conversations as c (business_address, customer, customer_name, message_count, last_message_at)
select business_address, customer, $8, 1, sent_at from message
    on conflict (business_address, customer) do update
   set message_count = c.message_count + 1, last_message_at = greatest(c.last_message_at, excluded.last_message_at),
       customer_name = coalesce(excluded.customer_name, c.customer_name)
"""
STATUS = "update messages set status = $2 where provider_message_id = $1"
