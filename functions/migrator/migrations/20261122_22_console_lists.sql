-- What people who look at conversations need beside them: what somebody has seen, and the words that customers are found
-- by. Tables of their own: a message writes so many indexes already that neither may cost it another.

-- step: what was seen, and words to find customers by
create table conversation_reads (
    conversation_id uuid primary key references kommo_conversations (id) on delete cascade,
    seen_user_messages bigint not null,
    seen_at timestamptz not null
);
comment on table conversation_reads is 'How far a conversation has been looked at, by whoever did it last';
comment on column conversation_reads.seen_user_messages is
'Its user_message_count at that moment; what was counted since has been seen by nobody';
create index conversation_reads_seen_at_idx on conversation_reads (seen_at);

create table customer_words (
    conversation_id uuid primary key references kommo_conversations (id) on delete cascade,
    words tsvector not null
);
comment on table customer_words is
'The words of a customer''s name and e-mail, and the phone from either end: its digits, and r with them backwards';
-- Without a list of what is still to be put in order: the message that finds it full would wait for all of it.
create index customer_words_idx on customer_words using gin (words) with (fastupdate = off);

-- step: finding customers, and noting what was seen
-- What `from current` is below.
select set_config('search_path', relnamespace::regnamespace::text || ', pg_temp', true)
  from pg_class where oid = 'kommo_conversations'::regclass;

-- The words of a text, in small letters without accents, be they of one character with their letter or of their own.
-- Names may be of any length and made of anything: words are cut at 64 characters, and there are at most 30.
create function words_of_v1(p_text text) returns text[] language sql immutable as $$
    select coalesce(array_agg(left(w, 64)), '{}')
      from (select w
              from regexp_split_to_table(
                       translate(lower(left(p_text, 500)),
                                 'áàâãäåāçćéèêëēíìîïīñóòôõöōøúùûüūýÿÁÀÂÃÄÅĀÇĆÉÈÊËĒÍÌÎÏĪÑÓÒÔÕÖŌØÚÙÛÜŪÝ'
                                 || U&'\0300\0301\0302\0303\0308\0327\200B\200C\200D\2060\FEFF',
                                 'aaaaaaacceeeeeiiiiinooooooouuuuuyyaaaaaaacceeeeeiiiiinooooooouuuuuy'),
                       '[\s!-/:-@\[-`{-~¡¿«»]+') w
             where w <> '' limit 30) words;
$$;

create function customer_words_v1(p_name text, p_email text, p_phone text)
returns tsvector language sql immutable as $$
    select array_to_tsvector(array(
        select distinct w
          from unnest(words_of_v1(p_name) || words_of_v1(p_email)
                      || array[left(regexp_replace(p_phone, '\D', '', 'g'), 64),
                               'r' || reverse(left(regexp_replace(p_phone, '\D', '', 'g'), 63))]) w
         where w not in ('', 'r')));
$$;

-- What somebody types to find a customer, as a question to customer_words: each word may begin one of theirs, and three
-- digits or more a phone from either end. Null where nothing is asked.
create function customer_query_v1(p_text text) returns tsquery language sql immutable as $$
    select string_agg(case when w ~ '^\d{3,}$' then format('(''%s'':* | ''r%s'':*)', w, reverse(w))
                           else format('''%s'':*', w) end, ' & ')::tsquery
      from unnest(case when p_text ~ '^[\s\d+().-]+$' then array[left(regexp_replace(p_text, '\D', '', 'g'), 63)]
                       else words_of_v1(p_text) end) w
     where w <> '';
$$;

-- The latest messages with the words of a question, p_limit at most. A word that is in most messages is soon found among
-- the latest ones; for others, one stretch of time after the other is looked at, each some times as long as all before:
-- where there were few hits they stay few, however many the word has in all. A hit costs a read of its row, and without
-- the index of words each row would have to be taken apart: the planner would choose that as soon as it is told a limit.
create function search_messages_v1(p_question tsquery, p_limit integer)
returns table (message_id uuid, conversation_id uuid) language plpgsql stable
set plan_cache_mode = force_custom_plan set enable_indexscan = on as $$
declare
    v_newest timestamptz := (select max(m.created_at) from kommo_messages m);
    v_before timestamptz := 'infinity';
    v_after timestamptz;
    v_found integer := 0;
    v_here integer;
begin
    return query
        with found as materialized (
            select l.id, l.conversation_id, l.created_at
              from (select m.id, m.conversation_id, m.content, m.created_at from kommo_messages m
                     where m.created_at is not null order by m.created_at desc limit 500) l
             where to_tsvector('spanish', l.content) @@ p_question
        )
        select f.id, f.conversation_id from found f
         where (select count(*) from found) >= p_limit order by f.created_at desc limit p_limit;
    if found then
        return;
    end if;
    perform set_config('enable_indexscan', 'off', true);
    foreach v_after in array array[v_newest - interval '1 hour', v_newest - interval '1 day', v_newest - interval '7 days',
                                   v_newest - interval '30 days', v_newest - interval '1 year', '-infinity'] loop
        return query
            select m.id, m.conversation_id from kommo_messages m
             where m.created_at > v_after and m.created_at <= v_before
               and to_tsvector('spanish', m.content) @@ p_question
             order by m.created_at desc limit p_limit - v_found;
        get diagnostics v_here = row_count;
        v_found := v_found + v_here;
        exit when v_found >= p_limit;
        v_before := v_after;
    end loop;
end;
$$;

-- Conversations whose customer has these words, the latest p_limit. What many have, as the code of a country, is found
-- among the latest conversations; else all that have it are looked at, up to 20,000: there may be later ones than those
-- where more have it, and yet not many of the latest.
create function search_customers_v1(p_question tsquery, p_limit integer)
returns table (conversation_id uuid) language plpgsql stable
set plan_cache_mode = force_custom_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    v_latest uuid[] := array(
        select l.id
          from (select c.id, c.last_message_at from kommo_conversations c
                 where c.last_message_at is not null order by c.last_message_at desc limit 1000) l
          join customer_words w on w.conversation_id = l.id
         where w.words @@ p_question order by l.last_message_at desc limit p_limit);
begin
    if cardinality(v_latest) >= p_limit then
        return query select unnest(v_latest);
        return;
    end if;
    return query
        select c.id
          from (select unnest(v_latest) as id
                union
                (select w.conversation_id from customer_words w where w.words @@ p_question limit 20000)) h
          join kommo_conversations c on c.id = h.id
         order by c.last_message_at desc nulls last limit p_limit;
end;
$$;

-- Conversations by words of their customer's name, phone or e-mail, then those by the text of a message, the latest
-- p_limit of each.
create function search_conversations_v1(p_text text, p_limit integer)
returns table (conversation_id uuid, message_id uuid) language plpgsql stable security definer
set search_path from current as $$
declare
    v_customer tsquery := customer_query_v1(p_text);
    v_message tsquery := websearch_to_tsquery('spanish', p_text);
begin
    if v_customer is not null then
        return query select s.conversation_id, null::uuid from search_customers_v1(v_customer, p_limit) s;
    end if;
    if querytree(v_message) not in ('', 'T') then  -- else it asks for what is not there: an index knows no such thing
        return query select s.conversation_id, s.message_id from search_messages_v1(v_message, p_limit) s;
    end if;
end;
$$;

-- The next conversations of some providers in some status, p_limit of each: by the index that has them in order, or by
-- that of all conversations, where theirs are so many that they soon come. Which it is the planner knows for a provider
-- and a status, and not for all of them at once; to read all and sort them is never better.
create function conversations_in_order_v1(
    p_providers text[], p_statuses text[], p_at timestamptz, p_id uuid, p_limit integer
) returns table (
    id uuid, provider text, status text, channel text, assigned_to text, last_message_at timestamptz,
    last_user_message_at timestamptz, last_bot_response_at timestamptz, window_closed_for timestamptz
) language plpgsql stable security definer
set plan_cache_mode = force_custom_plan set enable_seqscan = off set enable_bitmapscan = off
set search_path from current as $$
declare
    v_provider text;
    v_status text;
begin
    foreach v_provider in array p_providers loop
        foreach v_status in array p_statuses loop
            return query
                select c.id, c.provider, c.status, c.channel, c.assigned_to, c.last_message_at, c.last_user_message_at,
                       c.last_bot_response_at, c.window_closed_for
                  from kommo_conversations c
                 where c.provider = v_provider and c.status = v_status
                   and c.last_message_at <= p_at and (c.last_message_at < p_at or c.id > p_id)
                 order by c.last_message_at desc, c.id limit p_limit;
        end loop;
    end loop;
end;
$$;

-- Somebody looked at a conversation: all that its customer has written so far is seen. Says changed, unchanged or
-- not_found.
create function see_conversation_v1(p_id uuid, p_now timestamptz default clock_timestamp())
returns text language plpgsql security definer set search_path from current as $$
begin
    insert into conversation_reads as r (conversation_id, seen_user_messages, seen_at)
    select c.id, coalesce(c.user_message_count, 0), p_now from kommo_conversations c where c.id = p_id
    on conflict (conversation_id) do update
       set seen_user_messages = excluded.seen_user_messages, seen_at = excluded.seen_at
     where r.seen_user_messages <> excluded.seen_user_messages;
    if found then
        return 'changed';
    end if;
    return case when exists (select from kommo_conversations c where c.id = p_id) then 'unchanged'
                else 'not_found' end;
end;
$$;

-- Whoever writes a conversation need not be able to write the words.
create function keep_customer_words() returns trigger language plpgsql
security definer set search_path from current as $$
begin
    insert into customer_words as w (conversation_id, words)
    values (new.id, customer_words_v1(new.contact_name, new.contact_email, new.phone))
    on conflict (conversation_id) do update set words = excluded.words where w.words <> excluded.words;
    return null;
end;
$$;

-- Everybody may call a new function unless it is said otherwise.
revoke execute on function
    words_of_v1, customer_words_v1, customer_query_v1, search_messages_v1, search_customers_v1,
    search_conversations_v1, conversations_in_order_v1, see_conversation_v1, keep_customer_words
from public;

-- step: words are kept from now on
-- Apart, so that the messages of customers whose names are known already do not call it at all.
create trigger trigger_keep_words_of_new_customer after insert on kommo_conversations
for each row when (num_nonnulls(new.contact_name, new.contact_email, new.phone) > 0)
execute function keep_customer_words();
create trigger trigger_keep_words_of_customer after update of contact_name, contact_email, phone on kommo_conversations
for each row when (
    (old.contact_name, old.contact_email, old.phone) is distinct from (new.contact_name, new.contact_email, new.phone))
execute function keep_customer_words();
