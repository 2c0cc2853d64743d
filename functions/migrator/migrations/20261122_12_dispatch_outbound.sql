-- Handing messages over: in the order of acceptance within a conversation, no faster than providers allow, once.

-- How evenly a limit of so many in any second is used: nine tenths of it come evenly, one tenth may come at once.
create function even_gap_v1(p_per_second double precision) returns interval language sql immutable as $$
    select make_interval(secs => 1 / (0.9 * p_per_second));
$$;
create function at_once_v1(p_per_second double precision) returns interval language sql immutable as $$
    select even_gap_v1(p_per_second) * greatest(floor(0.1 * p_per_second) - 1, 0);
$$;

-- Takes a message of a conversation exclusively for one sender: the first in line up to p_id, the window checked again.
-- Outcomes: claimed | wait (wait_seconds, reason) | done (p_id needs no sender any more) | not_found.
-- p_paces: by provider, messages_per_second, pair_seconds and pair_burst. p_lane: whose turn it is; bulk leaves what
-- may come at once to replies. p_now: the clock, for tests; it is read after waiting for locks otherwise.
create function claim_outbound_v2(
    p_id uuid, p_lane text, p_paces jsonb, p_lease interval, p_margin interval, p_now timestamptz default null
) returns table (
    outcome text, reason text, wait_seconds double precision, message_id uuid, conversation_id uuid, provider text,
    business_address text, content jsonb, options jsonb, reply_to text, attempts integer, phone text,
    provider_user_id text, kommo_chat_id text, kommo_contact_id text, kommo_lead_id text, kommo_talk_id text
) language plpgsql set enable_seqscan = off as $$
declare
    s sends%rowtype;
    m kommo_messages%rowtype;
    c kommo_conversations%rowtype;
    a business_addresses%rowtype;
    v_head uuid;
    v_send jsonb;
    v_now timestamptz;
    v_pair_free_at timestamptz;
    v_pair_gap interval;
    v_per_second double precision;
    v_gap interval;
    v_at_once interval;
    v_until timestamptz;
begin
    if not exists (select from sends k where k.message_id = p_id) then
        perform adopt_send_v1(p_id, coalesce(p_now, clock_timestamp()));
    end if;
    loop
        select h.message_id into v_head from sends k, sends h
         where k.message_id = p_id and k.phase in ('ready', 'sending')
           and h.conversation_id = k.conversation_id and h.phase in ('ready', 'sending')
         order by h.send_order limit 1;
        if v_head is null then
            outcome := case when exists (select from kommo_messages k
                                          where k.id = p_id and k.delivery_status is not null)
                            then 'done' else 'not_found' end;
            return next;
            return;
        end if;
        select * into m from kommo_messages k where k.id = v_head for no key update;
        select * into s from sends k where k.message_id = v_head and k.phase in ('ready', 'sending') for no key update;
        continue when not found;
        v_now := coalesce(p_now, clock_timestamp());
        if follow_former_v1(m, s, v_now) then
            continue;
        elsif s.phase = 'sending' and s.lease_until > v_now then
            v_until := s.lease_until;
            reason := 'another sender is at it';
        elsif s.phase = 'sending' then
            perform move_message_v2(v_head, 'uncertain', v_now, 'lease', null,
                                    'the sender stopped while it was sending');
            continue;
        elsif s.expires_at <= v_now then
            perform move_message_v2(v_head, 'expired', v_now, 'sender', 'expired', 'it could not be sent in its time');
            continue;
        elsif s.not_before > v_now then
            v_until := s.not_before;
            reason := 'it is tried again later';
        end if;
        exit when v_until is not null;

        select * into c from kommo_conversations k where k.id = m.conversation_id;
        v_send := coalesce(m.metadata -> 'send', '{}');
        if decide_window_v1(c, s.business_address, content_of_v1(m.metadata, m.content), null, false, p_margin, v_now)
           <> 'open' then
            perform turn_away_v1(v_head, v_now, 'sender', 'window_closed', 'the window closed before dispatch');
            continue;
        elsif c.opted_out_at is not null
              and (s.lane = 'bulk' or content_of_v1(m.metadata, m.content) ->> 'type' = 'template') then
            perform move_message_v2(v_head, 'failed', v_now, 'sender', 'opted_out',
                                    'the customer wants no such messages');
            continue;
        end if;

        insert into business_addresses (provider, address) values (m.provider, s.business_address)
        on conflict on constraint business_addresses_pkey do nothing;
        select * into a from business_addresses k
         where k.provider = m.provider and k.address = s.business_address for no key update;
        v_now := coalesce(p_now, clock_timestamp());
        v_per_second := coalesce(a.messages_per_second, (p_paces -> m.provider ->> 'messages_per_second')::numeric, 80);
        v_gap := even_gap_v1(v_per_second);
        v_pair_gap := make_interval(secs => coalesce((p_paces -> m.provider ->> 'pair_seconds')::double precision, 0));
        select k.free_at - v_pair_gap
                           * greatest(coalesce((p_paces -> m.provider ->> 'pair_burst')::integer, 1) - 1, 0)
          into v_pair_free_at from send_pairs k
         where k.conversation_id = c.id and k.business_address = s.business_address for no key update;
        if a.probe_at > v_now then
            -- While one tries, who waits for it looks soon whether it got through, and not only when its lease is over.
            v_until := case when exists (select from sends k
                                          where k.phase = 'sending' and k.claimed_at > a.stopped_at
                                            and k.provider = a.provider and k.business_address = a.address)
                            then least(a.probe_at, v_now + interval '5 seconds') else a.probe_at end;
            reason := 'the address is stopped';
        elsif a.slowed_until > v_now then
            v_until := a.slowed_until;
            reason := 'the address is slowed down';
        elsif v_pair_free_at > v_now then
            v_until := v_pair_free_at;
            reason := 'the customer is not to be sent more at once';
        else
            -- Where nothing may come at once, replies are a quarter of a gap ahead of bulk.
            v_at_once := at_once_v1(v_per_second);
            v_until := a.free_at + case when p_lane <> 'bulk' then - v_at_once
                                        when v_at_once = interval '0' then v_gap / 4 else interval '0' end;
            reason := 'the address is not to send more at once';
        end if;
        exit when v_until > v_now;

        update business_addresses k
           set free_at = greatest(k.free_at, v_now) + v_gap,
               probe_at = case when k.stopped_at is not null then v_now + p_lease end
         where k.provider = m.provider and k.address = s.business_address;
        if v_pair_gap > interval '0' then
            insert into send_pairs as k (conversation_id, business_address, free_at)
            values (c.id, s.business_address, v_now + v_pair_gap)
            on conflict on constraint send_pairs_pkey do update set free_at = greatest(k.free_at, v_now) + v_pair_gap;
        end if;
        perform move_message_v2(v_head, 'sending', v_now, 'sender', null, null, v_now + p_lease);
        update sends k
           set phase = 'sending', lease_until = v_now + p_lease, due_at = v_now + p_lease, claimed_at = v_now,
               not_before = null, attempts = k.attempts + 1
         where k.message_id = v_head returning k.attempts into attempts;
        outcome := 'claimed';
        reason := null;
        message_id := v_head;
        conversation_id := c.id;
        provider := m.provider;
        business_address := s.business_address;
        content := content_of_v1(m.metadata, m.content);
        options := v_send -> 'options';
        reply_to := (select k.provider_message_id from kommo_messages k where k.id = (v_send ->> 'reply_to')::uuid);
        phone := c.phone;
        provider_user_id := c.provider_user_id;
        kommo_chat_id := c.kommo_chat_id;
        kommo_contact_id := c.kommo_contact_id;
        kommo_lead_id := c.kommo_lead_id;
        kommo_talk_id := c.kommo_talk_id;
        return next;
        return;
    end loop;
    outcome := 'wait';
    wait_seconds := extract(epoch from v_until - v_now);
    return next;
end;
$$;

-- What a sender of the former version may take while this is deployed: plain text that is next in its line. It waits
-- with everything else until a sender comes who knows how to send it.
alter function claim_outbound_v1(uuid, interval, interval, timestamptz) rename to claim_text_v1;
create function claim_outbound_v1(
    p_id uuid, p_lease interval, p_margin interval, p_now timestamptz default clock_timestamp()
) returns table (
    outcome text, conversation_id uuid, provider text, business_address text, content text, attempts integer,
    phone text, provider_user_id text, kommo_chat_id text, kommo_contact_id text, kommo_lead_id text,
    kommo_talk_id text
) language plpgsql set enable_seqscan = off as $$
begin
    if exists (
        select from kommo_messages m join sends s on s.message_id = m.id
         where m.id = p_id and m.delivery_status in ('accepted', 'queued')
           and (s.phase not in ('ready', 'sending') or s.not_before > p_now
                or (m.metadata -> 'send' ->> 'expires_at')::timestamptz <= p_now
                or content_of_v1(m.metadata, m.content) ->> 'type' <> 'text'
                -- A former sender leaves the rows in sends of what it has sent: where it is alone, only the messages tell.
                or exists (select from sends h join kommo_messages k on k.id = h.message_id
                            where h.conversation_id = s.conversation_id and h.phase in ('ready', 'sending')
                              and h.send_order < s.send_order and k.provider_message_id is null
                              and k.delivery_status in ('accepted', 'queued', 'sending'))))
    then
        outcome := 'leased';
        return next;
        return;
    end if;
    return query select * from claim_text_v1(p_id, p_lease, p_margin, p_now);
end;
$$;

-- A turn is given up until then: the sweep gives the message another.
create function leave_outbound_v1(p_id uuid, p_until timestamptz) returns void language sql as $$
    update sends s set due_at = least(p_until, s.expires_at) where s.message_id = p_id and s.phase = 'ready';
$$;

-- The provider took a message of this address: what had slowed or stopped it is over. Others that wait are due now.
create function resume_address_v1(p_provider text, p_address text, p_by text, p_now timestamptz)
returns boolean language plpgsql as $$
declare
    v_stopped_at timestamptz;
begin
    select a.stopped_at into v_stopped_at from business_addresses a
     where a.provider = p_provider and a.address = p_address and (a.stopped_at is not null or a.throttles > 0)
       for no key update;
    if not found then
        return false;
    end if;
    update business_addresses a
       set stopped_at = null, stopped_code = null, stopped_text = null, probe_at = null, probes = 0, throttles = 0,
           slowed_until = null, updated_at = p_now
     where a.provider = p_provider and a.address = p_address;
    if v_stopped_at is not null then
        update sends s set due_at = p_now, not_before = null
         where s.message_id in (  -- what somebody holds at this moment is looked after
            select k.message_id from sends k
             where k.provider = p_provider and k.business_address = p_address and k.phase = 'ready' and k.due_at > p_now
               for no key update skip locked);
        insert into events (name, detail, occurred_at)
        values ('AddressResumed', jsonb_build_object('provider', p_provider, 'business_address', p_address,
                                                     'stopped_at', v_stopped_at, 'by', p_by), p_now);
    end if;
    return true;
end;
$$;

-- The provider took it. A status or an echo may have been faster: then the row knows already, and keeps what it knows.
create function finish_sent_v2(
    p_id uuid, p_provider_message_id text, p_status text, p_cause text default 'sender',
    p_now timestamptz default clock_timestamp()
) returns text language plpgsql set enable_seqscan = off as $$
declare
    m kommo_messages%rowtype;
    e kommo_messages%rowtype;
    a business_addresses%rowtype;
    v_status text;
begin
    perform lock_provider_messages_v1(array[concat_ws(':', k.provider, p_provider_message_id)])
       from kommo_messages k where k.id = p_id;
    select * into m from kommo_messages k where k.id = p_id for no key update;
    if not found then
        return null;
    end if;
    -- An echo that could not be matched to this row in time was stored as a row of its own: it is this message.
    -- Looked up by nothing but the provider's id: a plan from when the table was small may prefer any other index.
    select * into e from kommo_messages k
     where k.provider_message_id = p_provider_message_id and k.provider_message_id is not null
       and k.provider is not distinct from m.provider and k.business_address = m.business_address for no key update;
    if e.id <> p_id and e.conversation_id = m.conversation_id and e.role = 'assistant' then
        delete from kommo_messages k where k.id = e.id;
        update kommo_conversations c
           set message_count = c.message_count - 1, bot_message_count = c.bot_message_count - 1
         where c.id = m.conversation_id;
    end if;
    update kommo_messages k
       set provider_message_id = coalesce(k.provider_message_id, p_provider_message_id), lease_until = null
     where k.id = p_id;
    perform move_message_v2(p_id, p_status, p_now, p_cause, null, null);
    if e.id <> p_id and e.role = 'assistant' then
        perform move_message_v2(p_id, e.delivery_status, p_now, 'echo', null, null);
    end if;
    delete from sends s where s.message_id = p_id and s.phase <> 'over';
    perform apply_parked_statuses_v2(m.provider, p_provider_message_id, p_now);
    -- What was under way already when its address was slowed down or stopped does not tell that this is over.
    select * into a from business_addresses k
     where k.provider = m.provider and k.address = m.business_address and (k.stopped_at is not null or k.throttles > 0);
    if found and (select max(h.at) from message_status_history h
                   where h.message_id = p_id and h.status = 'sending' and h.cause = 'sender')
                 >= greatest(a.slowed_until, a.stopped_at + interval '1 microsecond') then
        perform resume_address_v1(m.provider, m.business_address, 'probe', p_now);
    end if;
    select k.delivery_status into v_status from kommo_messages k where k.id = p_id;
    return v_status;
end;
$$;

-- The provider did not take it, or nobody knows. p_kind: retry (after p_wait, p_max_attempts times), slow_pair and
-- slow_address (the same, and its customer or its address is slowed down), stop_address (the address waits until a try
-- succeeds; no attempt is used up), window_shut, opted_out, uncertain, failed.
-- Returns its delivery status, and whether this has stopped the address.
create function finish_unsent_v2(
    p_id uuid, p_kind text, p_error_code text, p_error_text text, p_wait interval, p_max_attempts integer,
    p_now timestamptz default clock_timestamp(), out status text, out stopped boolean
) language plpgsql set enable_seqscan = off as $$
declare
    m kommo_messages%rowtype;
    s sends%rowtype;
    v_until timestamptz := p_now + p_wait;
    v_stopped_at timestamptz;
begin
    stopped := false;
    select * into m from kommo_messages k where k.id = p_id for no key update;
    select * into s from sends k where k.message_id = p_id and k.phase = 'sending' for no key update;
    if not found or m.provider_message_id is not null then
        status := m.delivery_status;  -- a status was faster, or its lease had run out
        return;
    end if;

    if p_kind = 'slow_pair' then
        insert into send_pairs as k (conversation_id, business_address, free_at)
        values (m.conversation_id, s.business_address, v_until)
        on conflict on constraint send_pairs_pkey do update set free_at = greatest(k.free_at, v_until);
    elsif p_kind = 'slow_address' then
        -- What was under way already when it was slowed down does not slow it down further.
        update business_addresses k
           set slowed_until = p_now + least(interval '1 second' * (1 << least(k.throttles, 6)), interval '1 minute'),
               throttles = k.throttles + 1, updated_at = p_now
         where k.provider = m.provider and k.address = s.business_address
           and coalesce(k.slowed_until <= s.claimed_at, true);
        v_until := greatest(v_until, (select k.slowed_until from business_addresses k
                                       where k.provider = m.provider and k.address = s.business_address));
    elsif p_kind = 'stop_address' then
        select k.stopped_at into v_stopped_at from business_addresses k
         where k.provider = m.provider and k.address = s.business_address for no key update;
        stopped := v_stopped_at is null;
        if stopped or v_stopped_at < s.claimed_at then  -- the others were under way already
            update business_addresses k
               set stopped_at = coalesce(k.stopped_at, p_now), stopped_code = p_error_code, stopped_text = p_error_text,
                   probe_at = p_now + least(interval '15 seconds' * (1 << least(k.probes, 6)), interval '15 minutes'),
                   probes = k.probes + 1, updated_at = p_now
             where k.provider = m.provider and k.address = s.business_address;
        end if;
        select k.probe_at into v_until from business_addresses k
         where k.provider = m.provider and k.address = s.business_address;
        if stopped then
            insert into events (name, detail, occurred_at)
            values ('AddressStopped', jsonb_build_object(
                'provider', m.provider, 'business_address', s.business_address, 'error_code', p_error_code,
                'error_text', p_error_text), p_now);
        end if;
        update sends k set attempts = greatest(k.attempts - 1, 0) where k.message_id = p_id;
    elsif p_kind = 'window_shut' then
        perform close_window_v2(p_id, p_now);
        perform turn_away_v1(p_id, p_now, 'sender', p_error_code, p_error_text);
    elsif p_kind = 'opted_out' then
        perform opt_out_v1(m.conversation_id, true, m.provider, p_now);
    end if;

    if p_kind = 'stop_address'
       or (p_kind in ('retry', 'slow_pair', 'slow_address') and s.attempts < p_max_attempts) then
        perform return_message_v1(p_id, 'ready', v_until, p_now, 'retry', p_error_code, p_error_text);
    elsif p_kind <> 'window_shut' then
        perform move_message_v2(p_id, case p_kind when 'uncertain' then 'uncertain' else 'failed' end, p_now, 'sender',
                                p_error_code, p_error_text);
    end if;
    select k.delivery_status into status from kommo_messages k where k.id = p_id;
end;
$$;
