-- Which windows the sweep watches is a table of its own. Two partial indexes of kommo_conversations told it before, with
-- the marks that the sweep sets in their conditions: each mark wrote an entry of all the indexes there are, in random
-- places, and each message one of both.

-- step: windows are watched from here on
create table watched_windows (
    conversation_id uuid primary key references kommo_conversations (id) on delete cascade,
    opened_at timestamptz not null,
    announced boolean not null default false
);
comment on table watched_windows is
'A row for each conversation whose window is open, and until the sweep has looked at those that have shut';
comment on column watched_windows.opened_at is
'A message of the customer that opened the window; the sweep sees when it looks whether they wrote again since';
comment on column watched_windows.announced is 'That it closes soon was announced: only its end is still to come';
create index watched_windows_open_idx on watched_windows (opened_at);
create index watched_windows_unannounced_idx on watched_windows (opened_at) where not announced;

-- What `from current` is below.
select set_config('search_path', relnamespace::regnamespace::text || ', pg_temp', true)
  from pg_class where oid = 'kommo_conversations'::regclass;

-- As the owner: whoever may write conversations need not be able to write what is watched.
create function watch_window() returns trigger language plpgsql security definer set search_path from current as $$
begin
    insert into watched_windows (conversation_id, opened_at) values (new.id, new.last_user_message_at)
    on conflict (conversation_id) do update set opened_at = excluded.opened_at, announced = false;
    return null;
end;
$$;

-- A window that is announced as shut was announced as closing too: where window_warned_for is the last message, nobody
-- watches, or nobody but for the end. A message in a window that is watched writes nothing here.
create trigger trigger_watch_new_window after insert on kommo_conversations
for each row when (new.last_user_message_at is not null
                   and new.last_user_message_at is distinct from new.window_warned_for)
execute function watch_window();
create trigger trigger_watch_window
after update of last_user_message_at, window_warned_for, window_closed_for on kommo_conversations
for each row when (new.last_user_message_at is distinct from new.window_warned_for
                   and new.last_user_message_at is not null
                   and (old.last_user_message_at is not distinct from old.window_warned_for
                        or new.last_user_message_at < old.last_user_message_at))
execute function watch_window();

-- Watches every window that is open and not yet watched, for the owner: once when watching begins, and after rows were
-- loaded with triggers switched off.
create function watch_open_windows_v1() returns void language sql as $$
    insert into watched_windows (conversation_id, opened_at, announced)
    select c.id, c.last_user_message_at, c.last_user_message_at is not distinct from c.window_warned_for
      from kommo_conversations c
     where c.last_user_message_at is not null
       and (c.last_user_message_at is distinct from c.window_closed_for
            or c.last_user_message_at is distinct from c.window_warned_for)
       for key share
    on conflict (conversation_id) do nothing;
$$;

-- step: windows that are open already
select watch_open_windows_v1();

-- step: the sweep looks at what it watches
-- What `from current` is below.
select set_config('search_path', relnamespace::regnamespace::text || ', pg_temp', true)
  from pg_class where oid = 'kommo_conversations'::regclass;

-- Announces at most p_limit closing and p_limit closed windows, each once, and marks who needs a template now. Of what is
-- due, it goes on watching where the customer wrote again; `more` says that it could not look at all of it.
create function sweep_windows_v3(
    p_warning interval, p_limit integer, p_now timestamptz default clock_timestamp(),
    out closing integer, out closed integer, out more boolean
) language plpgsql security definer
-- How many are due is not known when it is planned, and a guess reads the whole table for one.
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set search_path from current as $$
declare
    v_shut_since timestamptz := p_now - interval '24 hours';
    v_due integer;
    v_looked_at integer;
begin
    with due as (
        select w.conversation_id as id from watched_windows w
         where w.opened_at <= v_shut_since order by w.opened_at limit p_limit
    ), held as (
        select c.id, c.last_user_message_at as at, c.window_warned_for as warned_for, c.window_closed_for as closed_for,
               coalesce(c.last_user_message_at <= v_shut_since, true)
               or c.last_user_message_at is not distinct from c.window_closed_for as over
          from due d join kommo_conversations c on c.id = d.id for no key update of c skip locked
    ), again as (
        update watched_windows w set opened_at = h.at, announced = h.at is not distinct from h.warned_for
          from held h where w.conversation_id = h.id and not h.over
    ), over as (
        delete from watched_windows w using held h where w.conversation_id = h.id and h.over
    ), marked as (
        update kommo_conversations c
           set window_closed_for = c.last_user_message_at, window_warned_for = c.last_user_message_at,
               needs_template = window_length_v1(c.channel) is not null
          from held h where c.id = h.id and h.over
        returning c.id, c.provider, c.channel, c.business_address, c.last_user_message_at,
                  h.at is distinct from h.closed_for as news
    ), due_formerly as (
        select f.conversation_id, f.business_address from former_windows f
         where f.last_user_message_at is distinct from f.window_closed_for and f.last_user_message_at <= v_shut_since
         order by f.last_user_message_at limit p_limit - (select count(*) from marked where news)
           for no key update skip locked
    ), marked_formerly as (
        update former_windows f
           set window_closed_for = f.last_user_message_at, window_warned_for = f.last_user_message_at
          from due_formerly d, kommo_conversations c
         where f.conversation_id = d.conversation_id and f.business_address = d.business_address
           and c.id = f.conversation_id
        returning c.id, c.provider, c.channel, f.business_address, f.last_user_message_at, true
    ), told as (
        insert into events (name, detail, occurred_at)
        select 'WindowClosed', jsonb_build_object(
                   'conversation_id', id, 'provider', provider, 'business_address', business_address, 'reason', 'time',
                   'last_user_message_at', last_user_message_at,
                   'closed_at', last_user_message_at + window_length_v1(channel)), p_now
          from (select * from marked where news union all select * from marked_formerly) w
         where window_length_v1(channel) is not null
    )
    select (select count(*) from marked where news) + (select count(*) from marked_formerly),
           (select count(*) from due), (select count(*) from held)
      into closed, v_due, v_looked_at;
    -- Where others hold all that was due, there is nothing to wait for.
    more := closed >= p_limit or (v_due >= p_limit and v_looked_at > 0);

    with due as (
        select w.conversation_id as id from watched_windows w
         where not w.announced and w.opened_at > v_shut_since and w.opened_at <= v_shut_since + p_warning
         order by w.opened_at limit p_limit
    ), held as (
        select c.id, c.last_user_message_at as at, c.window_warned_for as warned_for,
               c.last_user_message_at <= v_shut_since + p_warning as due,
               c.last_user_message_at is not distinct from c.window_closed_for as over
          from due d join kommo_conversations c on c.id = d.id for no key update of c skip locked
    ), looked_at as (
        update watched_windows w set opened_at = h.at, announced = h.due
          from held h where w.conversation_id = h.id and not h.over
    ), over as (
        delete from watched_windows w using held h where w.conversation_id = h.id and h.over
    ), marked as (
        update kommo_conversations c set window_warned_for = c.last_user_message_at
          from held h where c.id = h.id and (h.due or h.over) and h.at is distinct from h.warned_for
        returning c.id, c.provider, c.channel, c.business_address, c.last_user_message_at, not h.over as news
    ), due_formerly as (
        select f.conversation_id, f.business_address from former_windows f
         where f.last_user_message_at is distinct from f.window_warned_for
           and f.last_user_message_at <= v_shut_since + p_warning and f.last_user_message_at > v_shut_since
         order by f.last_user_message_at limit p_limit - (select count(*) from marked where news)
           for no key update skip locked
    ), marked_formerly as (
        update former_windows f set window_warned_for = f.last_user_message_at
          from due_formerly d, kommo_conversations c
         where f.conversation_id = d.conversation_id and f.business_address = d.business_address
           and c.id = f.conversation_id
        returning c.id, c.provider, c.channel, f.business_address, f.last_user_message_at, true
    ), told as (
        insert into events (name, detail, occurred_at)
        select 'WindowClosing', jsonb_build_object(
                   'conversation_id', id, 'provider', provider, 'business_address', business_address,
                   'last_user_message_at', last_user_message_at,
                   'closes_at', last_user_message_at + window_length_v1(channel)), p_now
          from (select * from marked where news union all select * from marked_formerly) w
         where window_length_v1(channel) is not null
    )
    select (select count(*) from marked where news) + (select count(*) from marked_formerly),
           (select count(*) from due), (select count(*) from held)
      into closing, v_due, v_looked_at;
    more := more or closing >= p_limit or (v_due >= p_limit and v_looked_at > 0);
end;
$$;

-- For the sweep of the version before, which goes on for as long as something is announced.
create or replace function sweep_windows_v2(
    p_warning interval, p_limit integer, p_now timestamptz default clock_timestamp()
) returns table (closing integer, closed integer) language plpgsql security definer set search_path from current as $$
declare
    v_swept record;
begin
    loop
        select * into v_swept from sweep_windows_v3(p_warning, p_limit, p_now);
        exit when not v_swept.more or v_swept.closing > 0 or v_swept.closed > 0;
    end loop;
    closing := v_swept.closing;
    closed := v_swept.closed;
    return next;
end;
$$;

-- Everybody may call a new function unless it is said otherwise.
revoke execute on function sweep_windows_v3, watch_open_windows_v1, watch_window from public;

-- step: a mark of the sweep writes no index entry
drop index if exists idx_conversations_window_closing;
drop index if exists idx_conversations_window_open;

-- step: room on the pages of conversations
-- For the marks to come, and for messages; for pages that come to be used.
alter table kommo_conversations set (fillfactor = 90);
