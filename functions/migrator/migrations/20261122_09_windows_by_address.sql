-- A window per customer and business address: on the conversation for the address that was written to last, in
-- former_windows for the others.

-- When the window at an address of ours closes; as window_closes_at_v1. A conversation that knows no address of ours
-- (written before there was one) has one window for all.
create function address_window_closes_at_v1(c kommo_conversations, p_address text)
returns timestamptz language sql stable as $$
    select case when c.business_address = p_address or c.business_address is null or window_length_v1(c.channel) is null
                then window_closes_at_v1(c.channel, c.last_user_message_at, c.window_closed_for)
                else (select window_closes_at_v1(c.channel, f.last_user_message_at, f.window_closed_for)
                        from former_windows f
                       where f.conversation_id = c.id and f.business_address = p_address) end;
$$;

-- What is to happen to a message now: open (it may go), template (its fallback goes instead), hold, or closed.
create function decide_window_v1(
    c kommo_conversations, p_address text, p_content jsonb, p_policy text, p_has_fallback boolean, p_margin interval,
    p_now timestamptz
) returns text language sql stable as $$
    select case
        when p_content ->> 'type' = 'template' then 'open'
        when address_window_closes_at_v1(c, p_address) - p_margin > p_now then 'open'
        when p_policy = 'template' and p_has_fallback then 'template'
        when p_policy = 'hold' then 'hold'
        else 'closed' end;
$$;

-- The customer wrote to another address: what was the window of the conversation becomes a former one. p_before is the
-- conversation before the message.
create function keep_former_window_v1(p_before kommo_conversations, p_address text, p_sent_at timestamptz)
returns void language plpgsql as $$
begin
    if p_before.business_address is null or p_before.business_address = p_address then
        return;
    elsif coalesce(p_before.last_user_message_at <= p_sent_at, true) then
        delete from former_windows f where f.conversation_id = p_before.id and f.business_address = p_address;
        if p_before.last_user_message_at is not null then
            insert into former_windows as f
            values (p_before.id, p_before.business_address, p_before.last_user_message_at, p_before.window_warned_for,
                    p_before.window_closed_for)
            on conflict (conversation_id, business_address) do update
               set last_user_message_at = excluded.last_user_message_at,
                   window_warned_for = excluded.window_warned_for, window_closed_for = excluded.window_closed_for
             where f.last_user_message_at < excluded.last_user_message_at;
        end if;
    else  -- it comes late: the conversation stays with the address of a newer message
        insert into former_windows as f (conversation_id, business_address, last_user_message_at)
        values (p_before.id, p_address, p_sent_at)
        on conflict (conversation_id, business_address) do update
           set last_user_message_at = greatest(f.last_user_message_at, excluded.last_user_message_at);
    end if;
end;
$$;

-- The provider says that the window is shut. Its word counts for the window that the message was sent in, not for
-- one that the customer opened since.
create function close_window_v2(p_message_id uuid, p_now timestamptz) returns void language sql as $$
    with sent as (
        select m.id, m.conversation_id, m.provider, coalesce(m.business_address, '') as address,
               coalesce((select max(h.at) from message_status_history h
                          where h.message_id = m.id and h.status = 'sending'), m.created_at) as at
          from kommo_messages m where m.id = p_message_id
    ), closed as (
        update kommo_conversations c
           set window_closed_for = c.last_user_message_at, window_warned_for = c.last_user_message_at,
               needs_template = true
          from sent s
         where c.id = s.conversation_id and coalesce(c.business_address, s.address) = s.address
           and c.last_user_message_at <= s.at and c.window_closed_for is distinct from c.last_user_message_at
        returning c.id, c.last_user_message_at
    ), closed_formerly as (
        update former_windows f
           set window_closed_for = f.last_user_message_at, window_warned_for = f.last_user_message_at
          from sent s
         where f.conversation_id = s.conversation_id and f.business_address = s.address
           and f.last_user_message_at <= s.at and f.window_closed_for is distinct from f.last_user_message_at
        returning f.conversation_id, f.last_user_message_at
    )
    insert into events (name, detail, occurred_at)
    select 'WindowClosed', jsonb_build_object(
               'conversation_id', s.conversation_id, 'provider', s.provider, 'business_address', s.address,
               'reason', 'provider', 'last_user_message_at', x.last_user_message_at, 'closed_at', p_now), p_now
      from sent s, (select * from closed union all select * from closed_formerly) x;
$$;

-- Announces each window once as closing and once as closed, and marks who now needs a template.
create function sweep_windows_v2(
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
        returning c.id, c.provider, c.channel, c.business_address, c.last_user_message_at
    ), due_formerly as (
        select f.conversation_id, f.business_address from former_windows f
         where f.last_user_message_at is distinct from f.window_closed_for
           and f.last_user_message_at <= p_now - interval '24 hours'
         order by f.last_user_message_at limit p_limit - (select count(*) from marked)
           for no key update skip locked
    ), marked_formerly as (
        update former_windows f
           set window_closed_for = f.last_user_message_at, window_warned_for = f.last_user_message_at
          from due_formerly d, kommo_conversations c
         where f.conversation_id = d.conversation_id and f.business_address = d.business_address
           and c.id = f.conversation_id
        returning c.id, c.provider, c.channel, f.business_address, f.last_user_message_at
    ), told as (
        insert into events (name, detail, occurred_at)
        select 'WindowClosed', jsonb_build_object(
                   'conversation_id', id, 'provider', provider, 'business_address', business_address, 'reason', 'time',
                   'last_user_message_at', last_user_message_at,
                   'closed_at', last_user_message_at + window_length_v1(channel)), p_now
          from (select * from marked union all select * from marked_formerly) w
         where window_length_v1(channel) is not null
    )
    select (select count(*) from marked) + (select count(*) from marked_formerly) into closed;

    with due as (
        select c.id from kommo_conversations c
         where c.last_user_message_at is distinct from c.window_warned_for
           and c.last_user_message_at <= p_now - interval '24 hours' + p_warning
           and c.last_user_message_at > p_now - interval '24 hours'
         order by c.last_user_message_at limit p_limit for no key update skip locked
    ), marked as (
        update kommo_conversations c set window_warned_for = c.last_user_message_at
          from due where c.id = due.id
        returning c.id, c.provider, c.channel, c.business_address, c.last_user_message_at
    ), due_formerly as (
        select f.conversation_id, f.business_address from former_windows f
         where f.last_user_message_at is distinct from f.window_warned_for
           and f.last_user_message_at <= p_now - interval '24 hours' + p_warning
           and f.last_user_message_at > p_now - interval '24 hours'
         order by f.last_user_message_at limit p_limit - (select count(*) from marked)
           for no key update skip locked
    ), marked_formerly as (
        update former_windows f set window_warned_for = f.last_user_message_at
          from due_formerly d, kommo_conversations c
         where f.conversation_id = d.conversation_id and f.business_address = d.business_address
           and c.id = f.conversation_id
        returning c.id, c.provider, c.channel, f.business_address, f.last_user_message_at
    ), told as (
        insert into events (name, detail, occurred_at)
        select 'WindowClosing', jsonb_build_object(
                   'conversation_id', id, 'provider', provider, 'business_address', business_address,
                   'last_user_message_at', last_user_message_at,
                   'closes_at', last_user_message_at + window_length_v1(channel)), p_now
          from (select * from marked union all select * from marked_formerly) w
         where window_length_v1(channel) is not null
    )
    select (select count(*) from marked) + (select count(*) from marked_formerly) into closing;
    return next;
end;
$$;

-- Two conversations become one: the window at the address that does not stay on the conversation becomes a former one.
create function join_windows_v1(p_into uuid, p_from uuid) returns void language plpgsql as $$
declare
    v_into kommo_conversations%rowtype;
    v_from kommo_conversations%rowtype;
    v_older kommo_conversations%rowtype;
    v_address text;
begin
    select * into v_into from kommo_conversations c where c.id = p_into;
    select * into v_from from kommo_conversations c where c.id = p_from;
    if v_from.last_user_message_at > coalesce(v_into.last_user_message_at, '-infinity') then
        v_older := v_into;
        v_address := v_from.business_address;
    else
        v_older := v_from;
        v_address := coalesce(v_into.business_address, v_from.business_address);
    end if;
    insert into former_windows as f
    select p_into, w.business_address, max(w.last_user_message_at), max(w.window_warned_for), max(w.window_closed_for)
      from (select g.business_address, g.last_user_message_at, g.window_warned_for, g.window_closed_for
              from former_windows g where g.conversation_id = p_from
            union all
            select v_older.business_address, v_older.last_user_message_at, v_older.window_warned_for,
                   v_older.window_closed_for) w
     where w.business_address is not null and w.last_user_message_at is not null
     group by w.business_address
    on conflict (conversation_id, business_address) do update
       set last_user_message_at = greatest(f.last_user_message_at, excluded.last_user_message_at),
           window_warned_for = greatest(f.window_warned_for, excluded.window_warned_for),
           window_closed_for = greatest(f.window_closed_for, excluded.window_closed_for);
    delete from former_windows f where f.conversation_id = p_into and f.business_address = v_address;
    insert into send_pairs as k
    select p_into, o.business_address, o.free_at from send_pairs o where o.conversation_id = p_from
    on conflict (conversation_id, business_address) do update set free_at = greatest(k.free_at, excluded.free_at);
end;
$$;

-- As before, and with what was added to a conversation since: sends, history, windows at other addresses.
create or replace function merge_conversations_v1(p_into uuid, p_from uuid, p_now timestamptz)
returns void language plpgsql as $$
declare
    k kommo_conversations%rowtype;
    v_newer boolean;
begin
    perform 1 from kommo_conversations c where c.id in (p_into, p_from) order by c.id for update;
    select * into k from kommo_conversations c where c.id = p_from;
    if not found or p_into = p_from then
        return;
    end if;
    v_newer := (select k.last_user_message_at > coalesce(c.last_user_message_at, '-infinity')
                  from kommo_conversations c where c.id = p_into) is true;
    update kommo_messages m set conversation_id = p_into where m.conversation_id = p_from;
    update sends s set conversation_id = p_into where s.conversation_id = p_from;
    update conversation_history h set conversation_id = p_into where h.conversation_id = p_from;
    perform join_windows_v1(p_into, p_from);
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
           business_address = case when v_newer then k.business_address
                                   else coalesce(c.business_address, k.business_address) end,
           last_message_at = greatest(c.last_message_at, k.last_message_at),
           last_bot_response_at = greatest(c.last_bot_response_at, k.last_bot_response_at),
           last_user_message_at = greatest(c.last_user_message_at, k.last_user_message_at),
           window_warned_for = case when v_newer then k.window_warned_for else c.window_warned_for end,
           window_closed_for = case when v_newer then k.window_closed_for else c.window_closed_for end,
           needs_template = case when v_newer then k.needs_template else c.needs_template end,
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
