select
    to_regclass('kommo_conversations') is not null as "table kommo_conversations",
    to_regclass('kommo_messages') is not null as "table kommo_messages",
    (
        select count(*) = 22 from information_schema.columns
        where table_schema = current_schema() and table_name = 'kommo_conversations' and column_name in (
            'id', 'kommo_chat_id', 'kommo_contact_id', 'kommo_lead_id', 'phone', 'contact_name', 'contact_email',
            'status', 'message_count', 'bot_message_count', 'user_message_count', 'last_message_at',
            'last_bot_response_at', 'escalated_at', 'escalation_reason', 'assigned_to', 'resolved_at', 'channel',
            'metadata', 'tags', 'created_at', 'updated_at'
        )
    ) as "column kommo_conversations.* (22)",
    (
        select count(*) = 16 from information_schema.columns
        where table_schema = current_schema() and table_name = 'kommo_messages' and column_name in (
            'id', 'conversation_id', 'kommo_message_id', 'role', 'content', 'content_type', 'media_url', 'intent',
            'sentiment', 'confidence_score', 'products_referenced', 'ai_model', 'tokens_used', 'response_time_ms',
            'metadata', 'created_at'
        )
    ) as "column kommo_messages.* (16)",
    exists (select from pg_trigger where tgname = 'trigger_update_kommo_conversation_updated_at')
        as "trigger trigger_update_kommo_conversation_updated_at",
    exists (select from pg_trigger where tgname = 'trigger_update_kommo_message_counts')
        as "trigger trigger_update_kommo_message_counts",
    to_regclass('kommo_conversation_stats') is not null as "view kommo_conversation_stats",
    to_regclass('kommo_active_conversations') is not null as "view kommo_active_conversations";
