select
    exists (
        select from pg_attribute
        where attrelid = 'kommo_conversations'::regclass and attname = 'provider' and attnotnull
    ) as "column kommo_conversations.provider",
    exists (
        select from pg_attribute
        where attrelid = 'kommo_conversations'::regclass and attname = 'last_user_message_at' and not attisdropped
    ) as "column kommo_conversations.last_user_message_at",
    exists (
        select from pg_attribute where attrelid = 'kommo_messages'::regclass and attname = 'provider' and attnotnull
    ) as "column kommo_messages.provider",
    exists (
        select from pg_attribute
        where attrelid = 'kommo_conversations'::regclass and attname = 'kommo_chat_id' and not attnotnull
    ) as "column kommo_conversations.kommo_chat_id nullable",
    exists (
        select from pg_constraint
        where conrelid = 'kommo_conversations'::regclass and conname = 'check_valid_provider' and convalidated
    ) as "constraint check_valid_provider",
    exists (
        select from pg_constraint
        where conrelid = 'kommo_conversations'::regclass and conname = 'check_kommo_requires_chat_id' and convalidated
    ) as "constraint check_kommo_requires_chat_id",
    coalesce((
        select indisvalid and indisunique from pg_index
        where indexrelid = to_regclass('idx_twilio_conversation_phone')
    ), false) as "index idx_twilio_conversation_phone",
    coalesce((
        select indisvalid from pg_index where indexrelid = to_regclass('idx_conversations_provider_status')
    ), false) as "index idx_conversations_provider_status",
    coalesce((
        select indisvalid from pg_index where indexrelid = to_regclass('idx_conversations_provider_phone')
    ), false) as "index idx_conversations_provider_phone",
    coalesce((
        select indisvalid from pg_index where indexrelid = to_regclass('idx_messages_provider')
    ), false) as "index idx_messages_provider",
    to_regprocedure('update_last_user_message_timestamp()') is not null as "function update_last_user_message_timestamp()",
    exists (
        select from pg_trigger
        where tgrelid = 'kommo_messages'::regclass and tgname = 'trigger_update_last_user_message' and tgenabled = 'O'
    ) as "trigger trigger_update_last_user_message",
    coalesce((
        select array_agg(attname::text order by attnum) = '{provider,total,active,escalated,within_24h}'
        from pg_attribute where attrelid = to_regclass('active_conversations_by_provider') and attnum > 0
    ), false) as "view active_conversations_by_provider";
