-- Events that were published are forgotten after a week: they hold what customers wrote, and nobody reads them again.

-- step: published events by when that was, for the sweep alone
create index concurrently events_published_idx on events (published_at) where published_at is not null;

-- step: forgetting them
-- What `from current` is below.
select set_config('search_path', relnamespace::regnamespace::text || ', pg_temp', true)
  from pg_class where oid = 'kommo_conversations'::regclass;

-- As forget_v1, and events that were published more than seven days ago; never one that still waits for it. At most
-- p_limit of each kind, the oldest first: without an order a bitmap would be made of all that there are.
create function forget_v2(p_limit integer, p_now timestamptz default clock_timestamp())
returns integer language sql security definer set enable_seqscan = off set search_path from current as $$
    with old_keys as (
        delete from idempotency_keys k
         where k.ctid = any(array(
            select o.ctid from idempotency_keys o
             where o.created_at < p_now - interval '8 days'
             order by o.created_at limit p_limit for update skip locked))
        returning 1
    ), old_sends as (
        delete from sends s
         where s.ctid = any(array(
            select o.ctid from sends o
             where o.phase = 'over' and o.due_at < p_now
             order by o.due_at limit p_limit for update skip locked))
        returning 1
    ), old_events as (
        delete from events e
         where e.ctid = any(array(
            select o.ctid from events o
             where o.published_at < p_now - interval '7 days'
             order by o.published_at limit p_limit for update skip locked))
        returning 1
    )
    select ((select count(*) from old_keys) + (select count(*) from old_sends) + (select count(*) from old_events))
           ::integer;
$$;

-- Everybody may call a new function unless it is said otherwise.
revoke execute on function forget_v2 from public;
