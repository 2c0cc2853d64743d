-- Three providers in the tables that were Kommo's alone. Every name here is part of the agreed schema.
-- Safe to run by hand a second time: it then changes nothing.

alter table kommo_conversations add column if not exists provider text not null default 'kommo';
alter table kommo_conversations add column if not exists last_user_message_at timestamptz;
alter table kommo_messages add column if not exists provider text not null default 'kommo';

alter table kommo_conversations alter column kommo_chat_id drop not null;

do $$
begin
    if not exists (select from pg_constraint
                    where conname = 'check_valid_provider' and conrelid = 'kommo_conversations'::regclass) then
        alter table kommo_conversations
            add constraint check_valid_provider check (provider in ('kommo', 'twilio', 'meta'));
    end if;
    if not exists (select from pg_constraint
                    where conname = 'check_kommo_requires_chat_id' and conrelid = 'kommo_conversations'::regclass) then
        alter table kommo_conversations
            add constraint check_kommo_requires_chat_id check (provider <> 'kommo' or kommo_chat_id is not null);
    end if;
end;
$$;

create unique index if not exists idx_twilio_conversation_phone
on kommo_conversations (provider, phone) where provider = 'twilio' and phone is not null;
create index if not exists idx_conversations_provider_status
on kommo_conversations (provider, status, last_message_at desc);
create index if not exists idx_conversations_provider_phone on kommo_conversations (provider, phone);
create index if not exists idx_messages_provider on kommo_messages (provider);

-- The message's own time, never backwards and never into the future: a late or replayed message must neither
-- reopen nor shorten a window.
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

drop trigger if exists trigger_update_last_user_message on kommo_messages;
create trigger trigger_update_last_user_message after insert on kommo_messages
for each row execute function update_last_user_message_timestamp();

-- All three providers, zeros included.
create or replace view active_conversations_by_provider as
select
    p.provider,
    count(c.id) as total,
    count(c.id) filter (where c.status = 'active') as active,
    count(c.id) filter (where c.status = 'escalated') as escalated,
    count(c.id) filter (where c.last_user_message_at > now() - interval '24 hours') as within_24h
from (values ('kommo', 1), ('twilio', 2), ('meta', 3)) as p (provider, place)
left join kommo_conversations as c on p.provider = c.provider
group by p.provider, p.place
order by p.place;
