-- Three providers in the tables that were Kommo's alone. Every name here is part of the agreed schema.
-- Safe to run by hand a second time, step by step: it then changes nothing.
-- formerly: 2cd7d7de0e0353f40338433e2016e28eca22b08105e7edcdadd3089843ba941d

-- step: who carries a conversation, and when its customer last wrote
alter table kommo_conversations
    add column if not exists provider text not null default 'kommo',
    add column if not exists last_user_message_at timestamptz,
    alter column kommo_chat_id drop not null;

-- step: who carries a message
alter table kommo_messages add column if not exists provider text not null default 'kommo';

-- step: the providers that there are, for new rows
alter table kommo_conversations
    drop constraint if exists check_valid_provider,
    add constraint check_valid_provider check (provider in ('kommo', 'twilio', 'meta')) not valid;

-- step: the providers that there are, for all rows
alter table kommo_conversations validate constraint check_valid_provider;

-- step: a chat id for each of Kommo's conversations, for new rows
alter table kommo_conversations
    drop constraint if exists check_kommo_requires_chat_id,
    add constraint check_kommo_requires_chat_id check (provider <> 'kommo' or kommo_chat_id is not null) not valid;

-- step: a chat id for each of Kommo's conversations, for all rows
alter table kommo_conversations validate constraint check_kommo_requires_chat_id;

-- step: one conversation for each of Twilio's phones
create unique index concurrently if not exists idx_twilio_conversation_phone
on kommo_conversations (provider, phone) where provider = 'twilio' and phone is not null;

-- step: conversations by provider and status
create index concurrently if not exists idx_conversations_provider_status
on kommo_conversations (provider, status, last_message_at desc);

-- step: conversations by provider and phone
create index concurrently if not exists idx_conversations_provider_phone on kommo_conversations (provider, phone);

-- step: messages by provider
create index concurrently if not exists idx_messages_provider on kommo_messages (provider);

-- step: what a customer's message moves
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

create or replace trigger trigger_update_last_user_message after insert on kommo_messages
for each row execute function update_last_user_message_timestamp();

-- step: the statistics by provider
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
