-- What is not sent in the ordinary way: cancelled, tried again, settled when it was uncertain, rescued by the sweep.

-- Stops a message that no provider has: cancelled | in_flight (a sender has it) | too_late | not_found.
create function cancel_message_v1(p_id uuid, p_by text, p_now timestamptz default clock_timestamp())
returns text language plpgsql as $$
declare
    v_status text;
begin
    select m.delivery_status into v_status from kommo_messages m
     where m.id = p_id and m.delivery_status <> 'received' for no key update;
    if not found then
        return 'not_found';
    end if;
    if v_status = 'cancelled' then
        return 'cancelled';
    elsif v_status in ('sending', 'uncertain') then
        return 'in_flight';
    elsif move_message_v2(p_id, 'cancelled', p_now, p_by, null, null) then
        return 'cancelled';
    end if;
    return 'too_late';
end;
$$;

-- Tries a message again that failed or expired; as a row of its own where a provider had it. What went instead of it is
-- forgotten: it is decided anew.
-- Outcomes: accepted, held (message_id: the row that goes now), window_closed, opted_out, uncertain, not_failed,
-- not_found.
create function retry_message_v1(
    p_id uuid, p_by text, p_expires_in interval, p_margin interval, p_now timestamptz default clock_timestamp()
) returns table (outcome text, message_id uuid, conversation_id uuid, lane text) language plpgsql as $$
declare
    m kommo_messages%rowtype;
    c kommo_conversations%rowtype;
    v_send jsonb;
    v_fallback jsonb;
    v_decision text;
    v_metadata jsonb;
    v_content jsonb;
begin
    select * into m from kommo_messages k where k.id = p_id for no key update;
    message_id := p_id;
    v_metadata := coalesce(m.metadata, '{}') - 'sent_as';
    v_content := content_of_v1(v_metadata, m.content);
    conversation_id := m.conversation_id;
    v_send := coalesce(m.metadata -> 'send', '{"if_window_closed": "reject"}');
    lane := coalesce(v_send ->> 'lane', 'reply');
    if m.id is null or m.delivery_status is null or m.delivery_status = 'received'
       or m.provider_payload is not null then  -- others wrote it, and the provider told us
        outcome := 'not_found';
    elsif m.delivery_status = 'uncertain' then
        outcome := 'uncertain';
    elsif m.delivery_status not in ('failed', 'expired') or m.metadata -> 'replaced_by' is not null then
        outcome := 'not_failed';
    else
        select * into c from kommo_conversations k where k.id = m.conversation_id;
        if v_send ->> 'if_window_closed' = 'template' then
            v_fallback := fallback_of_v1(m.provider, coalesce(m.business_address, ''), v_send);
        end if;
        v_decision := decide_window_v1(
            c, coalesce(m.business_address, ''), v_content, v_send ->> 'if_window_closed', v_fallback is not null,
            p_margin, p_now);
        if v_decision = 'closed' then
            outcome := 'window_closed';
        elsif c.opted_out_at is not null
              and (v_decision = 'template' or lane = 'bulk' or v_content ->> 'type' = 'template') then
            outcome := 'opted_out';
        end if;
    end if;
    if outcome is not null then
        return next;
        return;
    end if;

    outcome := case v_decision when 'hold' then 'held' else 'accepted' end;
    v_metadata := v_metadata
                  || case v_decision when 'template' then jsonb_build_object('sent_as', v_fallback) else '{}' end
                  || jsonb_build_object(
                      'send', v_send || jsonb_build_object('try', 1, 'expires_at', p_now + p_expires_in));
    if m.provider_message_id is not null then
        message_id := gen_random_uuid();
        insert into kommo_messages (id, conversation_id, provider, business_address, role, content, content_type,
                                    delivery_status, opens_window, metadata, created_at, received_at)
        values (retry_message_v1.message_id, m.conversation_id, m.provider, m.business_address, m.role, m.content,
                m.content_type, outcome, false, v_metadata || jsonb_build_object('replaces', m.id), p_now, p_now);
        update kommo_messages k
           set metadata = k.metadata || jsonb_build_object('replaced_by', retry_message_v1.message_id)
         where k.id = m.id;
    else
        update kommo_messages k
           set delivery_status = outcome, metadata = v_metadata, error_code = null, error_text = null where k.id = m.id;
    end if;
    insert into message_status_history (message_id, status, at, cause)
    values (retry_message_v1.message_id, outcome, p_now, p_by);
    insert into sends (message_id, conversation_id, provider, business_address, phase, lane, due_at, expires_at)
    values (retry_message_v1.message_id, m.conversation_id, m.provider, coalesce(m.business_address, ''),
            case outcome when 'held' then 'held' else 'ready' end, retry_message_v1.lane,
            case outcome when 'held' then p_now + p_expires_in
                         else p_now + least(interval '1 minute', p_expires_in) end, p_now + p_expires_in)
    on conflict on constraint sends_pkey do update
       set phase = excluded.phase, due_at = excluded.due_at, expires_at = excluded.expires_at, attempts = 0, asked = 0,
           not_before = null, send_order = default;
    return next;
end;
$$;

-- Uncertain sends of a provider that somebody should ask it for, one asker at a time; asked ever more rarely.
create function claim_unsettled_v1(p_provider text, p_limit integer, p_now timestamptz default clock_timestamp())
returns table (
    message_id uuid, conversation_id uuid, provider text, business_address text, content jsonb, claimed_at timestamptz,
    asked integer, phone text, provider_user_id text, kommo_chat_id text, kommo_contact_id text, kommo_lead_id text,
    kommo_talk_id text
) language sql as $$
    with due as (
        select s.message_id from sends s
         where s.phase = 'uncertain' and s.provider = p_provider and s.due_at <= p_now
         order by s.due_at limit p_limit for no key update skip locked
    ), claimed as (
        update sends s
           set due_at = p_now + interval '2 minutes' * (1 << least(s.asked, 9)), asked = s.asked + 1
          from due d where s.message_id = d.message_id
        returning s.message_id, s.business_address, s.claimed_at, s.asked
    )
    select m.id, m.conversation_id, m.provider, k.business_address, content_of_v1(m.metadata, m.content),
           coalesce(k.claimed_at, m.created_at), k.asked, c.phone, c.provider_user_id, c.kommo_chat_id,
           c.kommo_contact_id, c.kommo_lead_id, c.kommo_talk_id
      from claimed k
      join kommo_messages m on m.id = k.message_id
      join kommo_conversations c on c.id = m.conversation_id;
$$;

-- Somebody knows what became of an uncertain send: sent (and under which id, where that is known), failed, or untaken:
-- it may be sent again. p_after: a person decides no earlier than this after it was given to the provider.
-- Outcomes: settled | too_early (settle_after) | not_uncertain | not_found.
create function settle_message_v1(
    p_id uuid, p_as text, p_by text, p_after interval default '0', p_now timestamptz default clock_timestamp()
) returns table (
    outcome text, settle_after timestamptz, status text, conversation_id uuid, lane text
) language plpgsql as $$
declare
    m kommo_messages%rowtype;
    s sends%rowtype;
begin
    select * into m from kommo_messages k where k.id = p_id and k.delivery_status <> 'received' for no key update;
    if not found then
        outcome := 'not_found';
        return next;
        return;
    end if;
    conversation_id := m.conversation_id;
    perform adopt_send_v1(p_id, p_now);
    select * into s from sends k where k.message_id = p_id for no key update;
    settle_after := coalesce(s.claimed_at, m.created_at) + p_after;
    if m.delivery_status <> 'uncertain' or (p_as = 'untaken' and m.provider_message_id is not null) then
        outcome := 'not_uncertain';
    elsif settle_after > p_now then
        outcome := 'too_early';
    else
        outcome := 'settled';
        lane := s.lane;
        case p_as
            when 'sent' then perform move_message_v2(p_id, 'sent', p_now, p_by, null, null);
            when 'failed' then perform move_message_v2(p_id, 'failed', p_now, p_by, 'settled',
                                                       'it did not reach the customer');
            else
                if s.expires_at <= p_now then
                    perform return_message_v1(p_id, 'ready', null, p_now, p_by, null, null);
                    perform move_message_v2(p_id, 'expired', p_now, p_by, 'expired',
                                            'it could not be sent in its time');
                else
                    perform return_message_v1(p_id, 'ready', null, p_now, p_by, null, null);
                    update sends k set due_at = p_now + interval '1 minute' where k.message_id = p_id;
                end if;
        end case;
    end if;
    status := (select k.delivery_status from kommo_messages k where k.id = p_id);
    return next;
end;
$$;

-- Sends that are due to be looked at: those that nobody is working on get a turn, scheduled ones too; what ran out of
-- time expires; a sender that died with a message leaves it uncertain, never sent a second time.
create function sweep_sends_v1(p_limit integer, p_now timestamptz default clock_timestamp())
returns table (message_id uuid, conversation_id uuid, lane text, outcome text) language plpgsql
set enable_seqscan = off as $$
declare
    v_ids uuid[];
    m kommo_messages%rowtype;
    s sends%rowtype;
begin
    loop
        v_ids := array(select k.message_id from sends k
                        where k.due_at <= p_now and k.phase in ('ready', 'scheduled', 'held', 'sending')
                        order by k.due_at, k.send_order limit p_limit);
        exit when cardinality(v_ids) >= p_limit;
        -- What the former version was just accepting when it was replaced. This looks at each message that is on its
        -- way since then and nearly always finds nothing: only when all that is due is in hand, and for an hour.
        perform adopt_send_v1(k.id, p_now) from (
            select o.id from kommo_messages o
             where o.delivery_status in ('accepted', 'queued', 'sending') and o.provider_message_id is null
               and o.created_at between p_now - interval '1 hour' and p_now - interval '1 minute'
               and not exists (select from sends k where k.message_id = o.id)
             order by o.created_at limit p_limit) k;
        exit when not found;
    end loop;
    foreach message_id in array v_ids loop
        -- The message first, then its row in sends: the order in which everybody locks them.
        select * into m from kommo_messages k where k.id = sweep_sends_v1.message_id for no key update skip locked;
        continue when not found;
        select * into s from sends k
         where k.message_id = sweep_sends_v1.message_id and k.due_at <= p_now
           and k.phase in ('ready', 'scheduled', 'held', 'sending') for no key update;
        continue when not found;
        continue when follow_former_v1(m, s, p_now);
        conversation_id := s.conversation_id;
        lane := s.lane;
        if s.phase = 'sending' then
            perform move_message_v2(s.message_id, 'uncertain', p_now, 'lease', null,
                                    'the sender stopped while it was sending');
            outcome := 'uncertain';
        elsif s.expires_at <= p_now then
            perform move_message_v2(s.message_id, 'expired', p_now, 'sweep', 'expired',
                                    case s.phase when 'held' then 'the customer did not write in its time'
                                                 else 'it could not be sent in its time' end);
            outcome := 'expired';
        else
            update sends k set phase = 'ready', due_at = least(p_now + interval '30 minutes', k.expires_at)
             where k.message_id = s.message_id;
            outcome := 'turn';
        end if;
        return next;
    end loop;
end;
$$;

-- Forgets what nobody asks for any more: answers to repeated requests, and messages that failed long ago.
create function forget_v1(p_limit integer, p_now timestamptz default clock_timestamp())
returns integer language sql set enable_seqscan = off as $$
    with old_keys as (
        delete from idempotency_keys k
         where k.ctid = any(array(
            select o.ctid from idempotency_keys o
             where o.created_at < p_now - interval '8 days' limit p_limit for update skip locked))
        returning 1
    ), old_sends as (
        delete from sends s
         where s.ctid = any(array(
            select o.ctid from sends o
             where o.phase = 'over' and o.due_at < p_now limit p_limit for update skip locked))
        returning 1
    )
    select ((select count(*) from old_keys) + (select count(*) from old_sends))::integer;
$$;
