-- Two rows turn out to be one customer: all messages come under the first, and the second goes.
create or replace function merge_conversations_v1(p_into uuid, p_from uuid, p_now timestamptz)
returns void language plpgsql as $$
declare
    k kommo_conversations%rowtype;
begin
    perform 1 from kommo_conversations c where c.id in (p_into, p_from) order by c.id for update;
    select * into k from kommo_conversations c where c.id = p_from;
    if not found or p_into = p_from then
        return;
    end if;
    update kommo_messages m set conversation_id = p_into where m.conversation_id = p_from;
    delete from kommo_conversations c where c.id = p_from;
    update kommo_conversations c
       set phone = coalesce(c.phone, k.phone),
           provider_user_id = coalesce(c.provider_user_id, k.provider_user_id),
           contact_name = coalesce(c.contact_name, k.contact_name),
           contact_email = coalesce(c.contact_email, k.contact_email),
           status = case when 'escalated' in (c.status, k.status) then 'escalated'
                         when 'active' in (c.status, k.status) then 'active' else c.status end,
           message_count = c.message_count + k.message_count,
           bot_message_count = c.bot_message_count + k.bot_message_count,
           user_message_count = c.user_message_count + k.user_message_count,
           business_address = case when k.last_user_message_at > c.last_user_message_at
                                   then k.business_address else coalesce(c.business_address, k.business_address) end,
           last_message_at = greatest(c.last_message_at, k.last_message_at),
           last_bot_response_at = greatest(c.last_bot_response_at, k.last_bot_response_at),
           last_user_message_at = greatest(c.last_user_message_at, k.last_user_message_at),
           window_warned_for = greatest(c.window_warned_for, k.window_warned_for),
           window_closed_for = greatest(c.window_closed_for, k.window_closed_for),
           needs_template = c.needs_template and k.needs_template,
           opted_out_at = coalesce(c.opted_out_at, k.opted_out_at),
           opted_out_by = coalesce(c.opted_out_by, k.opted_out_by),
           metadata = coalesce(k.metadata, '{}') || coalesce(c.metadata, '{}'),
           tags = array(select distinct unnest(coalesce(c.tags, '{}') || coalesce(k.tags, '{}')))
     where c.id = p_into;
    insert into events (name, detail, occurred_at)
    values ('ConversationsMerged', jsonb_build_object(
        'conversation_id', p_into, 'merged_conversation_id', p_from, 'provider', k.provider), p_now);
end;
$$;

drop function join_windows_v1(uuid, uuid);
drop function sweep_windows_v2(interval, integer, timestamptz);
drop function close_window_v2(uuid, timestamptz);
drop function keep_former_window_v1(kommo_conversations, text, timestamptz);
drop function decide_window_v1(kommo_conversations, text, jsonb, text, boolean, interval, timestamptz);
drop function address_window_closes_at_v1(kommo_conversations, text);
