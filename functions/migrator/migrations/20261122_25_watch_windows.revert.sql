-- anew: watched_windows
-- What `from current` is below.
select set_config('search_path', relnamespace::regnamespace::text || ', pg_temp', true)
  from pg_class where oid = 'kommo_conversations'::regclass;

alter table kommo_conversations reset (fillfactor);
create index idx_conversations_window_closing on kommo_conversations (last_user_message_at)
where last_user_message_at is distinct from window_warned_for;
create index idx_conversations_window_open on kommo_conversations (last_user_message_at)
where last_user_message_at is distinct from window_closed_for;

create or replace function sweep_windows_v2(
    p_warning interval, p_limit integer, p_now timestamptz default clock_timestamp()
) returns table (closing integer, closed integer) language plpgsql
security definer set search_path from current set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
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
drop function sweep_windows_v3(interval, integer, timestamptz);
drop trigger trigger_watch_window on kommo_conversations;
drop trigger trigger_watch_new_window on kommo_conversations;
drop function watch_open_windows_v1();
drop function watch_window();
drop table watched_windows;
