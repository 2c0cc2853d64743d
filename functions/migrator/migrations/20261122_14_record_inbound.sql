-- What providers tell us, as record_inbound_v1, and: windows by address, what was held goes, what failed is replaced,
-- wishes and reopened conversations are told of, and events say enough to answer without a read.

-- As record_status_v1; turns tells which messages are to be sent because of it.
create function record_status_v2(
    p_item jsonb, p_now timestamptz, out outcome text, out message_id uuid, out turns jsonb
) language plpgsql as $$
declare
    v_provider text := p_item ->> 'provider';
    v_provider_message_id text := p_item ->> 'provider_message_id';
    v_known text;
    v_conversation_id uuid;
    v_shut boolean := coalesce((p_item ->> 'window_shut')::boolean, false);
    v_at timestamptz := least(coalesce((p_item ->> 'at')::timestamptz, p_now), p_now);
    v_next uuid;
begin
    select m.id, m.provider_message_id, m.conversation_id into message_id, v_known, v_conversation_id
      from kommo_messages m
     where m.id = (p_item ->> 'message_id')::uuid and m.provider = v_provider
       and coalesce(m.provider_message_id, v_provider_message_id) = v_provider_message_id
       for no key update;
    if message_id is null then
        select m.id, m.provider_message_id, m.conversation_id into message_id, v_known, v_conversation_id
          from kommo_messages m
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
    if v_shut then
        perform close_window_v2(message_id, p_now);
    end if;
    if (p_item ->> 'opted_out')::boolean then
        perform opt_out_v1(v_conversation_id, true, v_provider, v_at);
    end if;
    outcome := case when move_message_v2(message_id, p_item ->> 'status', v_at, 'provider', p_item ->> 'error_code',
                                         p_item ->> 'error_text') then 'moved' else 'unchanged' end;
    if v_known is null then
        -- It is the provider's, whatever state it is in: there is nothing left to send or to ask.
        delete from sends s where s.message_id = record_status_v2.message_id and s.phase <> 'over';
    end if;
    if outcome = 'moved' and p_item ->> 'status' = 'failed' and (v_shut or (p_item ->> 'retryable')::boolean) then
        v_next := replace_message_v1(message_id, v_shut, p_now);
        select jsonb_agg(jsonb_build_object('message_id', s.message_id, 'conversation_id', s.conversation_id,
                                            'lane', s.lane)) into turns
          from sends s where s.message_id = v_next and s.phase = 'ready';
    end if;
end;
$$;

-- Applies what was parked for a provider's message id, lowest first, in the moment the message appears.
create function apply_parked_statuses_v2(p_provider text, p_provider_message_id text, p_now timestamptz)
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
        perform record_status_v2(v_item, p_now);
    end loop;
end;
$$;

-- As record_message_v1; turns tells which held messages are to be sent now that the customer has written.
create function record_message_v2(
    p_item jsonb, p_now timestamptz, out outcome text, out message_id uuid, out conversation_id uuid, out turns jsonb
) language plpgsql as $$
declare
    c kommo_conversations%rowtype;
    v_provider text := p_item ->> 'provider';
    v_provider_message_id text := p_item ->> 'provider_message_id';
    v_address text := p_item ->> 'business_address';
    v_role text := p_item ->> 'role';
    v_opens boolean := v_role = 'user' and (p_item ->> 'opens_window')::boolean;
    v_sent_at timestamptz := least(coalesce((p_item ->> 'sent_at')::timestamptz, p_now), p_now);
begin
    conversation_id := conversation_of_v1(p_item, p_now);
    if v_role = 'assistant' then
        select m.id into message_id from kommo_messages m
         where m.provider_message_id = v_provider_message_id and m.provider_message_id is not null
           and m.provider is not distinct from v_provider and m.business_address = v_address
           for no key update;
        if message_id is null then
            select m.id into message_id from kommo_messages m
             where m.conversation_id = record_message_v2.conversation_id and m.provider_message_id is null
               and m.delivery_status in ('sending', 'uncertain') and m.content = p_item ->> 'content'
             order by m.created_at limit 1 for no key update;
        end if;
        if message_id is not null then
            update kommo_messages m set provider_message_id = v_provider_message_id
             where m.id = message_id and m.provider_message_id is null;
            outcome := case when move_message_v2(message_id, 'sent', v_sent_at, 'echo', null, null)
                            then 'echo' else 'duplicate' end;
            return;
        end if;
    end if;

    select * into c from kommo_conversations k where k.id = conversation_id;
    insert into kommo_messages (conversation_id, provider, business_address, provider_message_id, kommo_message_id,
                                role, content, content_type, media_url, metadata, created_at, received_at,
                                opens_window, delivery_status, provider_payload)
    values (conversation_id, v_provider, v_address, v_provider_message_id,
            case when p_item -> 'customer' ->> 'chat_id' is not null then v_provider_message_id end,
            v_role, p_item ->> 'content', p_item ->> 'content_type', p_item ->> 'media_url', p_item -> 'details',
            v_sent_at, p_now, (p_item ->> 'opens_window')::boolean,
            case v_role when 'assistant' then 'sent' else 'received' end, p_item -> 'raw')
    on conflict (provider_message_id, provider, business_address) where provider_message_id is not null do nothing
    returning id into message_id;
    if message_id is null then
        select m.id, m.conversation_id into message_id, conversation_id from kommo_messages m
         where m.provider_message_id = v_provider_message_id and m.provider_message_id is not null
           and m.provider is not distinct from v_provider and m.business_address = v_address;
        outcome := 'duplicate';
        return;
    end if;

    outcome := 'recorded';
    if v_opens and c.business_address <> v_address then
        perform keep_former_window_v1(c, v_address, v_sent_at);
    end if;
    perform learn_customer_v1(conversation_id, p_item, v_sent_at);
    if p_item -> 'media' <> '[]' then
        insert into message_media (message_id, place, source, created_at)
        select record_message_v2.message_id, e.ordinality - 1, e.value, p_now
          from jsonb_array_elements(p_item -> 'media') with ordinality e;
    end if;
    if v_role <> 'user' then
        perform apply_parked_statuses_v2(v_provider, v_provider_message_id, p_now);
        return;
    end if;
    if v_opens then
        if c.status in ('resolved', 'closed') then
            perform tell_change_v1(conversation_id, 'reopened', 'customer', '{}', p_now);
        end if;
        if coalesce(v_sent_at + window_length_v1(c.channel) > p_now, true)  -- a late one may open nothing any more
           and exists (select from sends s
                        where s.conversation_id = record_message_v2.conversation_id and s.phase = 'held') then
            turns := release_held_v1(conversation_id, v_address, p_now);
        end if;
    end if;
    insert into events (name, detail, occurred_at)
    values ('MessageReceived', jsonb_build_object(
        'message_id', message_id, 'conversation_id', conversation_id, 'provider', v_provider,
        'business_address', v_address, 'provider_message_id', v_provider_message_id,
        'customer_name', coalesce(c.contact_name, p_item -> 'customer' ->> 'name'),
        'channel', c.channel, 'content_type', p_item ->> 'content_type', 'content', left(p_item ->> 'content', 4096),
        'details', p_item -> 'details', 'files', jsonb_array_length(p_item -> 'media'), 'sent_at', v_sent_at,
        'conversation_status', case when v_opens and c.status in ('resolved', 'closed') then 'active' else c.status end,
        'assigned_to', c.assigned_to, 'opted_out', c.opted_out_at is not null,
        'window_closes_at', case when v_opens then v_sent_at + window_length_v1(c.channel) end), p_now);
end;
$$;

-- As record_identity_v1, and: a phone and an id that are told together, and so far led to two rows, join them.
create function record_identity_v2(p_item jsonb, p_now timestamptz) returns text language plpgsql as $$
declare
    v_provider text := p_item ->> 'provider';
    v_customer jsonb := p_item -> 'customer';
    v_by_phone uuid;
    v_by_id uuid;
begin
    if v_customer ->> 'chat_id' is null and num_nulls(v_customer ->> 'phone', v_customer ->> 'user_id') = 0 then
        v_by_phone := find_conversation_v1(v_provider, v_customer - 'user_id');
        v_by_id := find_conversation_v1(v_provider, v_customer - 'phone');
        if v_by_phone <> v_by_id then
            perform merge_conversations_v1(v_by_phone, v_by_id, p_now);
            perform record_identity_v1(p_item, p_now);
            return 'moved';
        end if;
    end if;
    return record_identity_v1(p_item, p_now);
end;
$$;

-- A customer stops or resumes everything but direct answers.
create function record_preference_v2(p_item jsonb, p_now timestamptz) returns text language plpgsql as $$
declare
    v_id uuid := find_conversation_v1(p_item ->> 'provider', p_item -> 'customer');
begin
    return case when v_id is null then 'unmatched'
                when opt_out_v1(v_id, (p_item ->> 'opted_out')::boolean, 'customer',
                                least(coalesce((p_item ->> 'at')::timestamptz, p_now), p_now))
                then 'moved' else 'unchanged' end;
end;
$$;

-- Everything that one webhook carried, as record_inbound_v1, and turns: [{message_id, conversation_id, lane}] of sends
-- that are to be queued because of an item.
create function record_inbound_v2(p_items jsonb, p_now timestamptz default clock_timestamp())
returns table (place integer, outcome text, message_id uuid, conversation_id uuid, turns jsonb) language plpgsql
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
        turns := null;
        v_now := p_now + place * interval '1 microsecond';
        begin
            case v_item ->> 'kind'
                when 'message' then
                    select r.outcome, r.message_id, r.conversation_id, r.turns
                      into outcome, message_id, conversation_id, turns
                      from record_message_v2(v_item, v_now) r;
                when 'status' then
                    select r.outcome, r.message_id, r.turns into outcome, message_id, turns
                      from record_status_v2(v_item, v_now) r;
                when 'identity' then
                    outcome := record_identity_v2(v_item, v_now);
                when 'preference' then
                    outcome := record_preference_v2(v_item, v_now);
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
