-- What an overview shows, hour by hour: counted by the sweep from the events that were published, so that no message
-- costs more to record or to send than it did.

-- step: tables for what was counted, and how far
create table hourly_statistics (
    hour timestamptz not null,
    provider text not null,
    received bigint not null default 0,
    accepted bigint not null default 0,
    sent bigint not null default 0,
    delivered bigint not null default 0,
    read bigint not null default 0,
    failed bigint not null default 0,
    primary key (hour, provider)
);
comment on table hourly_statistics is 'How many messages came and went in each hour (UTC); hours without any have no row';
comment on column hourly_statistics.accepted is
'Of ours: sent in this hour, or failed, expired or cancelled in it without having been sent';
comment on column hourly_statistics.delivered is
'Of those that were sent in this hour, whenever they were delivered; read likewise: what is sent is never less';
comment on column hourly_statistics.failed is 'Failed or expired in this hour; their reasons are in hourly_failures';

create table hourly_failures (
    hour timestamptz not null,
    provider text not null,
    error_code text not null,
    count bigint not null,
    primary key (hour, provider, error_code)
);
comment on table hourly_failures is 'Why messages failed or expired in each hour (UTC)';

create table sweep_progress (
    one boolean primary key default true constraint sweep_progress_one_check check (one),
    counted_to timestamptz not null,
    swept_at timestamptz,
    tick jsonb
);
comment on table sweep_progress is 'One row, once there was a sweep: which events are counted, and what the last sweep did';
comment on column sweep_progress.counted_to is 'Events that were published before this moment are counted, no others';

-- step: counting
-- What `from current` is below.
select set_config('search_path', relnamespace::regnamespace::text || ', pg_temp', true)
  from pg_class where oid = 'kommo_conversations'::regclass;

-- Counts about p_limit events more, each exactly once: how far it came moves on in the same commit, under a lock that
-- keeps other sweeps waiting. Says how many, and whether more are left. The last 30 seconds are left alone: what was
-- published in them may not be committed yet.
-- An event may say that several steps were taken, or that one was taken again: a message that is told as read was sent
-- and delivered as well. Delivered and read count for the hour in which it was sent, which is where its history says so
-- first. What others sent from our number, with a phone or in the provider's own console, has no history with us from
-- its beginning, and is not counted.
create function count_events_v1(
    p_limit integer, p_now timestamptz default clock_timestamp(), out counted integer, out behind boolean
) language plpgsql security definer set enable_seqscan = off set search_path from current as $$
declare
    v_from timestamptz;
    v_until timestamptz := p_now - interval '30 seconds';
begin
    -- The first time, what an overview of a day shows.
    insert into sweep_progress (counted_to) values (p_now - interval '1 day') on conflict do nothing;
    select p.counted_to into v_from from sweep_progress p for no key update;
    counted := 0;
    behind := false;
    if v_until <= v_from then
        return;
    end if;
    v_until := least(v_until, (select e.published_at from events e
                                where e.published_at > v_from and e.published_at < v_until
                                order by e.published_at offset p_limit limit 1));
    behind := v_until < p_now - interval '30 seconds';

    with told as materialized (
        select e.name, e.detail ->> 'provider' as provider, e.detail ->> 'status' as status,
               e.detail ->> 'previous_status' in ('sent', 'delivered', 'read') as was_sent,
               e.detail ->> 'previous_status' in ('delivered', 'read') as was_delivered,
               coalesce(e.detail ->> 'error_code', 'unknown') as error_code,
               (e.detail ->> 'message_id')::uuid as message_id, e.occurred_at
          from events e
         where e.published_at >= v_from and e.published_at < v_until
           and e.name in ('MessageReceived', 'MessageStatusChanged') and e.detail ->> 'provider' is not null
    ), ours as (
        select t.*, t.status in ('sent', 'delivered', 'read') as is_sent, t.status in ('failed', 'expired') as is_failed,
               (select h.at from message_status_history h
                 where h.message_id = t.message_id and h.status in ('sent', 'delivered', 'read')
                 order by h.id limit 1) as sent_at
          from told t
         where t.status in ('sent', 'delivered', 'read', 'failed', 'expired', 'cancelled')
           and (select h.status from message_status_history h
                 where h.message_id = t.message_id order by h.id limit 1) in ('accepted', 'held')
    ), steps as (
        select date_trunc('hour', t.occurred_at, 'UTC') as hour, t.provider, 'received' as step
          from told t where t.name = 'MessageReceived'
        union all
        select date_trunc('hour', s.at, 'UTC'), o.provider, s.step
          from ours o
         cross join lateral (values
            ('accepted', coalesce(o.sent_at, o.occurred_at), o.was_sent is not true),
            ('sent', o.sent_at, o.is_sent and o.was_sent is not true),
            ('delivered', o.sent_at, o.status in ('delivered', 'read') and o.was_delivered is not true),
            ('read', o.sent_at, o.status = 'read'),
            ('failed', o.occurred_at, o.is_failed)
         ) s (step, at, taken)
         where s.taken
    ), failures as (
        insert into hourly_failures as f (hour, provider, error_code, count)
        select date_trunc('hour', o.occurred_at, 'UTC'), o.provider, o.error_code, count(*)
          from ours o where o.is_failed group by 1, 2, 3
        on conflict on constraint hourly_failures_pkey do update set count = f.count + excluded.count
    ), statistics as (
        insert into hourly_statistics as s (hour, provider, received, accepted, sent, delivered, read, failed)
        select hour, provider, count(*) filter (where step = 'received'), count(*) filter (where step = 'accepted'),
               count(*) filter (where step = 'sent'), count(*) filter (where step = 'delivered'),
               count(*) filter (where step = 'read'), count(*) filter (where step = 'failed')
          from steps group by 1, 2
        on conflict on constraint hourly_statistics_pkey do update
           set received = s.received + excluded.received, accepted = s.accepted + excluded.accepted,
               sent = s.sent + excluded.sent, delivered = s.delivered + excluded.delivered,
               read = s.read + excluded.read, failed = s.failed + excluded.failed
    )
    select count(*) into counted from told;
    update sweep_progress p set counted_to = v_until where p.one;
end;
$$;

-- Notes what a sweep has done, when it is done.
create function finish_sweep_v1(p_tick jsonb, p_now timestamptz default clock_timestamp())
returns void language sql security definer set search_path from current as $$
    insert into sweep_progress as p (counted_to, swept_at, tick) values (p_now - interval '1 day', p_now, p_tick)
    on conflict (one) do update set swept_at = excluded.swept_at, tick = excluded.tick
     where coalesce(p.swept_at, '-infinity') <= excluded.swept_at;
$$;

-- Everybody may call a new function unless it is said otherwise.
revoke execute on function count_events_v1, finish_sweep_v1 from public;
