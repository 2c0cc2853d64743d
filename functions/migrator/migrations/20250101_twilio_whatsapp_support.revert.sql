-- The rollback plan of the migration, with one guard before it: conversations of other providers are not orphaned.
do $$
declare
    orphans text;
begin
    select string_agg(format('%s %s', total, provider), ', ' order by provider) into orphans
      from (select provider, count(*) as total from kommo_conversations where provider <> 'kommo' group by provider) o;
    if orphans is not null then
        raise exception 'refused: the rollback would orphan conversations: %', orphans
            using hint = 'Run it with --archive to move them aside; the next up brings them back. Nothing was changed.';
    end if;
end;
$$;

drop trigger if exists trigger_update_last_user_message on kommo_messages;
drop function if exists update_last_user_message_timestamp();
drop view if exists active_conversations_by_provider;
drop index if exists idx_twilio_conversation_phone;
drop index if exists idx_conversations_provider_status;
drop index if exists idx_conversations_provider_phone;
drop index if exists idx_messages_provider;
alter table kommo_conversations drop constraint if exists check_valid_provider;
alter table kommo_conversations drop constraint if exists check_kommo_requires_chat_id;
alter table kommo_conversations drop column if exists provider;
alter table kommo_conversations drop column if exists last_user_message_at;
alter table kommo_messages drop column if exists provider;

do $$
begin
    if not exists (select from kommo_conversations where kommo_chat_id is null) then
        alter table kommo_conversations alter column kommo_chat_id set not null;
    end if;
end;
$$;
