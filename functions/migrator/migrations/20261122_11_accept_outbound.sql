-- Taking answers in: who it is for, whether the window allows it, and what is answered to a caller who asks twice.

-- Takes a request in. The ids of its parts are the caller's. Outcomes: accepted (message_ids, status accepted or held),
-- window_closed, opted_out, not_found, no_address, reply_not_found, key_conflict.
-- p_request: conversation_id, or provider and to; from; parts [{id, content, summary, content_type}]; if_window_closed
-- reject | template | hold; fallback (a template); reply_to (id of a message of the conversation); lane; send_at;
-- expires_in (seconds); options; caller; key; request_hash; may_start (a template may begin a conversation).
create function accept_outbound_v2(p_request jsonb, p_margin interval, p_now timestamptz default clock_timestamp())
returns table (
    outcome text, conversation_id uuid, message_ids uuid[], status text, closed_at timestamptz
) language plpgsql set enable_seqscan = off as $$
declare
    c kommo_conversations%rowtype;
    v_row kommo_messages%rowtype;
    v_id uuid := (p_request ->> 'conversation_id')::uuid;
    v_provider text := p_request ->> 'provider';
    v_to text := p_request ->> 'to';
    v_address text := p_request ->> 'from';
    v_lane text := coalesce(p_request ->> 'lane', 'reply');
    v_policy text := coalesce(p_request ->> 'if_window_closed', 'reject');
    v_content jsonb := p_request -> 'parts' -> 0 -> 'content';
    v_send_at timestamptz := (p_request ->> 'send_at')::timestamptz;
    v_expires_at timestamptz;
    v_fallback jsonb;
    v_decision text;
    v_phase text;
    v_part jsonb;
    v_place integer;
    v_order bigint;
    v_known idempotency_keys%rowtype;
begin
    v_expires_at := greatest(coalesce(v_send_at, p_now), p_now)
                    + make_interval(secs => coalesce((p_request ->> 'expires_in')::double precision, 86400));
    if p_request ->> 'key' is not null then
        insert into idempotency_keys (caller, key, request_hash, created_at)
        values (p_request ->> 'caller', p_request ->> 'key', p_request ->> 'request_hash', p_now)
        on conflict on constraint idempotency_keys_pkey do nothing;
        if not found then
            select * into v_known from idempotency_keys k
             where k.caller = p_request ->> 'caller' and k.key = p_request ->> 'key';
            if v_known.request_hash is distinct from p_request ->> 'request_hash' then
                outcome := 'key_conflict';
            else
                outcome := v_known.answer ->> 'outcome';
                conversation_id := (v_known.answer ->> 'conversation_id')::uuid;
                message_ids := array(select e::uuid from jsonb_array_elements_text(v_known.answer -> 'message_ids') e);
                status := v_known.answer ->> 'status';
                closed_at := (v_known.answer ->> 'closed_at')::timestamptz;
            end if;
            return next;
            return;
        end if;
    end if;

    if v_id is null then
        v_id := find_conversation_v1(
            v_provider, jsonb_build_object(case when v_to like '+%' then 'phone' else 'user_id' end, v_to));
    end if;
    if v_id is null and v_to is not null and v_content ->> 'type' = 'template'
       and (p_request ->> 'may_start')::boolean then
        v_address := coalesce(v_address, only_address_v1(v_provider));
        if v_address is null then
            outcome := 'no_address';
        elsif p_request ->> 'reply_to' is not null then
            outcome := 'reply_not_found';
        else
            v_id := conversation_of_v1(jsonb_build_object(
                'provider', v_provider, 'channel', 'whatsapp', 'business_address', v_address, 'customer',
                jsonb_build_object(case when v_to like '+%' then 'phone' else 'user_id' end, v_to)), p_now);
        end if;
    end if;
    select * into c from kommo_conversations k where k.id = v_id for no key update;
    if p_request ->> 'key' is null then
        -- A connection may die with the answer on it, and the statement be repeated: it is the same by its ids.
        for v_part in select e.value from jsonb_array_elements(p_request -> 'parts') e loop
            select * into v_row from kommo_messages k where k.id = (v_part ->> 'id')::uuid;
            exit when not found;
            message_ids := message_ids || v_row.id;
            conversation_id := v_row.conversation_id;
            status := case v_row.delivery_status when 'held' then 'held' else 'accepted' end;
        end loop;
        if message_ids is not null then
            outcome := 'accepted';
            return next;
            return;
        end if;
    end if;
    if c.id is null then
        outcome := coalesce(outcome, 'not_found');
    else
        conversation_id := c.id;
        v_address := coalesce(v_address, c.business_address, only_address_v1(c.provider));
        if v_address is null and c.kommo_chat_id is null then
            outcome := 'no_address';
        elsif p_request ->> 'reply_to' is not null and not exists (
            select from kommo_messages m
             where m.id = (p_request ->> 'reply_to')::uuid and m.conversation_id = c.id) then
            outcome := 'reply_not_found';
        end if;
    end if;
    if outcome is not null then  -- nothing was decided: the same key may ask again
        delete from idempotency_keys k where k.caller = p_request ->> 'caller' and k.key = p_request ->> 'key';
        return next;
        return;
    end if;

    v_address := coalesce(v_address, '');
    v_fallback := case v_policy when 'template' then fallback_of_v1(c.provider, v_address, p_request) end;
    v_decision := case when v_send_at > p_now then 'open'
                       else decide_window_v1(c, v_address, v_content, v_policy, v_fallback is not null, p_margin, p_now)
                  end;
    if c.opted_out_at is not null
       and (v_lane = 'bulk' or v_content ->> 'type' = 'template' or v_decision = 'template') then
        outcome := 'opted_out';
    elsif v_decision = 'closed' then
        outcome := 'window_closed';
        closed_at := address_window_closed_at_v1(c, v_address);
        closed_at := case when closed_at > p_now then p_now else closed_at end;  -- by the provider's word, or margin
    else
        outcome := 'accepted';
        status := case v_decision when 'hold' then 'held' else 'accepted' end;
        v_phase := case when v_decision = 'hold' then 'held' when v_send_at > p_now then 'scheduled' else 'ready' end;
        for v_place, v_part in
            select e.ordinality, e.value from jsonb_array_elements(p_request -> 'parts') with ordinality e
             where v_decision <> 'template' or e.ordinality = 1  -- one template goes for all parts
             order by e.ordinality
        loop
            message_ids := message_ids || (v_part ->> 'id')::uuid;
            v_order := nextval(pg_get_serial_sequence('sends', 'send_order'));
            insert into kommo_messages (id, conversation_id, provider, business_address, role, content, content_type,
                                        delivery_status, opens_window, metadata, created_at, received_at)
            values ((v_part ->> 'id')::uuid, c.id, c.provider, v_address, 'assistant', v_part ->> 'summary',
                    v_part ->> 'content_type', accept_outbound_v2.status, false,
                    jsonb_build_object(
                        'content', v_part -> 'content',
                        'send', jsonb_strip_nulls(jsonb_build_object(
                            -- One template is enough: later parts of a text that finds the window shut fail.
                            'if_window_closed', case when v_policy = 'template' and v_place > 1 then 'reject'
                                                     else v_policy end,
                            'fallback', case v_place when 1 then p_request -> 'fallback' end,
                            'from', p_request ->> 'from', 'lane', v_lane, 'reply_to', p_request ->> 'reply_to',
                            'options', p_request -> 'options', 'expires_at', v_expires_at, 'send_at', v_send_at,
                            'order', v_order,  -- for what may go in its place, when the row in sends is gone
                            'accepted_by', p_request ->> 'caller')))
                    || case v_decision when 'template' then jsonb_build_object('sent_as', v_fallback) else '{}' end,
                    p_now + (v_place - 1) * interval '1 microsecond', p_now);
            insert into message_status_history (message_id, status, at, cause)
            values ((v_part ->> 'id')::uuid, accept_outbound_v2.status, p_now, 'api');
            insert into sends (message_id, conversation_id, provider, business_address, phase, lane, send_order, due_at,
                               expires_at)
            values ((v_part ->> 'id')::uuid, c.id, c.provider, v_address, v_phase, v_lane, v_order,
                    case v_phase when 'held' then v_expires_at when 'scheduled' then v_send_at
                                 else least(p_now + interval '1 minute', v_expires_at) end, v_expires_at);
        end loop;
    end if;
    update idempotency_keys k
       set answer = jsonb_build_object('outcome', outcome, 'conversation_id', accept_outbound_v2.conversation_id,
                                       'message_ids', to_jsonb(coalesce(message_ids, '{}')),
                                       'status', accept_outbound_v2.status, 'closed_at', accept_outbound_v2.closed_at)
     where k.caller = p_request ->> 'caller' and k.key = p_request ->> 'key';
    return next;
end;
$$;

-- The address of a provider where there is just one.
create function only_address_v1(p_provider text) returns text language sql stable as $$
    select min(a.address) from business_addresses a where a.provider = p_provider having count(*) = 1;
$$;

-- When the window at an address closed or would by the clock, the provider's word left aside; null: it never opened.
create function address_window_closed_at_v1(c kommo_conversations, p_address text)
returns timestamptz language sql stable as $$
    select window_length_v1(c.channel) + case
        when c.business_address = p_address or c.business_address is null then c.last_user_message_at
        else (select f.last_user_message_at from former_windows f
               where f.conversation_id = c.id and f.business_address = p_address) end;
$$;

-- The messages are in the queue: the sweep looks at them later, unless a sender was faster.
create function mark_queued_v1(p_ids uuid[], p_now timestamptz default clock_timestamp())
returns void language sql as $$
    with queued as (
        update kommo_messages m set delivery_status = 'queued'
         where m.id = any(p_ids) and m.delivery_status = 'accepted' returning m.id
    ), told as (
        insert into message_status_history (message_id, status, at, cause) select id, 'queued', p_now, 'api' from queued
    )
    update sends s set due_at = least(p_now + interval '30 minutes', s.expires_at)
      from queued q where s.message_id = q.id and s.phase = 'ready';
$$;
