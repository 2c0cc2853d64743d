-- What the sweep does each tick. Each function takes only what is due, skips what another sweep holds, and is bounded.

-- Announces each window once as closing and once as closed, and marks who now needs a template.
create function sweep_windows_v1(
    p_warning interval, p_limit integer, p_now timestamptz default clock_timestamp()
) returns table (closing integer, closed integer) language plpgsql as $$
begin
    with due as (
        select c.id from kommo_conversations c
         where c.last_user_message_at is distinct from c.window_closed_for
           and c.last_user_message_at <= p_now - interval '24 hours'
         order by c.last_user_message_at limit p_limit for no key update skip locked
    ), marked as (
        update kommo_conversations c
           set window_closed_for = c.last_user_message_at, window_warned_for = c.last_user_message_at,
               needs_template = window_length_v1(c.channel) is not null
          from due where c.id = due.id
        returning c.id, c.provider, c.channel, c.last_user_message_at
    ), told as (
        insert into events (name, detail, occurred_at)
        select 'WindowClosed', jsonb_build_object(
                   'conversation_id', id, 'provider', provider, 'reason', 'time',
                   'last_user_message_at', last_user_message_at,
                   'closed_at', last_user_message_at + window_length_v1(channel)), p_now
          from marked where window_length_v1(channel) is not null
    )
    select count(*) into closed from marked;

    with due as (
        select c.id from kommo_conversations c
         where c.last_user_message_at is distinct from c.window_warned_for
           and c.last_user_message_at <= p_now - interval '24 hours' + p_warning
           and c.last_user_message_at > p_now - interval '24 hours'
         order by c.last_user_message_at limit p_limit for no key update skip locked
    ), marked as (
        update kommo_conversations c set window_warned_for = c.last_user_message_at
          from due where c.id = due.id
        returning c.id, c.provider, c.channel, c.last_user_message_at
    ), told as (
        insert into events (name, detail, occurred_at)
        select 'WindowClosing', jsonb_build_object(
                   'conversation_id', id, 'provider', provider, 'last_user_message_at', last_user_message_at,
                   'closes_at', last_user_message_at + window_length_v1(channel)), p_now
          from marked where window_length_v1(channel) is not null
    )
    select count(*) into closing from marked;
    return next;
end;
$$;

-- Sends that were accepted and never queued, or queued and forgotten: to be queued again. A sender that died with a
-- message leaves it uncertain, never sent a second time.
create function rescue_sends_v1(
    p_accepted_for interval, p_queued_for interval, p_limit integer, p_now timestamptz default clock_timestamp()
) returns table (message_id uuid, conversation_id uuid, outcome text) language plpgsql as $$
begin
    for message_id, conversation_id, outcome in
        select m.id, m.conversation_id, case m.delivery_status when 'sending' then 'uncertain' else 'stranded' end
          from kommo_messages m
         where (m.delivery_status = 'accepted' and m.created_at <= p_now - p_accepted_for)
            or (m.delivery_status = 'queued' and m.created_at <= p_now - p_queued_for)
            or (m.delivery_status = 'sending' and m.provider_message_id is null and m.lease_until <= p_now)
         order by m.created_at limit p_limit for no key update skip locked
    loop
        if outcome = 'uncertain' then
            perform move_message_v1(message_id, 'uncertain', p_now, 'lease', null,
                                    'the sender stopped while it was sending');
        end if;
        return next;
    end loop;
end;
$$;

-- Events to publish, oldest first, for one publisher at a time; unconfirmed ones come again after the lease.
create function claim_events_v1(p_limit integer, p_lease interval, p_now timestamptz default clock_timestamp())
returns table (id uuid, name text, detail jsonb, occurred_at timestamptz) language sql as $$
    with due as (
        select e.id from events e
         where e.published_at is null and (e.claimed_until is null or e.claimed_until <= p_now)
         order by e.occurred_at limit p_limit for update skip locked
    ), claimed as (
        update events e set claimed_until = p_now + p_lease from due where e.id = due.id
        returning e.id, e.name, e.detail, e.occurred_at
    )
    select c.id, c.name, c.detail, c.occurred_at from claimed c order by c.occurred_at;
$$;

create function finish_events_v1(p_ids uuid[], p_now timestamptz default clock_timestamp())
returns integer language sql as $$
    with finished as (
        update events e set published_at = p_now, claimed_until = null where e.id = any(p_ids) returning 1
    )
    select count(*)::integer from finished;
$$;
