-- Kinds of messages that the former schema does not know are remembered, and called text there.
do $$
begin
    if exists (select from kommo_messages
                where content_type not in ('text', 'image', 'file', 'voice', 'video', 'location', 'contact')) then
        create schema if not exists ventana_archive;
        create table ventana_archive.wider_kinds as
        select id, content_type from kommo_messages
         where content_type not in ('text', 'image', 'file', 'voice', 'video', 'location', 'contact');
        update kommo_messages as m set content_type = 'text' from ventana_archive.wider_kinds as w where m.id = w.id;
    end if;
end;
$$;

create or replace function update_last_user_message_timestamp() returns trigger language plpgsql as $$
begin
    if new.role = 'user' then
        update kommo_conversations
           set last_user_message_at = greatest(last_user_message_at, least(new.created_at, now()))
         where id = new.conversation_id;
    end if;
    return new;
end;
$$;

create or replace function update_kommo_message_counts() returns trigger language plpgsql as $$
begin
    update kommo_conversations
       set message_count = message_count + 1,
           bot_message_count = bot_message_count + (new.role = 'assistant')::integer,
           user_message_count = user_message_count + (new.role = 'user')::integer,
           last_message_at = greatest(last_message_at, new.created_at),
           last_bot_response_at = case when new.role = 'assistant'
                                       then greatest(last_bot_response_at, new.created_at)
                                       else last_bot_response_at end
     where id = new.conversation_id;
    return new;
end;
$$;

drop table events;
drop table message_media;
drop table parked_items;
drop table parked_statuses;
drop table message_status_history;

drop index idx_messages_unfinished;
drop index idx_messages_in_flight;
drop index idx_messages_provider_message;
alter table kommo_messages drop constraint kommo_messages_content_type_check;
alter table kommo_messages add constraint kommo_messages_content_type_check
check (content_type in ('text', 'image', 'file', 'voice', 'video', 'location', 'contact'));
alter table kommo_messages
    drop column business_address,
    drop column provider_message_id,
    drop column opens_window,
    drop column delivery_status,
    drop column error_code,
    drop column error_text,
    drop column attempts,
    drop column lease_until,
    drop column received_at,
    drop column provider_payload;
comment on column kommo_messages.created_at is null;

drop index idx_conversations_window_open;
drop index idx_conversations_window_closing;
drop index idx_conversations_provider_user;
drop index idx_meta_conversation_phone;
alter table kommo_conversations
    drop column provider_user_id,
    drop column business_address,
    drop column kommo_talk_id,
    drop column needs_template,
    drop column opted_out_at,
    drop column opted_out_by,
    drop column window_warned_for,
    drop column window_closed_for;
