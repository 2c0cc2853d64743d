-- What is fetched from providers after a message was stored: its files, and the phone behind a contact.
-- formerly: e023fb3d0bced8e3e0f00f50ef0952d0046e741919922f52f7fc8cdebdbcb01e

-- step: when a file is looked at again
-- A file belongs to one worker while its lease lasts; lease_until is also the end of a pause after a failure. due_at is
-- when the sweep queues it again, should its entry have been lost: later than any lease or pause.
alter table message_media add column due_at timestamptz not null default now() + interval '1 minute';
comment on column message_media.due_at is 'When the sweep queues a pending file that nobody has taken up';

-- step: files by when they are looked at again
create index concurrently message_media_due_idx on message_media (due_at) where state = 'pending';

-- step: fetching files
drop index message_media_pending_idx;

-- Files whose entry never came to the queue, or was lost there: to be queued now, and again after p_again.
create function queue_media_v1(p_limit integer, p_again interval, p_now timestamptz default clock_timestamp())
returns table (message_id uuid, place integer) language sql as $$
    with due as (
        select f.message_id, f.place from message_media f
         where f.state = 'pending' and f.due_at <= p_now
         order by f.due_at limit p_limit for no key update skip locked
    )
    update message_media f set due_at = p_now + p_again
      from due where f.message_id = due.message_id and f.place = due.place
    returning f.message_id, f.place;
$$;

-- Takes a file for one worker: claimed | leased (another has it, or it pauses until `free_at`) | done | given_up (its
-- workers died more often than p_max_attempts) | not_found.
create function claim_media_v1(
    p_message_id uuid, p_place integer, p_lease interval, p_max_attempts integer,
    p_now timestamptz default clock_timestamp()
) returns table (
    outcome text, free_at timestamptz, attempts integer, conversation_id uuid, provider text, content_type text,
    source jsonb
) language plpgsql as $$
declare
    f message_media%rowtype;
begin
    select * into f from message_media k where k.message_id = p_message_id and k.place = p_place for no key update;
    outcome := case when not found then 'not_found'
                    when f.state <> 'pending' then 'done'
                    when f.lease_until > p_now then 'leased'
                    when f.attempts >= p_max_attempts then 'given_up'
                    else 'claimed' end;
    free_at := f.lease_until;
    if outcome = 'given_up' then
        perform finish_media_v1(p_message_id, p_place, f.attempts, 'failed', null, null, null,
                                'the worker stopped each time', null, p_max_attempts, p_now);
    elsif outcome = 'claimed' then
        update message_media k
           set attempts = k.attempts + 1, lease_until = p_now + p_lease, due_at = p_now + p_lease + interval '15 minutes'
         where k.message_id = p_message_id and k.place = p_place
        returning k.attempts, k.source into attempts, source;
        select m.conversation_id, m.provider, m.content_type into conversation_id, provider, content_type
          from kommo_messages m where m.id = p_message_id;
    end if;
    return next;
end;
$$;

-- What became of an attempt: p_outcome stored | failed | retry (after p_pause, until the attempts are used up). Only the
-- latest attempt may fail a file; one that was stored is stored, whoever did it. Returns the file's state.
create function finish_media_v1(
    p_message_id uuid, p_place integer, p_attempt integer, p_outcome text, p_reference text, p_content_type text,
    p_bytes bigint, p_error text, p_pause interval, p_max_attempts integer,
    p_now timestamptz default clock_timestamp()
) returns text language plpgsql as $$
declare
    v_state text;
begin
    update message_media f
       set state = case when p_outcome = 'stored' then 'stored'
                        when p_outcome = 'retry' and f.attempts < p_max_attempts then 'pending'
                        else 'failed' end,
           reference = p_reference,
           content_type = p_content_type,
           bytes = p_bytes,
           error = p_error,
           lease_until = case when p_outcome = 'retry' then p_now + p_pause end,
           due_at = p_now + coalesce(p_pause, interval '0') + interval '15 minutes',
           finished_at = case when p_outcome = 'retry' and f.attempts < p_max_attempts then null else p_now end
     where f.message_id = p_message_id and f.place = p_place
       and (f.state = 'pending' and f.attempts = p_attempt or p_outcome = 'stored' and f.state <> 'stored')
    returning f.state into v_state;
    if v_state in ('stored', 'failed') then
        insert into events (name, detail, occurred_at)
        select case v_state when 'stored' then 'MediaStored' else 'MediaFailed' end, jsonb_build_object(
                   'message_id', m.id, 'conversation_id', m.conversation_id, 'provider', m.provider, 'place', p_place,
                   'reference', p_reference, 'content_type', p_content_type, 'bytes', p_bytes, 'error', p_error), p_now
          from kommo_messages m where m.id = p_message_id;
    end if;
    return coalesce(v_state, (select f.state from message_media f
                               where f.message_id = p_message_id and f.place = p_place));
end;
$$;

-- step: what was asked about a contact
alter table kommo_conversations
    add column contact_looked_up_at timestamptz,
    add column contact_lookup_after timestamptz not null default '-infinity',
    add column contact_lookup_attempts integer not null default 0;
comment on column kommo_conversations.contact_looked_up_at is
'When the provider was asked for the phone behind the contact and answered, be it that it knows none';
comment on column kommo_conversations.contact_lookup_after is
'Until then nobody asks: the question is queued already, or failed and pauses';

-- step: whose phone is still to be asked for, and nothing else: as large as that set
create index concurrently idx_conversations_contact_lookup on kommo_conversations (contact_lookup_after)
where kommo_contact_id is not null and phone is null and contact_looked_up_at is null;

-- step: asking for phones
create table contact_lookup_pauses (
    provider text not null,
    business_address text not null,
    until timestamptz not null,
    times integer not null default 1,
    primary key (provider, business_address)
);
comment on table contact_lookup_pauses is
'Accounts that are left alone because their provider said that we ask too much; gone with the next answer';

-- Contacts to ask for, each once; those of an account that pauses wait for its end.
create function queue_lookups_v1(p_limit integer, p_again interval, p_now timestamptz default clock_timestamp())
returns table (provider text, business_address text, contact_id text) language sql as $$
    with due as (
        select c.id, c.provider, coalesce(c.business_address, '') as business_address
          from kommo_conversations c
         where c.kommo_contact_id is not null and c.phone is null and c.contact_looked_up_at is null
           and c.contact_lookup_after <= p_now
         order by c.contact_lookup_after limit p_limit for no key update skip locked
    ), marked as (
        update kommo_conversations c
           set contact_lookup_after = coalesce(p.until, p_now + p_again)
          from due
          left join contact_lookup_pauses p
            on p.provider = due.provider and p.business_address = due.business_address and p.until > p_now
         where c.id = due.id
        returning due.provider, due.business_address, c.kommo_contact_id, p.until
    )
    select distinct m.provider, m.business_address, m.kommo_contact_id from marked m where m.until is null;
$$;

-- Whether a contact is still to be asked for: needed | done | paused (its account is, and the sweep queues it after).
create function claim_lookup_v1(
    p_provider text, p_business_address text, p_contact_id text, p_now timestamptz default clock_timestamp()
) returns text language plpgsql as $$
declare
    v_until timestamptz;
begin
    if not exists (select from kommo_conversations c
                    where c.provider = p_provider and c.kommo_contact_id = p_contact_id and c.phone is null
                      and c.contact_looked_up_at is null) then
        return 'done';
    end if;
    select p.until into v_until from contact_lookup_pauses p
     where p.provider = p_provider and p.business_address = p_business_address and p.until > p_now;
    if not found then
        return 'needed';
    end if;
    update kommo_conversations c set contact_lookup_after = v_until
     where c.provider = p_provider and c.kommo_contact_id = p_contact_id and c.contact_looked_up_at is null;
    return 'paused';
end;
$$;

-- The provider answered: nobody asks again, and its account pauses no more.
create function finish_lookup_v1(
    p_provider text, p_business_address text, p_contact_id text, p_now timestamptz default clock_timestamp()
) returns void language sql as $$
    update kommo_conversations c set contact_looked_up_at = p_now
     where c.provider = p_provider and c.kommo_contact_id = p_contact_id and c.contact_looked_up_at is null;
    delete from contact_lookup_pauses p where p.provider = p_provider and p.business_address = p_business_address;
$$;

-- It did not answer for this contact: ask again after a pause that doubles.
create function postpone_lookup_v1(
    p_provider text, p_contact_id text, p_pause interval, p_longest interval,
    p_now timestamptz default clock_timestamp()
) returns void language sql as $$
    update kommo_conversations c
       set contact_lookup_after = p_now + least(p_pause * (2 ^ least(c.contact_lookup_attempts, 20)), p_longest),
           contact_lookup_attempts = c.contact_lookup_attempts + 1
     where c.provider = p_provider and c.kommo_contact_id = p_contact_id and c.contact_looked_up_at is null;
$$;

-- It wants to be left alone: ask for no contact of this account until the end of a pause that doubles. Questions that
-- were under way when the pause began do not lengthen it.
create function pause_lookups_v1(
    p_provider text, p_business_address text, p_contact_id text, p_pause interval, p_longest interval,
    p_now timestamptz default clock_timestamp()
) returns void language sql as $$
    insert into contact_lookup_pauses as p (provider, business_address, until)
    values (p_provider, p_business_address, p_now + p_pause)
    on conflict (provider, business_address) do update
       set until = p_now + least(p_pause * (2 ^ least(p.times, 20)), greatest(p_longest, p_pause)), times = p.times + 1
     where p.until <= p_now;
    update kommo_conversations c
       set contact_lookup_after = (select q.until from contact_lookup_pauses q
                                    where q.provider = p_provider and q.business_address = p_business_address)
     where c.provider = p_provider and c.kommo_contact_id = p_contact_id and c.contact_looked_up_at is null;
$$;
