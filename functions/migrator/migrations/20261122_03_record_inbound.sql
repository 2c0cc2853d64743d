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
         where m.provider_message_id = v_provider_message_id and m.provider_message_id is not null
           and m.provider is not distinct from v_provider
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
         where m.provider_message_id = v_provider_message_id and m.provider_message_id is not null
           and m.provider is not distinct from v_provider and m.business_address = p_item ->> 'business_address'
           for no key update;
        if message_id is null then
            select m.id into message_id from kommo_messages m
             where m.conversation_id = record_message_v1.conversation_id and m.provider_message_id is null
               and m.delivery_status in ('sending', 'uncertain') and m.content = p_item ->> 'content'
             order by m.created_at limit 1 for no key update;
        end if;
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
    on conflict (provider_message_id, provider, business_address) where provider_message_id is not null do nothing
    returning id into message_id;
    if message_id is null then
        select m.id, m.conversation_id into message_id, conversation_id from kommo_messages m
         where m.provider_message_id = v_provider_message_id and m.provider_message_id is not null
           and m.provider is not distinct from v_provider
           and m.business_address = p_item ->> 'business_address';
        outcome := 'duplicate';
        return;
    end if;

    outcome := 'recorded';
    perform learn_customer_v1(conversation_id, p_item, v_sent_at);
    if p_item -> 'media' <> '[]' then
        insert into message_media (message_id, place, source, created_at)
        select record_message_v1.message_id, e.ordinality - 1, e.value, p_now
          from jsonb_array_elements(p_item -> 'media') with ordinality e;
    end if;
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
returns table (place integer, outcome text, message_id uuid, conversation_id uuid) language plpgsql
-- A plan that a session made while the tables were small must not scan them when they have grown.
set enable_seqscan = off as $$
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
