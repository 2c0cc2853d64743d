-- What a message and a conversation must remember so that nothing is lost, doubled or sent outside the window.
-- Expand only: no column of the former migrations is dropped, renamed or retyped.

alter table kommo_conversations
    add column provider_user_id text,
    add column business_address text,
    add column kommo_talk_id text,
    add column needs_template boolean not null default false,
    add column opted_out_at timestamptz,
    add column opted_out_by text,
    add column window_warned_for timestamptz,
    add column window_closed_for timestamptz;
comment on column kommo_conversations.provider_user_id is
'The business-scoped id of a customer whose phone may be hidden for ever';
comment on column kommo_conversations.business_address is
'Our number or account that the customer wrote to last; answers leave from it';
comment on column kommo_conversations.opted_out_at is
'Since when the customer wants nothing but direct answers; opted_out_by says who told us';
comment on column kommo_conversations.window_warned_for is
'The last_user_message_at whose window was announced as closing: once per window';
comment on column kommo_conversations.window_closed_for is
'The last_user_message_at whose window has closed, by time or by the provider''s word';

-- Names come first in our indexes and the provider after them. What looks a name up compares the provider with IS NOT
-- DISTINCT FROM, which no index serves: a plan that is made while the tables are small, and kept, would as soon take an
-- index that begins with the provider, and read a third of the table when it has grown.
create unique index idx_meta_conversation_phone
on kommo_conversations (provider, phone) where provider = 'meta' and phone is not null;
create unique index idx_conversations_provider_user
on kommo_conversations (provider_user_id, provider) where provider_user_id is not null;

-- What the sweep has still to announce, and nothing else: both indexes are as large as the set of open windows.
create index idx_conversations_window_closing on kommo_conversations (last_user_message_at)
where last_user_message_at is distinct from window_warned_for;
create index idx_conversations_window_open on kommo_conversations (last_user_message_at)
where last_user_message_at is distinct from window_closed_for;

alter table kommo_messages
    add column business_address text,
    add column provider_message_id text,
    add column opens_window boolean not null default true,
    add column delivery_status text constraint check_delivery_status check (delivery_status in (
        'received', 'accepted', 'held', 'queued', 'sending', 'sent', 'delivered', 'read', 'failed', 'uncertain',
        'expired', 'cancelled'
    )),
    add column error_code text,
    add column error_text text,
    add column attempts integer not null default 0,
    add column lease_until timestamptz,
    add column received_at timestamptz,
    add column provider_payload jsonb;
comment on column kommo_messages.created_at is
'When it was written, by the provider''s clock where it has one; received_at is when we learned of it';
comment on column kommo_messages.provider_payload is 'The provider''s own item, whole';

alter table kommo_messages drop constraint kommo_messages_content_type_check;
alter table kommo_messages add constraint kommo_messages_content_type_check check (content_type in (
    'text', 'image', 'file', 'voice', 'video', 'location', 'contact', 'audio', 'sticker', 'reaction', 'interactive',
    'order', 'template', 'system', 'unsupported'
));

-- The deduplication: one row per message of a provider at an address of ours, however often and however fast it comes.
create unique index idx_messages_provider_message
on kommo_messages (provider_message_id, provider, business_address) where provider_message_id is not null;
-- Sends whose provider's id we do not know yet: what an echo of them is matched with.
create index idx_messages_in_flight on kommo_messages (conversation_id)
where provider_message_id is null and delivery_status in ('sending', 'uncertain');
create index idx_messages_unfinished on kommo_messages (created_at)
where delivery_status in ('accepted', 'queued', 'sending');

create table message_status_history (
    id bigint generated always as identity primary key,
    message_id uuid not null references kommo_messages (id) on delete cascade,
    status text not null,
    at timestamptz not null,
    cause text not null,
    error_code text
);
comment on table message_status_history is 'Every change of a message''s delivery status, when and why';
create index message_status_history_message_idx on message_status_history (message_id, id);

create table parked_statuses (
    provider text not null,
    provider_message_id text not null,
    status text not null,
    item jsonb not null,
    received_at timestamptz not null default now(),
    primary key (provider, provider_message_id, status)
);
comment on table parked_statuses is 'Statuses that came before their message; applied in the moment it appears';

create table parked_items (
    id uuid primary key default gen_random_uuid(),
    provider text not null,
    kind text not null constraint parked_items_kind_check check (kind in ('poison', 'notice', 'refused')),
    reason text not null,
    body bytea,
    content_type text,
    item jsonb,
    fingerprint text not null,
    times integer not null default 1,
    received_at timestamptz not null default now(),
    replayed_at timestamptz,
    replay_outcome text,
    constraint parked_items_fingerprint_key unique (provider, fingerprint)
);
comment on table parked_items is 'What a provider really sent and was not acted on, whole, with the reason';
comment on column parked_items.kind is
'poison: not understood; notice: known and without consequence here; refused: understood, but refused by the database';
comment on column parked_items.body is 'A webhook body with this item alone, to be parsed again after a fix';
comment on column parked_items.item is 'The item in our words, where the database refused it';
create index parked_items_open_idx on parked_items (received_at desc) where kind <> 'notice' and replayed_at is null;

create table message_media (
    message_id uuid not null references kommo_messages (id) on delete cascade,
    place integer not null,
    source jsonb not null,
    state text not null default 'pending'
    constraint message_media_state_check check (state in ('pending', 'stored', 'failed')),
    attempts integer not null default 0,
    lease_until timestamptz,
    error text,
    reference text,
    content_type text,
    bytes bigint,
    created_at timestamptz not null default now(),
    finished_at timestamptz,
    primary key (message_id, place)
);
comment on table message_media is 'The files of messages: where they are at the provider, and where we keep our copy';
create index message_media_pending_idx on message_media (created_at) where state = 'pending';

create table events (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    detail jsonb not null,
    occurred_at timestamptz not null,
    claimed_until timestamptz,
    published_at timestamptz
);
comment on table events is 'The outbox: written with what it tells of, in one commit, and published by the sweep';
create index events_unpublished_idx on events (occurred_at) where published_at is null;

-- As before, and: what WhatsApp does not count as writing opens no window, and what moves nothing writes nothing.
create or replace function update_last_user_message_timestamp() returns trigger language plpgsql as $$
begin
    if new.role = 'user' and new.opens_window then
        update kommo_conversations
           set last_user_message_at = least(new.created_at, now()), needs_template = false
         where id = new.conversation_id
           and (last_user_message_at is null or last_user_message_at < least(new.created_at, now()));
    end if;
    return new;
end;
$$;

-- As before, and the window in the same write: the trigger above then finds nothing left to do. A conversation has so
-- many indexes that each write of its row costs as much as the message itself.
create or replace function update_kommo_message_counts() returns trigger language plpgsql as $$
declare
    v_opened_at timestamptz := case when new.role = 'user' and new.opens_window then least(new.created_at, now()) end;
begin
    update kommo_conversations
       set message_count = message_count + 1,
           bot_message_count = bot_message_count + (new.role = 'assistant')::integer,
           user_message_count = user_message_count + (new.role = 'user')::integer,
           last_message_at = greatest(last_message_at, new.created_at),
           last_bot_response_at = case when new.role = 'assistant'
                                       then greatest(last_bot_response_at, new.created_at)
                                       else last_bot_response_at end,
           last_user_message_at = greatest(last_user_message_at, v_opened_at),
           needs_template = needs_template and coalesce(v_opened_at <= last_user_message_at, v_opened_at is null)
     where id = new.conversation_id;
    return new;
end;
$$;
