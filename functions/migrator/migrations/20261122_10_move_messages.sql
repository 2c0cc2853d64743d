-- How a message moves from state to state, its row in sends with it, and what becomes of one that found its window
-- shut.

-- As move_message_v1, and: uncertain becomes sending where the provider turns out to have it; expired and cancelled are
-- only for what no provider was given; the row in sends goes, stays or waits as the new state wants it.
create function move_message_v2(
    p_message_id uuid, p_status text, p_at timestamptz, p_cause text, p_error_code text, p_error_text text,
    p_lease_until timestamptz default null
) returns boolean language plpgsql as $$
declare
    v_conversation_id uuid;
    v_provider text;
    v_address text;
    v_before text;
begin
    select m.conversation_id, m.provider, m.business_address, m.delivery_status
      into v_conversation_id, v_provider, v_address, v_before
      from kommo_messages m where m.id = p_message_id for no key update;
    if not found or v_before is null or v_before in ('received', 'failed', 'expired', 'cancelled') then
        return false;
    elsif p_status = 'failed' then
        if v_before in ('delivered', 'read') then return false; end if;
    elsif p_status in ('expired', 'cancelled') then
        if v_before not in ('accepted', 'held', 'queued') then return false; end if;
    elsif not (v_before = 'uncertain' and p_status = 'sending')
          and delivery_rank_v1(p_status) <= delivery_rank_v1(v_before) then
        return false;
    end if;

    update kommo_messages m
       set delivery_status = p_status,
           lease_until = p_lease_until,  -- for senders of the former version, who know nothing of sends
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
        'business_address', v_address, 'status', p_status, 'previous_status', v_before, 'cause', p_cause,
        'error_code', p_error_code, 'error_text', p_error_text), p_at);

    if p_status in ('failed', 'expired', 'cancelled') then
        insert into sends (message_id, conversation_id, provider, business_address, phase, due_at, expires_at)
        values (p_message_id, v_conversation_id, v_provider, coalesce(v_address, ''), 'over',
                p_at + interval '30 days', p_at)
        on conflict (message_id) do update
           set phase = 'over', due_at = excluded.due_at, lease_until = null, not_before = null;
    elsif p_status = 'uncertain' then
        -- Its callback may still be on its way: nobody is asked before.
        update sends s set phase = 'uncertain', due_at = p_at + interval '2 minutes', lease_until = null
         where s.message_id = p_message_id;
    elsif p_status in ('sent', 'delivered', 'read') or (p_status = 'sending' and v_before = 'uncertain') then
        delete from sends s where s.message_id = p_message_id;
    end if;
    return true;
end;
$$;

-- Puts a message back in line (ready) or aside (held): the only steps back there are, and never from a state in which a
-- provider may have it.
create function return_message_v1(
    p_message_id uuid, p_phase text, p_not_before timestamptz, p_now timestamptz, p_cause text, p_error_code text,
    p_error_text text
) returns void language plpgsql as $$
declare
    v_status text := case p_phase when 'held' then 'held' else 'queued' end;
    v_before text := (select m.delivery_status from kommo_messages m where m.id = p_message_id);
begin
    update sends s
       set phase = p_phase, lease_until = null, not_before = p_not_before,
           due_at = case p_phase when 'held' then s.expires_at
                                 else least(coalesce(p_not_before, p_now) + interval '30 minutes', s.expires_at) end
     where s.message_id = p_message_id;
    update kommo_messages m
       set delivery_status = v_status, lease_until = null, error_code = p_error_code, error_text = p_error_text
     where m.id = p_message_id;
    insert into message_status_history (message_id, status, at, cause, error_code)
    values (p_message_id, v_status, p_now, p_cause, p_error_code);
    insert into events (name, detail, occurred_at)
    select 'MessageStatusChanged', jsonb_build_object(
               'message_id', m.id, 'conversation_id', m.conversation_id, 'provider', m.provider,
               'business_address', m.business_address, 'status', v_status, 'previous_status', v_before,
               'cause', p_cause, 'error_code', p_error_code, 'error_text', p_error_text), p_now
      from kommo_messages m where m.id = p_message_id;
end;
$$;

-- Brings the row in sends in line with what a sender of the former version, who writes to kommo_messages alone, did
-- with the message. The caller has locked both; says whether anything had to be changed.
create function follow_former_v1(m kommo_messages, s sends, p_now timestamptz) returns boolean language plpgsql as $$
begin
    if m.delivery_status in ('failed', 'expired', 'cancelled') then
        update sends k set phase = 'over', due_at = p_now + interval '30 days', lease_until = null, not_before = null
         where k.message_id = s.message_id;
    elsif m.provider_message_id is not null
          or m.delivery_status not in ('accepted', 'held', 'queued', 'sending', 'uncertain') then
        delete from sends k where k.message_id = s.message_id;
    elsif m.delivery_status = 'uncertain' and s.phase <> 'uncertain' then
        update sends k
           set phase = 'uncertain', due_at = p_now + interval '2 minutes', lease_until = null,
               claimed_at = coalesce(k.claimed_at, m.created_at)
         where k.message_id = s.message_id;
    elsif m.delivery_status = 'sending' and (s.phase <> 'sending' or m.lease_until > s.lease_until) then
        update sends k
           set phase = 'sending', lease_until = coalesce(m.lease_until, p_now), due_at = coalesce(m.lease_until, p_now),
               claimed_at = p_now
         where k.message_id = s.message_id;
    elsif m.delivery_status in ('accepted', 'queued') and s.phase = 'sending' then
        update sends k set phase = 'ready', lease_until = null where k.message_id = s.message_id;
    else
        return false;
    end if;
    return true;
end;
$$;

-- Which template goes instead of this message, by its own word or its address's; null: none.
create function fallback_of_v1(p_provider text, p_address text, p_send jsonb) returns jsonb language sql stable as $$
    select coalesce(
        nullif(p_send -> 'fallback', 'null'),
        (select nullif(a.fallback_template, 'null') from business_addresses a
          where a.provider = p_provider and a.address = p_address));
$$;

-- What a message holds as it would go now. Rows of the former version have their text alone.
create function content_of_v1(p_metadata jsonb, p_content text) returns jsonb language sql immutable as $$
    select coalesce(p_metadata -> 'sent_as', p_metadata -> 'content',
                    jsonb_build_object('type', 'text', 'body', p_content));
$$;

-- A message that found its window shut, and that no provider has: becomes its fallback template, is held, or fails.
-- Returns template, hold or closed.
create function turn_away_v1(
    p_message_id uuid, p_now timestamptz, p_cause text, p_error_code text, p_error_text text
) returns text language plpgsql as $$
declare
    m kommo_messages%rowtype;
    v_send jsonb;
    v_fallback jsonb;
    v_policy text;
begin
    select * into m from kommo_messages k where k.id = p_message_id for no key update;
    v_send := coalesce(m.metadata -> 'send', '{}');
    v_policy := v_send ->> 'if_window_closed';
    if v_policy = 'template' and m.metadata -> 'sent_as' is null then
        v_fallback := fallback_of_v1(m.provider, coalesce(m.business_address, ''), v_send);
    end if;
    if v_fallback is not null then
        update kommo_messages k set metadata = k.metadata || jsonb_build_object('sent_as', v_fallback)
         where k.id = p_message_id;
        perform return_message_v1(p_message_id, 'ready', null, p_now, p_cause, p_error_code, p_error_text);
        return 'template';
    elsif v_policy = 'hold' and exists (select from sends s where s.message_id = p_message_id and s.expires_at > p_now)
    then
        perform return_message_v1(p_message_id, 'held', null, p_now, p_cause, p_error_code, p_error_text);
        return 'hold';
    end if;
    perform move_message_v2(p_message_id, 'failed', p_now, p_cause, p_error_code, p_error_text);
    return 'closed';
end;
$$;

-- A provider took a message and failed with it: what goes in its place is a row of its own, because the first one may
-- still be reported on. Returns the new row, or null where nothing is to go: it would be too late, or too often.
-- Where the window was shut it takes the first one's place in line, before what has waited behind that; what is tried
-- again after a while holds nobody up.
create function replace_message_v1(p_message_id uuid, p_window_shut boolean, p_now timestamptz)
returns uuid language plpgsql as $$
declare
    m kommo_messages%rowtype;
    v_send jsonb;
    v_fallback jsonb;
    v_phase text := 'ready';
    v_try integer;
    v_id uuid := gen_random_uuid();
begin
    select * into m from kommo_messages k where k.id = p_message_id for no key update;
    v_send := m.metadata -> 'send';
    v_try := coalesce((v_send ->> 'try')::integer, 1);
    if v_send is null or m.metadata -> 'replaced_by' is not null or v_try >= 6
       or (v_send ->> 'expires_at')::timestamptz <= p_now then
        return null;
    end if;
    if p_window_shut then
        if v_send ->> 'if_window_closed' = 'template' and m.metadata -> 'sent_as' is null then
            v_fallback := fallback_of_v1(m.provider, coalesce(m.business_address, ''), v_send);
        end if;
        if v_fallback is null and v_send ->> 'if_window_closed' is distinct from 'hold' then
            return null;
        end if;
        v_phase := case when v_fallback is null then 'held' else 'ready' end;
    end if;
    insert into kommo_messages (id, conversation_id, provider, business_address, role, content, content_type,
                                delivery_status, opens_window, metadata, created_at, received_at)
    values (v_id, m.conversation_id, m.provider, m.business_address, m.role, m.content, m.content_type,
            case v_phase when 'held' then 'held' else 'accepted' end, false,
            m.metadata || jsonb_build_object('replaces', m.id, 'send', v_send || jsonb_build_object('try', v_try + 1))
            || case when v_fallback is null then '{}' else jsonb_build_object('sent_as', v_fallback) end,
            p_now, p_now);
    insert into message_status_history (message_id, status, at, cause)
    values (v_id, case v_phase when 'held' then 'held' else 'accepted' end, p_now, 'replacement');
    insert into sends (message_id, conversation_id, provider, business_address, phase, lane, send_order, due_at,
                       not_before, expires_at)
    values (v_id, m.conversation_id, m.provider, coalesce(m.business_address, ''), v_phase,
            coalesce(v_send ->> 'lane', 'reply'),
            coalesce(case when p_window_shut then (v_send ->> 'order')::bigint end,
                     nextval(pg_get_serial_sequence('sends', 'send_order'))),
            case v_phase when 'held' then (v_send ->> 'expires_at')::timestamptz else p_now + interval '1 minute' end,
            case when not p_window_shut then p_now + interval '15 seconds' * (1 << v_try) end,
            (v_send ->> 'expires_at')::timestamptz);
    update kommo_messages k set metadata = k.metadata || jsonb_build_object('replaced_by', v_id) where k.id = m.id;
    return v_id;
end;
$$;

-- The customer wrote to an address: what was held for that goes into line again, in its order. Messages whose sender
-- chose no address follow the customer. Returns turns: which message, of which conversation, in which lane.
create function release_held_v1(p_conversation_id uuid, p_address text, p_now timestamptz)
returns jsonb language plpgsql as $$
declare
    v_id uuid;
    v_lane text;
    v_turns jsonb := '[]';
begin
    for v_id in
        select s.message_id from sends s
         where s.conversation_id = p_conversation_id and s.phase = 'held' order by s.send_order
    loop
        perform 1 from kommo_messages m where m.id = v_id for no key update;
        select s.lane into v_lane from sends s
         where s.message_id = v_id and s.phase = 'held' and s.expires_at > p_now for no key update;
        continue when not found;
        update kommo_messages m set business_address = p_address
         where m.id = v_id and m.business_address <> p_address and m.metadata -> 'send' ->> 'from' is null;
        continue when not exists (select from kommo_messages m where m.id = v_id and m.business_address = p_address);
        perform return_message_v1(v_id, 'ready', null, p_now, 'customer', null, null);
        update sends s set business_address = p_address, due_at = p_now + interval '1 minute' where s.message_id = v_id;
        v_turns := v_turns || jsonb_build_object('message_id', v_id, 'conversation_id', p_conversation_id,
                                                 'lane', v_lane);
    end loop;
    return v_turns;
end;
$$;
