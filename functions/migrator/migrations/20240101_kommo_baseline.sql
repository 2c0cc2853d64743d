-- What the Kommo-only system looked like: two tables, their triggers and two views.
-- A database that already has it is adopted with `baseline`; an empty one gets it here.

create table kommo_conversations (
    id uuid primary key default gen_random_uuid(),
    kommo_chat_id text not null unique,
    kommo_contact_id text,
    kommo_lead_id text,
    phone text,
    contact_name text,
    contact_email text,
    status text default 'active' check (status in ('active', 'resolved', 'escalated', 'closed')),
    message_count integer default 0,
    bot_message_count integer default 0,
    user_message_count integer default 0,
    last_message_at timestamptz,
    last_bot_response_at timestamptz,
    escalated_at timestamptz,
    escalation_reason text,
    assigned_to text,
    resolved_at timestamptz,
    channel text default 'whatsapp' check (channel in ('whatsapp', 'instagram', 'telegram', 'facebook', 'other')),
    metadata jsonb default '{}',
    tags text[] default '{}',
    created_at timestamptz default now(),
    updated_at timestamptz default now()
);

create table kommo_messages (
    id uuid primary key default gen_random_uuid(),
    conversation_id uuid not null references kommo_conversations (id) on delete cascade,
    kommo_message_id text,
    role text not null check (role in ('user', 'assistant', 'system')),
    content text not null,
    content_type text default 'text'
    check (content_type in ('text', 'image', 'file', 'voice', 'video', 'location', 'contact')),
    media_url text,
    intent text check (intent in (
        'greeting', 'product_inquiry', 'price_inquiry', 'availability_inquiry', 'faq', 'appointment', 'complaint',
        'escalation', 'purchase', 'thanks', 'other'
    )),
    sentiment text check (sentiment in ('positive', 'neutral', 'negative')),
    confidence_score numeric(3, 2),
    products_referenced jsonb default '[]',
    ai_model text,
    tokens_used integer,
    response_time_ms integer,
    metadata jsonb default '{}',
    created_at timestamptz default now()
);

create index idx_kommo_conversations_chat_id on kommo_conversations (kommo_chat_id);
create index idx_kommo_conversations_contact_id on kommo_conversations (kommo_contact_id);
create index idx_kommo_conversations_phone on kommo_conversations (phone);
create index idx_kommo_conversations_status on kommo_conversations (status);
create index idx_kommo_conversations_channel on kommo_conversations (channel);
create index idx_kommo_conversations_last_message_at on kommo_conversations (last_message_at desc);
create index idx_kommo_conversations_created_at on kommo_conversations (created_at desc);
create index idx_kommo_messages_conversation_id on kommo_messages (conversation_id);
create index idx_kommo_messages_role on kommo_messages (role);
create index idx_kommo_messages_intent on kommo_messages (intent);
create index idx_kommo_messages_created_at on kommo_messages (created_at desc);
create index idx_kommo_messages_content_search on kommo_messages using gin (to_tsvector('spanish', content));

create function update_kommo_conversation_updated_at() returns trigger language plpgsql as $$
begin
    new.updated_at = now();
    return new;
end;
$$;

create trigger trigger_update_kommo_conversation_updated_at before update on kommo_conversations
for each row execute function update_kommo_conversation_updated_at();

create function update_kommo_message_counts() returns trigger language plpgsql as $$
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

create trigger trigger_update_kommo_message_counts after insert on kommo_messages
for each row execute function update_kommo_message_counts();

create view kommo_conversation_stats as
select
    created_at::date as day,
    channel,
    status,
    count(*) as conversations,
    coalesce(sum(message_count), 0) as messages,
    coalesce(sum(user_message_count), 0) as user_messages,
    coalesce(sum(bot_message_count), 0) as bot_messages
from kommo_conversations
group by created_at::date, channel, status;

create view kommo_active_conversations as
select
    c.id,
    c.kommo_chat_id,
    c.phone,
    c.contact_name,
    c.channel,
    c.message_count,
    c.last_message_at,
    m.content as last_message,
    m.role as last_message_role
from kommo_conversations as c
left join lateral (
    select content, role from kommo_messages where conversation_id = c.id order by created_at desc limit 1
) as m on true
where c.status = 'active';
