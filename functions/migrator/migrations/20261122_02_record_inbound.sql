-- Hot writes as functions with a version suffix, so that old and new code run side by side during a deployment.
-- One call is one round trip and one commit, whatever a webhook carried.

-- How far a message has come. Statuses only rise; equal ranks change nothing.
create function delivery_rank_v1(p_status text) returns integer language sql immutable as $$
    select case p_status
        when 'accepted' then 10 when 'held' then 10 when 'queued' then 20 when 'sending' then 30
        when 'uncertain' then 35 when 'sent' then 40 when 'delivered' then 50 when 'read' then 60
        else 0 end;
$$;

create function park_item_v1(
    p_provider text, p_kind text, p_reason text, p_body bytea, p_content_type text, p_item jsonb, p_now timestamptz
) returns void language sql as $$
    insert into parked_items (provider, kind, reason, body, content_type, item, fingerprint, received_at)
    values (coalesce(p_provider, 'unknown'), p_kind, p_reason, p_body, p_content_type, p_item,
            md5(coalesce(p_item::text, '') || coalesce(encode(p_body, 'hex'), '')), p_now)
    on conflict on constraint parked_items_fingerprint_key do update set times = parked_items.times + 1;
$$;

-- Moves a message forward and remembers it. `failed` only from what has not been delivered, and for good.
create function move_message_v1(
    p_message_id uuid, p_status text, p_at timestamptz, p_cause text, p_error_code text, p_error_text text
) returns boolean language plpgsql as $$
declare
    v_conversation_id uuid;
    v_provider text;
    v_before text;
begin
    select m.conversation_id, m.provider, m.delivery_status into v_conversation_id, v_provider, v_before
      from kommo_messages m where m.id = p_message_id for no key update;
    if not found or v_before is null or v_before in ('received', 'failed', 'expired', 'cancelled') then
        return false;
    elsif p_status = 'failed' then
        if v_before in ('delivered', 'read') then return false; end if;
    elsif delivery_rank_v1(p_status) <= delivery_rank_v1(v_before) then
        return false;
    end if;

    update kommo_messages m
       set delivery_status = p_status,
           lease_until = null,
           -- What went wrong on the way is in the history; the row tells of what is so now.
           error_code = case when p_status in ('sent', 'delivered', 'read') then p_error_code
                             else coalesce(p_error_code, m.error_code) end,
           error_text = case when p_status in ('sent', 'delivered', 'read') then p_error_text
                             else coalesce(p_error_text, m.error_text) end
     where m.id = p_message_id;
    insert into message_status_history (message_id, status, at, cause, error_code)
    select p_message_id, s, p_at, p_cause, p_error_code
      from unnest(case when p_status = 'read' and v_before <> 'delivered'
                       then array['delivered', 'read'] else array[p_status] end) s;
    insert into events (name, detail, occurred_at)
    values ('MessageStatusChanged', jsonb_build_object(
        'message_id', p_message_id, 'conversation_id', v_conversation_id, 'provider', v_provider,
        'status', p_status, 'previous_status', v_before, 'error_code', p_error_code), p_at);
    return true;
end;
$$;

-- The provider says that the window is shut. Its word counts for the window that the message was sent in, not for
-- one that the customer opened since.
create function close_window_v1(p_message_id uuid, p_now timestamptz) returns void language sql as $$
    with closed as (
        update kommo_conversations c
           set window_closed_for = c.last_user_message_at, window_warned_for = c.last_user_message_at,
               needs_template = true
          from kommo_messages m
         where m.id = p_message_id and c.id = m.conversation_id and c.last_user_message_at <= m.created_at
           and c.window_closed_for is distinct from c.last_user_message_at
        returning c.id, c.provider, c.last_user_message_at
    )
    insert into events (name, detail, occurred_at)
    select 'WindowClosed', jsonb_build_object('conversation_id', id, 'provider', provider, 'reason', 'provider',
                                              'last_user_message_at', last_user_message_at), p_now
      from closed;
$$;

-- A status that finds no message is parked, and a message that appears takes what is parked: at the same instant
-- neither would see the other. So whoever is about to do one of them waits here for the other to commit. Taken before
-- any row is locked, and in one order by all callers, so that nobody waits for it who holds what the other needs.
create function lock_provider_messages_v1(p_names text[]) returns void language plpgsql as $$
begin
    perform pg_advisory_xact_lock(1448436340, l.key)
       from (select distinct hashtext(n) & 255 as key from unnest(p_names) n order by 1) l;
end;
$$;

-- Applies a status item to its message, found by our own id where the provider carried it back, else by the
-- provider's. Returns moved, unchanged or orphaned.
create function record_status_v1(p_item jsonb, p_now timestamptz, out outcome text, out message_id uuid)
language plpgsql as $$
declare
    v_provider text := p_item ->> 'provider';
    v_provider_message_id text := p_item ->> 'provider_message_id';
    v_known text;
begin
    select m.id, m.provider_message_id into message_id, v_known from kommo_messages m
     where m.id = (p_item ->> 'message_id')::uuid and m.provider = v_provider
       and coalesce(m.provider_message_id, v_provider_message_id) = v_provider_message_id
       for no key update;
    if message_id is null then
        select m.id, m.provider_message_id into message_id, v_known from kommo_messages m
         where m.provider = v_provider and m.provider_message_id = v_provider_message_id
         order by (m.business_address = p_item ->> 'business_address') desc limit 1
           for no key update;
    end if;
    if message_id is null then
        insert into parked_statuses (provider, provider_message_id, status, item, received_at)
        values (v_provider, v_provider_message_id, p_item ->> 'status', p_item, p_now)
        on conflict do nothing;
        outcome := 'orphaned';
        return;
    end if;

    if v_known is null then
        update kommo_messages m set provider_message_id = v_provider_message_id where m.id = message_id;
    end if;
    if (p_item ->> 'window_shut')::boolean then
        perform close_window_v1(message_id, p_now);
    end if;
    outcome := case when move_message_v1(
        message_id, p_item ->> 'status', least(coalesce((p_item ->> 'at')::timestamptz, p_now), p_now), 'provider',
        p_item ->> 'error_code', p_item ->> 'error_text') then 'moved' else 'unchanged' end;
end;
$$;

-- Applies what was parked for a provider's message id, lowest first, in the moment the message appears.
create function apply_parked_statuses_v1(p_provider text, p_provider_message_id text, p_now timestamptz)
returns void language plpgsql as $$
declare
    v_item jsonb;
begin
    for v_item in
        with taken as (
            delete from parked_statuses s
             where s.provider = p_provider and s.provider_message_id = p_provider_message_id
            returning s.status, s.item
        )
        select item from taken order by delivery_rank_v1(status)
    loop
        perform record_status_v1(v_item, p_now);
    end loop;
end;
$$;

-- The forms under which one phone may be written: with and without the ninth digit of Brazilian mobiles, the 1 of
-- Mexican and the 9 of Argentine ones. For finding only: the stored form is the provider's and is what we send to.
create function phone_forms_v1(p_phone text) returns text[] language sql immutable as $$
    select array_remove(array[
        p_phone,
        regexp_replace(p_phone, '^\+55(\d{2})([6-9]\d{7})$', '+55\19\2'),
        regexp_replace(p_phone, '^\+55(\d{2})9([6-9]\d{7})$', '+55\1\2'),
        regexp_replace(p_phone, '^\+52([2-9]\d{9})$', '+521\1'),
        regexp_replace(p_phone, '^\+521([2-9]\d{9})$', '+52\1'),
        regexp_replace(p_phone, '^\+54([1-8]\d{9})$', '+549\1'),
        regexp_replace(p_phone, '^\+549([1-8]\d{9})$', '+54\1')
    ], null);
$$;

-- The conversation that a provider's names lead to, locked; null where none of them is known. One that is found by its
-- id wins over one that is found by its phone.
create function find_conversation_v1(p_provider text, p_customer jsonb) returns uuid language plpgsql as $$
declare
    v_id uuid;
begin
    if p_customer ->> 'chat_id' is not null then
        select c.id into v_id from kommo_conversations c
         where c.kommo_chat_id = p_customer ->> 'chat_id' for no key update;
        return v_id;
    end if;
    if p_customer ->> 'user_id' is not null then
        select c.id into v_id from kommo_conversations c
         where c.provider = p_provider and c.provider_user_id = p_customer ->> 'user_id' for no key update;
    end if;
    if v_id is null and p_customer ->> 'phone' is not null then
        select c.id into v_id from kommo_conversations c
         where c.provider = p_provider and c.phone = any(phone_forms_v1(p_customer ->> 'phone'))
         order by (c.phone = p_customer ->> 'phone') desc, c.created_at limit 1 for no key update;
    end if;
    return v_id;
end;
$$;

-- Two rows turn out to be one customer: all messages come under the first, and the second goes.
create function merge_conversations_v1(p_into uuid, p_from uuid, p_now timestamptz) returns void language plpgsql as $$
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

-- The conversation of a message's customer, locked; made when it is new. Twenty callers at once get one row, and names
-- that so far led to two rows join them.
create function conversation_of_v1(p_item jsonb, p_now timestamptz) returns uuid language plpgsql as $$
declare
    v_provider text := p_item ->> 'provider';
    v_customer jsonb := p_item -> 'customer';
    v_id uuid;
    v_by_phone uuid;
begin
    for attempt in 1..5 loop
        v_id := find_conversation_v1(v_provider, v_customer);
        if v_id is not null then
            if v_customer ->> 'user_id' is not null and v_customer ->> 'phone' is not null then
                v_by_phone := find_conversation_v1(v_provider, v_customer - 'user_id');
                if v_by_phone <> v_id then
                    perform merge_conversations_v1(v_by_phone, v_id, p_now);
                    v_id := v_by_phone;
                end if;
            end if;
            return v_id;
        end if;
        insert into kommo_conversations (provider, kommo_chat_id, provider_user_id, phone, contact_name,
                                         kommo_contact_id, kommo_lead_id, kommo_talk_id, channel, business_address)
        values (v_provider, v_customer ->> 'chat_id', v_customer ->> 'user_id', v_customer ->> 'phone',
                v_customer ->> 'name', v_customer ->> 'contact_id', v_customer ->> 'lead_id',
                v_customer ->> 'talk_id', p_item ->> 'channel', p_item ->> 'business_address')
        on conflict do nothing
        returning id into v_id;
        if v_id is not null then
            return v_id;
        end if;
    end loop;
    raise integrity_constraint_violation using message = 'the conversation of this customer cannot be found or made';
end;
$$;

-- Joins the names by which a provider knows a customer: moved when something changed, unchanged, or unmatched when no
-- name leads to a conversation.
create function record_identity_v1(p_item jsonb, p_now timestamptz) returns text language plpgsql as $$
declare
    v_provider text := p_item ->> 'provider';
    v_now jsonb := p_item -> 'customer';
    v_before jsonb := coalesce(nullif(p_item -> 'previous', 'null'), '{}');
    v_id uuid := find_conversation_v1(v_provider, v_before);
    v_other uuid := find_conversation_v1(v_provider, v_now);
begin
    if v_now ->> 'chat_id' is null and v_now ->> 'contact_id' is not null then
        -- A contact may have several chats; each shows the contact's phone and name.
        update kommo_conversations c
           set phone = coalesce(v_now ->> 'phone', c.phone), contact_name = coalesce(v_now ->> 'name', c.contact_name)
         where c.provider = v_provider and c.kommo_contact_id = v_now ->> 'contact_id'
           and (coalesce(v_now ->> 'phone', c.phone), coalesce(v_now ->> 'name', c.contact_name))
               is distinct from (c.phone, c.contact_name);
        return case when found then 'moved' else 'unchanged' end;
    end if;
    if v_id is not null and v_other is not null and v_id <> v_other then
        perform merge_conversations_v1(v_id, v_other, p_now);
    end if;
    v_id := coalesce(v_id, v_other);
    if v_id is null then
        return 'unmatched';
    end if;
    update kommo_conversations c
       set phone = coalesce(v_now ->> 'phone', c.phone),
           provider_user_id = coalesce(v_now ->> 'user_id', c.provider_user_id),
           contact_name = coalesce(c.contact_name, v_now ->> 'name'),
           kommo_contact_id = coalesce(v_now ->> 'contact_id', c.kommo_contact_id),
           kommo_lead_id = coalesce(v_now ->> 'lead_id', c.kommo_lead_id),
           kommo_talk_id = coalesce(v_now ->> 'talk_id', c.kommo_talk_id)
     where c.id = v_id
       and (coalesce(v_now ->> 'phone', c.phone), coalesce(v_now ->> 'user_id', c.provider_user_id),
            coalesce(c.contact_name, v_now ->> 'name'), coalesce(v_now ->> 'contact_id', c.kommo_contact_id),
            coalesce(v_now ->> 'lead_id', c.kommo_lead_id), coalesce(v_now ->> 'talk_id', c.kommo_talk_id))
           is distinct from (c.phone, c.provider_user_id, c.contact_name, c.kommo_contact_id, c.kommo_lead_id,
                             c.kommo_talk_id);
    return case when found then 'moved' else 'unchanged' end;
end;
$$;

-- A customer stops or resumes everything but direct answers.
create function record_preference_v1(p_item jsonb, p_now timestamptz) returns text language plpgsql as $$
declare
    v_id uuid := find_conversation_v1(p_item ->> 'provider', p_item -> 'customer');
    v_out boolean := (p_item ->> 'opted_out')::boolean;
begin
    update kommo_conversations c
       set opted_out_at = case when v_out then least(coalesce((p_item ->> 'at')::timestamptz, p_now), p_now) end,
           opted_out_by = case when v_out then 'customer' end
     where c.id = v_id and (c.opted_out_at is not null) <> v_out;
    return case when v_id is null then 'unmatched' when found then 'moved' else 'unchanged' end;
end;
$$;

-- Fills in what a message newly tells of its customer; writes nothing when it tells nothing new. Answers leave from the
-- address that the customer wrote to last, by the time of writing: a message that comes late does not change it.
create function learn_customer_v1(p_conversation_id uuid, p_item jsonb, p_sent_at timestamptz)
returns void language plpgsql as $$
declare
    v_customer jsonb := p_item -> 'customer';
    v_name text := v_customer ->> 'name';
    v_phone text := v_customer ->> 'phone';
    v_user_id text := v_customer ->> 'user_id';
    v_contact_id text := v_customer ->> 'contact_id';
    v_lead_id text := v_customer ->> 'lead_id';
    v_talk_id text := v_customer ->> 'talk_id';
    v_address text := p_item ->> 'business_address';
    v_opens boolean := p_item ->> 'role' = 'user' and (p_item ->> 'opens_window')::boolean;
begin
    update kommo_conversations c
       set contact_name = coalesce(c.contact_name, v_name),
           phone = coalesce(c.phone, v_phone),
           provider_user_id = coalesce(v_user_id, c.provider_user_id),
           kommo_contact_id = coalesce(v_contact_id, c.kommo_contact_id),
           kommo_lead_id = coalesce(v_lead_id, c.kommo_lead_id),
           kommo_talk_id = coalesce(v_talk_id, c.kommo_talk_id),
           business_address = case when c.business_address is null or (v_opens and c.last_user_message_at <= p_sent_at)
                                   then v_address else c.business_address end,
           status = case when v_opens and c.status in ('resolved', 'closed') then 'active' else c.status end
     where c.id = p_conversation_id
       and ((c.contact_name is null and v_name is not null)
            or (c.phone is null and v_phone is not null)
            or v_user_id <> coalesce(c.provider_user_id, '')
            or v_contact_id <> coalesce(c.kommo_contact_id, '')
            or v_lead_id <> coalesce(c.kommo_lead_id, '')
            or v_talk_id <> coalesce(c.kommo_talk_id, '')
            or c.business_address is null
            or (v_opens and c.last_user_message_at <= p_sent_at and c.business_address <> v_address)
            or (v_opens and c.status in ('resolved', 'closed')));
end;
$$;

-- Stores one message once. Returns recorded, duplicate, or echo: the provider telling us of a message that we sent.
create function record_message_v1(
    p_item jsonb, p_now timestamptz, out outcome text, out message_id uuid, out conversation_id uuid
) language plpgsql as $$
declare
    v_provider text := p_item ->> 'provider';
    v_provider_message_id text := p_item ->> 'provider_message_id';
    v_role text := p_item ->> 'role';
    v_sent_at timestamptz := least(coalesce((p_item ->> 'sent_at')::timestamptz, p_now), p_now);
begin
    conversation_id := conversation_of_v1(p_item, p_now);
    if v_role = 'assistant' then
        select m.id into message_id from kommo_messages m
         where m.conversation_id = record_message_v1.conversation_id and m.role = 'assistant'
           and (m.provider_message_id = v_provider_message_id
                or (m.provider_message_id is null and m.delivery_status in ('sending', 'uncertain')
                    and m.content = p_item ->> 'content'))
         order by m.provider_message_id nulls last, m.created_at limit 1 for no key update;
        if message_id is not null then
            update kommo_messages m set provider_message_id = v_provider_message_id
             where m.id = message_id and m.provider_message_id is null;
            outcome := case when move_message_v1(message_id, 'sent', v_sent_at, 'echo', null, null)
                            then 'echo' else 'duplicate' end;
            return;
        end if;
    end if;

    insert into kommo_messages (conversation_id, provider, business_address, provider_message_id, kommo_message_id,
                                role, content, content_type, media_url, metadata, created_at, received_at,
                                opens_window, delivery_status, provider_payload)
    values (conversation_id, v_provider, p_item ->> 'business_address', v_provider_message_id,
            case when p_item -> 'customer' ->> 'chat_id' is not null then v_provider_message_id end,
            v_role, p_item ->> 'content', p_item ->> 'content_type', p_item ->> 'media_url', p_item -> 'details',
            v_sent_at, p_now, (p_item ->> 'opens_window')::boolean,
            case v_role when 'assistant' then 'sent' else 'received' end, p_item -> 'raw')
    on conflict (provider, provider_message_id, business_address) where provider_message_id is not null do nothing
    returning id into message_id;
    if message_id is null then
        select m.id, m.conversation_id into message_id, conversation_id from kommo_messages m
         where m.provider = v_provider and m.provider_message_id = v_provider_message_id
           and m.business_address = p_item ->> 'business_address';
        outcome := 'duplicate';
        return;
    end if;

    outcome := 'recorded';
    perform learn_customer_v1(conversation_id, p_item, v_sent_at);
    insert into message_media (message_id, place, source, created_at)
    select record_message_v1.message_id, e.ordinality - 1, e.value, p_now
      from jsonb_array_elements(nullif(p_item -> 'media', 'null')) with ordinality e;
    if v_role = 'user' then
        insert into events (name, detail, occurred_at)
        values ('MessageReceived', jsonb_build_object(
            'message_id', message_id, 'conversation_id', conversation_id, 'provider', v_provider,
            'content_type', p_item ->> 'content_type', 'content', left(p_item ->> 'content', 4096), 'sent_at', v_sent_at), p_now);
    else
        perform apply_parked_statuses_v1(v_provider, v_provider_message_id, p_now);
    end if;
end;
$$;

-- Everything that one webhook carried. An item that the database refuses is parked whole and leaves its neighbours
-- alone; what is not the item's fault (locks, lost connections, full disks) fails the call, so that it is sent again.
create function record_inbound_v1(p_items jsonb, p_now timestamptz default clock_timestamp())
returns table (place integer, outcome text, message_id uuid, conversation_id uuid) language plpgsql as $$
declare
    v_item jsonb;
    v_now timestamptz;
begin
    perform lock_provider_messages_v1(array(
        select concat_ws(':', e ->> 'provider', e ->> 'provider_message_id') from jsonb_array_elements(p_items) e
         where e ->> 'kind' = 'status' or e ->> 'role' = 'assistant'));
    -- Every caller locks in one order (conversations by customer, then messages by id): batches that cross must not
    -- deadlock. Within one conversation the provider's order is kept.
    for place, v_item in
        select (e.ordinality - 1)::integer, e.value
          from jsonb_array_elements(p_items) with ordinality e
         order by case e.value ->> 'kind' when 'message' then 1 when 'status' then 2 when 'parked' then 4 else 3 end,
                  e.value ->> 'provider',
                  coalesce(e.value -> 'customer' ->> 'chat_id', e.value -> 'customer' ->> 'user_id',
                           e.value -> 'customer' ->> 'phone', e.value ->> 'provider_message_id'),
                  e.ordinality
    loop
        message_id := null;
        conversation_id := null;
        v_now := p_now + place * interval '1 microsecond';
        begin
            case v_item ->> 'kind'
                when 'message' then
                    select r.outcome, r.message_id, r.conversation_id into outcome, message_id, conversation_id
                      from record_message_v1(v_item, v_now) r;
                when 'status' then
                    select r.outcome, r.message_id into outcome, message_id from record_status_v1(v_item, v_now) r;
                when 'identity' then
                    outcome := record_identity_v1(v_item, v_now);
                when 'preference' then
                    outcome := record_preference_v1(v_item, v_now);
                else
                    perform park_item_v1(v_item ->> 'provider', v_item ->> 'park_as', v_item ->> 'reason',
                                         decode(v_item ->> 'body', 'base64'), v_item ->> 'content_type', null, v_now);
                    outcome := case v_item ->> 'park_as' when 'notice' then 'noticed' else 'parked' end;
            end case;
        exception when data_exception or integrity_constraint_violation or program_limit_exceeded then
            perform park_item_v1(v_item ->> 'provider', 'refused', 'refused by the database: ' || sqlstate,
                                 null, null, v_item, v_now);
            outcome := 'parked';
        end;
        return next;
    end loop;
end;
$$;
