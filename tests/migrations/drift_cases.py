"""Changes that somebody may make by hand, and what `verify` says of each."""

VIEW = "active_conversations_by_provider"
BY_PROVIDER = "`CREATE INDEX idx_messages_provider ON kommo_messages USING btree (provider)`"
VALID = "`CHECK (provider = ANY (ARRAY['kommo'::text, 'twilio'::text, 'meta'::text]))`"
TODAY = "…E c.provider = p.provider AND c.last_user_message_at > (now() - "
CHANGES = [
    (
        "grant execute on function record_inbound_v2 to public",
        "access to function record_inbound_v2(p_items jsonb, p_now timestamp with time zone): expected"
        " `not everybody`, found `everybody`",
    ),
    (
        "alter function record_inbound_v2 set search_path = pg_temp, public",
        "function record_inbound_v2(p_items jsonb, p_now timestamp with time zone): expected"
        " `set search_path=(these tables), pg_temp`, found `set search_path=pg_temp, public`",
    ),
    ("drop index idx_messages_provider", f"index idx_messages_provider: expected {BY_PROVIDER}, found nothing"),
    (
        "drop index idx_messages_provider; create index idx_messages_provider on kommo_messages (role)",
        f"index idx_messages_provider: expected {BY_PROVIDER}, found {BY_PROVIDER.replace('(provider)', '(role)')}",
    ),
    (
        "alter index idx_messages_provider set (fillfactor = 50)",
        f"index idx_messages_provider: expected {BY_PROVIDER}, found {BY_PROVIDER[:-1]} WITH (fillfactor='50')`",
    ),
    (
        "alter index idx_messages_provider rename to idx_provider",
        f"index idx_messages_provider: expected {BY_PROVIDER}, found nothing",
    ),
    (
        "update pg_index set indisvalid = false where indexrelid = 'idx_messages_provider'::regclass",
        f"index idx_messages_provider: expected {BY_PROVIDER}, found {BY_PROVIDER[:-1]} (invalid)`",
    ),
    (
        "drop index idx_twilio_conversation_phone; create index idx_twilio_conversation_phone on"
        " kommo_conversations (provider, phone) where provider = 'twilio' and phone is not null",
        "index idx_twilio_conversation_phone: expected `CREATE UNIQUE INDEX idx_twilio_conversation_phone ON"
        " kommo_conversations USING btree (provider, phon…`, found `CREATE INDEX"
        " idx_twilio_conversation_phone ON kommo_conversations USING btree (provider, phone) WHER…`",
    ),
    (
        "alter table kommo_conversations drop constraint check_valid_provider",
        f"constraint check_valid_provider on kommo_conversations: expected {VALID}, found nothing",
    ),
    (
        "alter table kommo_conversations drop constraint check_valid_provider, add constraint check_valid_provider"
        " check (provider in ('kommo', 'twilio', 'meta', 'telex'))",
        f"constraint check_valid_provider on kommo_conversations: expected {VALID}, found"
        " `CHECK (provider = ANY (ARRAY['kommo'::text, 'twilio'::text, 'meta'::text, 'telex'::text]))`",
    ),
    (
        "alter table kommo_conversations drop constraint check_valid_provider, add constraint check_valid_provider"
        " check (provider in ('kommo', 'twilio', 'meta')) not valid",
        f"constraint check_valid_provider on kommo_conversations: expected {VALID}, found {VALID[:-1]} NOT VALID`",
    ),
    (
        "alter table kommo_messages drop constraint check_delivery_status, add constraint check_delivery_status"
        " check (delivery_status in ('received', 'accepted', 'held', 'queued', 'sending', 'sent', 'delivered',"
        " 'read', 'failed', 'unknown', 'expired', 'cancelled'))",
        "constraint check_delivery_status on kommo_messages: expected `…vered'::text, 'read'::text, 'failed'::text,"
        " 'uncertain'::text, 'expired'::text, 'cancelled'::text]))`, found `…livered'::text, 'read'::text,"
        " 'failed'::text, 'unknown'::text, 'expired'::text, 'cancelled'::text]))`",
    ),
    (
        # Of two tables, so that each server names the one that a column is of.
        f"create or replace view {VIEW} as select c.provider, count(*) as total, 0::bigint as active, 0::bigint as"
        " escalated, 0::bigint as within_24h from kommo_conversations c, (select 1) one group by c.provider",
        f"view {VIEW}: expected `SELECT p.provider,`, found `SELECT c.provider,`",
    ),
    (
        f"create or replace view {VIEW} as " + "{view}",
        f"view {VIEW}: expected `{TODAY}'24:00:00'::interval)) AS within_24h`,"
        f" found `{TODAY}'12:00:00'::interval)) AS within_24h`",
    ),
    (f"drop view {VIEW}", f"view {VIEW}: expected `SELECT p.provider,`, found nothing"),
    (
        "create or replace function delivery_rank_v1(p_status text) returns integer language sql immutable as"
        " 'select 0'",
        "function delivery_rank_v1(p_status text): expected `select case p_status`, found `select 0`",
    ),
    (
        "create or replace function update_last_user_message_timestamp() returns trigger language plpgsql as"
        " 'begin return new; end'",
        "function update_last_user_message_timestamp(): expected `if new.role = 'user' and new.opens_window then`,"
        " found `begin return new; end`",
    ),
    (
        "alter function claim_outbound_v1(uuid, interval, interval, timestamptz) reset enable_seqscan",
        "function claim_outbound_v1(p_id uuid, p_lease interval, p_margin interval, p_now timestamp with time zone):"
        " expected `set enable_seqscan=off`, found `begin`",
    ),
    (
        "create or replace function only_address_v1(p_provider text default 'meta') returns text language sql stable"
        " as $$ select min(a.address) from business_addresses a where a.provider = p_provider having count(*) = 1; $$",
        "function only_address_v1(p_provider text): expected `arguments (p_provider text)`, found"
        " `arguments (p_provider text DEFAULT 'meta'::text)`",
    ),
    (
        "alter function delivery_rank_v1(text) volatile security definer",
        "function delivery_rank_v1(p_status text): expected `returns integer language sql immutable`, found"
        " `returns integer language sql volatile security definer`",
    ),
    (
        "drop function delivery_rank_v1(text)",
        "function delivery_rank_v1(p_status text): expected `returns integer language sql immutable`, found nothing",
    ),
    (
        "alter table kommo_messages disable trigger trigger_update_last_user_message",
        "trigger trigger_update_last_user_message on kommo_messages: expected `…ted'::text, true) IS DISTINCT FROM"
        " 'on'::text) EXECUTE FUNCTION update_last_user_message_timestamp()`, found `… true) IS DISTINCT FROM"
        " 'on'::text) EXECUTE FUNCTION update_last_user_message_timestamp() (disabled)`",
    ),
    (
        "drop trigger trigger_update_last_user_message on kommo_messages",
        "trigger trigger_update_last_user_message on kommo_messages: expected `CREATE TRIGGER"
        " trigger_update_last_user_message AFTER INSERT ON kommo_messages FOR EACH ROW WHEN (cu…`, found"
        " nothing",
    ),
    (
        "alter table kommo_messages alter column tokens_used type bigint",
        "column kommo_messages.tokens_used: expected `integer`, found `bigint`",
    ),
    (
        "alter table kommo_messages alter column opens_window set default false",
        "column kommo_messages.opens_window: expected `boolean not null default true`, found `boolean not null"
        " default false`",
    ),
    (
        "alter table kommo_messages alter column provider drop default",
        "column kommo_messages.provider: expected `text not null default 'kommo'::text`, found `text not null`",
    ),
    (
        "alter table kommo_messages alter column role drop not null",
        "column kommo_messages.role: expected `text not null`, found `text`",
    ),
    (
        "alter table kommo_conversations alter column phone set not null",
        "column kommo_conversations.phone: expected `text`, found `text not null`",
    ),
    (
        'alter table kommo_conversations alter column assigned_to type text collate "C"',
        'column kommo_conversations.assigned_to: expected `text`, found `text collate "C"`',
    ),
    (
        "alter table message_status_history alter column id drop identity",
        "column message_status_history.id: expected `bigint not null generated always as identity`, found"
        " `bigint not null`",
    ),
    (
        "alter table kommo_messages rename column ai_model to model",
        "column kommo_messages.ai_model: expected `text`, found nothing",
    ),
    ("alter table events set unlogged", "table events: expected `table`, found `unlogged table`"),
    ("drop table reconcile_cursors", "table reconcile_cursors: expected `table`, found nothing"),
    ("alter table message_media rename to files", "table message_media: expected `table`, found nothing"),
]
