select
    (
        select count(*) = 3 from information_schema.columns
        where table_schema = current_schema() and table_name = 'kommo_conversations' and column_name in (
            'contact_looked_up_at', 'contact_lookup_after', 'contact_lookup_attempts'
        )
    ) as "column kommo_conversations.contact_* (3 of lookup)",
    (
        select count(*) = 1 from information_schema.columns
        where table_schema = current_schema() and table_name = 'message_media' and column_name = 'due_at'
    ) as "column message_media.due_at",
    to_regclass('message_media_due_idx') is not null as "index message_media_due_idx",
    to_regclass('idx_conversations_contact_lookup') is not null as "index idx_conversations_contact_lookup",
    to_regclass('contact_lookup_pauses') is not null as "table contact_lookup_pauses",
    to_regprocedure('queue_media_v1(integer, interval, timestamptz)') is not null as "function queue_media_v1()",
    to_regprocedure('claim_media_v1(uuid, integer, interval, integer, timestamptz)') is not null
        as "function claim_media_v1()",
    to_regprocedure('finish_media_v1(uuid, integer, integer, text, text, text, bigint, text, interval, integer, timestamptz)')
    is not null as "function finish_media_v1()",
    to_regprocedure('queue_lookups_v1(integer, interval, timestamptz)') is not null as "function queue_lookups_v1()",
    to_regprocedure('claim_lookup_v1(text, text, text, timestamptz)') is not null as "function claim_lookup_v1()",
    to_regprocedure('finish_lookup_v1(text, text, text, timestamptz)') is not null as "function finish_lookup_v1()",
    to_regprocedure('postpone_lookup_v1(text, text, interval, interval, timestamptz)') is not null
        as "function postpone_lookup_v1()",
    to_regprocedure('pause_lookups_v1(text, text, text, interval, interval, timestamptz)') is not null
        as "function pause_lookups_v1()";
