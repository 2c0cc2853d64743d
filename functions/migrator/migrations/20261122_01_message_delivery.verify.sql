select
    (
        select count(*) = 8 from information_schema.columns
        where table_schema = current_schema() and table_name = 'kommo_conversations' and column_name in (
            'provider_user_id', 'business_address', 'kommo_talk_id', 'needs_template', 'opted_out_at', 'opted_out_by',
            'window_warned_for', 'window_closed_for'
        )
    ) as "column kommo_conversations.* (8 of delivery)",
    (
        select count(*) = 10 from information_schema.columns
        where table_schema = current_schema() and table_name = 'kommo_messages' and column_name in (
            'business_address', 'provider_message_id', 'opens_window', 'delivery_status', 'error_code', 'error_text',
            'attempts', 'lease_until', 'received_at', 'provider_payload'
        )
    ) as "column kommo_messages.* (10 of delivery)",
    (
        select count(*) = 7 and bool_and(indisvalid) from pg_index
        where indexrelid in (
            to_regclass('idx_meta_conversation_phone'), to_regclass('idx_conversations_provider_user'),
            to_regclass('idx_conversations_window_closing'), to_regclass('idx_conversations_window_open'),
            to_regclass('idx_messages_provider_message'), to_regclass('idx_messages_unfinished'),
            to_regclass('idx_messages_in_flight')
        )
    ) as "index of delivery (7)",
    to_regclass('message_status_history') is not null as "table message_status_history",
    to_regclass('parked_statuses') is not null as "table parked_statuses",
    to_regclass('parked_items') is not null as "table parked_items",
    to_regclass('message_media') is not null as "table message_media",
    to_regclass('events') is not null as "table events";
