-- Answers: accepted with the window decided on the locked row, claimed by one sender at a time, finished once.
-- Without sequential scans, as record_inbound_v1: plans outlive the size that the tables had when they were made.

-- How long a customer's message keeps the window open, by channel; null: the channel has no window.
-- The same table is in ventana/window.py.
create function window_length_v1(p_channel text) returns interval language sql immutable as $$
    select case p_channel when 'telegram' then null else interval '24 hours' end;
$$;

-- When the window of a conversation closes; 'infinity' where the channel has none, null where it never opened or the
-- provider said that it is shut.
create function window_closes_at_v1(p_channel text, p_last_user_message_at timestamptz, p_closed_for timestamptz)
returns timestamptz language sql stable as $$
    select case when window_length_v1(p_channel) is null then 'infinity'::timestamptz
                else p_last_user_message_at + window_length_v1(p_channel) end
     where window_length_v1(p_channel) is null or p_closed_for is distinct from p_last_user_message_at;
$$;

-- Takes an answer in: accepted | window_closed | not_found. The id is the caller's, so a repeated call changes nothing.
create function accept_outbound_v1(
    p_id uuid, p_conversation_id uuid, p_provider text, p_to text, p_content_type text, p_content text,
    p_margin interval, p_now timestamptz default clock_timestamp()
) returns table (
    outcome text, conversation_id uuid, status text, closed_at timestamptz
) language plpgsql set enable_seqscan = off as $$
declare
    c kommo_conversations%rowtype;
    v_id uuid := p_conversation_id;
begin
    select m.conversation_id, m.delivery_status into conversation_id, status from kommo_messages m where m.id = p_id;
    if found then
        outcome := 'accepted';
        return next;
        return;
    end if;

    if v_id is null then
        v_id := find_conversation_v1(
            p_provider, jsonb_build_object(case when p_to like '+%' then 'phone' else 'user_id' end, p_to));
    end if;
    select * into c from kommo_conversations k where k.id = v_id for no key update;
    if c.id is null then
        outcome := 'not_found';
        return next;
        return;
    end if;
    conversation_id := c.id;
    if coalesce(window_closes_at_v1(c.channel, c.last_user_message_at, c.window_closed_for) - p_margin <= p_now, true)
    then
        outcome := 'window_closed';
        closed_at := c.last_user_message_at + window_length_v1(c.channel);
        return next;
        return;
    end if;

    insert into kommo_messages (id, conversation_id, provider, business_address, role, content, content_type,
                                delivery_status, opens_window, created_at, received_at)
    values (p_id, c.id, c.provider, coalesce(c.business_address, ''), 'assistant', p_content, p_content_type,
            'accepted', false, p_now, p_now);
    insert into message_status_history (message_id, status, at, cause) values (p_id, 'accepted', p_now, 'api');
    outcome := 'accepted';
    status := 'accepted';
    return next;
end;
$$;

-- Takes a message exclusively for one sender, the window checked again:
-- claimed | window_closed | leased (another sender has it) | uncertain (a sender died with it) | done | not_found.
create function claim_outbound_v1(
    p_id uuid, p_lease interval, p_margin interval, p_now timestamptz default clock_timestamp()
) returns table (
    outcome text, conversation_id uuid, provider text, business_address text, content text, attempts integer,
    phone text, provider_user_id text, kommo_chat_id text, kommo_contact_id text, kommo_lead_id text,
    kommo_talk_id text
) language plpgsql set enable_seqscan = off as $$
declare
    m kommo_messages%rowtype;
    c kommo_conversations%rowtype;
begin
    select * into m from kommo_messages k where k.id = p_id for no key update;
    if not found or m.delivery_status is null then
        outcome := 'not_found';
    elsif m.delivery_status = 'sending' and m.provider_message_id is null and m.lease_until > p_now then
        outcome := 'leased';
    elsif m.delivery_status = 'sending' and m.provider_message_id is null then
        perform move_message_v1(p_id, 'uncertain', p_now, 'lease', null, 'the sender stopped while it was sending');
        outcome := 'uncertain';
    elsif m.delivery_status not in ('accepted', 'queued') then
        outcome := 'done';
    end if;
    if outcome is not null then
        return next;
        return;
    end if;

    select * into c from kommo_conversations k where k.id = m.conversation_id;
    if coalesce(window_closes_at_v1(c.channel, c.last_user_message_at, c.window_closed_for) - p_margin <= p_now, true)
    then
        perform move_message_v1(p_id, 'failed', p_now, 'sender', 'window_closed', 'the window closed before dispatch');
        outcome := 'window_closed';
        return next;
        return;
    end if;
    perform move_message_v1(p_id, 'sending', p_now, 'sender', null, null);
    update kommo_messages k set lease_until = p_now + p_lease, attempts = k.attempts + 1 where k.id = p_id
    returning k.attempts into attempts;
    outcome := 'claimed';
    conversation_id := c.id;
    provider := m.provider;
    business_address := m.business_address;
    content := m.content;
    phone := c.phone;
    provider_user_id := c.provider_user_id;
    kommo_chat_id := c.kommo_chat_id;
    kommo_contact_id := c.kommo_contact_id;
    kommo_lead_id := c.kommo_lead_id;
    kommo_talk_id := c.kommo_talk_id;
    return next;
end;
$$;

-- The provider took it. A status or an echo may have been faster: then the row knows already, and keeps what it knows.
create function finish_sent_v1(
    p_id uuid, p_provider_message_id text, p_status text, p_now timestamptz default clock_timestamp()
) returns text language plpgsql set enable_seqscan = off as $$
declare
    m kommo_messages%rowtype;
    v_status text;
begin
    perform lock_provider_messages_v1(array[concat_ws(':', k.provider, p_provider_message_id)])
       from kommo_messages k where k.id = p_id;
    select * into m from kommo_messages k where k.id = p_id for no key update;
    if not found then
        return null;
    end if;
    -- An echo that could not be matched to this row in time was stored as a row of its own: it is this message.
    delete from kommo_messages k
     where k.provider_message_id = p_provider_message_id and k.provider_message_id is not null
       and k.provider is not distinct from m.provider and k.id <> p_id
       and k.business_address = m.business_address and k.conversation_id = m.conversation_id and k.role = 'assistant';
    if found then
        update kommo_conversations c
           set message_count = c.message_count - 1, bot_message_count = c.bot_message_count - 1
         where c.id = m.conversation_id;
    end if;
    update kommo_messages k
       set provider_message_id = coalesce(k.provider_message_id, p_provider_message_id), lease_until = null
     where k.id = p_id;
    perform move_message_v1(p_id, p_status, p_now, 'sender', null, null);
    perform apply_parked_statuses_v1(m.provider, p_provider_message_id, p_now);
    select k.delivery_status into v_status from kommo_messages k where k.id = p_id;
    return v_status;
end;
$$;

-- The provider did not take it: retry goes back to the queue until the attempts are used up; failed and uncertain stay.
create function finish_unsent_v1(
    p_id uuid, p_outcome text, p_error_code text, p_error_text text, p_window_shut boolean, p_max_attempts integer,
    p_now timestamptz default clock_timestamp()
) returns text language plpgsql set enable_seqscan = off as $$
declare
    v_status text;
begin
    if p_window_shut then
        perform close_window_v1(p_id, p_now);
    end if;
    if p_outcome = 'retry' then
        update kommo_messages k
           set delivery_status = 'queued', lease_until = null, error_code = p_error_code, error_text = p_error_text
         where k.id = p_id and k.delivery_status = 'sending' and k.attempts < p_max_attempts;
        if found then
            insert into message_status_history (message_id, status, at, cause, error_code)
            values (p_id, 'queued', p_now, 'retry', p_error_code);
            return 'queued';
        end if;
    end if;
    perform move_message_v1(p_id, case p_outcome when 'uncertain' then 'uncertain' else 'failed' end, p_now,
                            'sender', p_error_code, p_error_text);
    select k.delivery_status into v_status from kommo_messages k where k.id = p_id;
    return v_status;
end;
$$;
