-- The way back of what was moved aside. Messages count anew when they come, so the counters come last.
do $$
begin
    if to_regclass('ventana_archive.orphaned_conversations') is null then
        return;
    end if;
    insert into kommo_conversations (
        id, kommo_chat_id, kommo_contact_id, kommo_lead_id, phone, contact_name, contact_email, status, escalated_at,
        escalation_reason, assigned_to, resolved_at, channel, metadata, tags, created_at, updated_at, provider
    )
    select
        id, kommo_chat_id, kommo_contact_id, kommo_lead_id, phone, contact_name, contact_email, status, escalated_at,
        escalation_reason, assigned_to, resolved_at, channel, metadata, tags, created_at, updated_at, provider
    from ventana_archive.orphaned_conversations;
    insert into kommo_messages (
        id, conversation_id, kommo_message_id, role, content, content_type, media_url, intent, sentiment,
        confidence_score, products_referenced, ai_model, tokens_used, response_time_ms, metadata, created_at, provider
    )
    select
        id, conversation_id, kommo_message_id, role, content, content_type, media_url, intent, sentiment,
        confidence_score, products_referenced, ai_model, tokens_used, response_time_ms, metadata, created_at, provider
    from ventana_archive.orphaned_messages;
    update kommo_conversations as c
       set message_count = a.message_count, bot_message_count = a.bot_message_count,
           user_message_count = a.user_message_count, last_message_at = a.last_message_at,
           last_bot_response_at = a.last_bot_response_at, last_user_message_at = a.last_user_message_at
      from ventana_archive.orphaned_conversations as a
     where c.id = a.id;
    drop table ventana_archive.orphaned_messages, ventana_archive.orphaned_conversations;
end;
$$;
