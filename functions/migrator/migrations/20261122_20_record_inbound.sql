-- What providers tell us, as record_inbound_v2, in half as many statements; and statuses that write no index entry.

-- step: what no provider has yet, by age, for the sweep to find what the former version accepted
-- Nothing in its condition changes with a status.
create index concurrently idx_messages_untaken on kommo_messages (created_at)
where provider_message_id is null and role = 'assistant' and received_at is not null;

-- step: what providers tell us
-- What `from current` is below.
select set_config('search_path', relnamespace::regnamespace::text || ', pg_temp', true)
  from pg_class where oid = 'kommo_conversations'::regclass;

-- As move_message_v2, for callers that have just read and locked the row.
create function move_message_v3(
    p_message_id uuid, p_conversation_id uuid, p_provider text, p_address text, p_before text, p_status text,
    p_at timestamptz, p_cause text, p_error_code text, p_error_text text, p_lease_until timestamptz default null
) returns boolean language plpgsql as $$
begin
    if p_before is null or p_before in ('received', 'failed', 'expired', 'cancelled') then
        return false;
    elsif p_status = 'failed' then
        if p_before in ('delivered', 'read') then return false; end if;
    elsif p_status in ('expired', 'cancelled') then
        if p_before not in ('accepted', 'held', 'queued') then return false; end if;
    elsif not (p_before = 'uncertain' and p_status = 'sending')
          and delivery_rank_v1(p_status) <= delivery_rank_v1(p_before) then
        return false;
    end if;

    update kommo_messages m
       set delivery_status = p_status,
           lease_until = p_lease_until,  -- for senders of the former version, who know nothing of sends
           -- What went wrong on the way is in the history; the row tells of what is so now.
           error_code = case when p_status in ('sent', 'delivered', 'read') then p_error_code
                             else coalesce(p_error_code, m.error_code) end,
           error_text = case when p_status in ('sent', 'delivered', 'read') then p_error_text
                             else coalesce(p_error_text, m.error_text) end
     where m.id = p_message_id;
    insert into message_status_history (message_id, status, at, cause, error_code)
    select p_message_id, s, p_at, p_cause, p_error_code
      from unnest(case when p_status = 'read' and p_before <> 'delivered'
                       then array['delivered', 'read'] else array[p_status] end) s;
    insert into events (name, detail, occurred_at)
    values ('MessageStatusChanged', jsonb_build_object(
        'message_id', p_message_id, 'conversation_id', p_conversation_id, 'provider', p_provider,
        'business_address', p_address, 'status', p_status, 'previous_status', p_before, 'cause', p_cause,
        'error_code', p_error_code, 'error_text', p_error_text), p_at);

    if p_status in ('failed', 'expired', 'cancelled') then
        insert into sends (message_id, conversation_id, provider, business_address, phase, due_at, expires_at)
        values (p_message_id, p_conversation_id, p_provider, coalesce(p_address, ''), 'over',
                p_at + interval '30 days', p_at)
        on conflict (message_id) do update
           set phase = 'over', due_at = excluded.due_at, lease_until = null, not_before = null;
    elsif p_status = 'uncertain' then
        -- Its callback may still be on its way: nobody is asked before.
        update sends s set phase = 'uncertain', due_at = p_at + interval '2 minutes', lease_until = null
         where s.message_id = p_message_id;
    elsif p_status in ('sent', 'delivered', 'read') or (p_status = 'sending' and p_before = 'uncertain') then
        delete from sends s where s.message_id = p_message_id;
    end if;
    return true;
end;
$$;

create or replace function move_message_v2(
    p_message_id uuid, p_status text, p_at timestamptz, p_cause text, p_error_code text, p_error_text text,
    p_lease_until timestamptz default null
) returns boolean language plpgsql as $$
declare
    m record;
begin
    select k.conversation_id, k.provider, k.business_address, k.delivery_status into m
      from kommo_messages k where k.id = p_message_id for no key update;
    return found and move_message_v3(p_message_id, m.conversation_id, m.provider, m.business_address,
                                     m.delivery_status, p_status, p_at, p_cause, p_error_code, p_error_text,
                                     p_lease_until);
end;
$$;

-- As record_status_v2.
create function record_status_v3(
    p_item jsonb, p_now timestamptz, out outcome text, out message_id uuid, out turns jsonb
) language plpgsql as $$
declare
    m record;
    v_provider text := p_item ->> 'provider';
    v_provider_message_id text := p_item ->> 'provider_message_id';
    v_status text := p_item ->> 'status';
    v_shut boolean := coalesce((p_item ->> 'window_shut')::boolean, false);
    v_at timestamptz := least(coalesce((p_item ->> 'at')::timestamptz, p_now), p_now);
    v_next uuid;
begin
    if p_item ->> 'message_id' is not null then
        select k.id, k.provider_message_id, k.conversation_id, k.business_address, k.delivery_status into m
          from kommo_messages k
         where k.id = (p_item ->> 'message_id')::uuid and k.provider = v_provider
           and coalesce(k.provider_message_id, v_provider_message_id) = v_provider_message_id
           for no key update;
        message_id := m.id;
    end if;
    if message_id is null then
        select k.id, k.provider_message_id, k.conversation_id, k.business_address, k.delivery_status into m
          from kommo_messages k
         where k.provider_message_id = v_provider_message_id and k.provider_message_id is not null
           and k.provider is not distinct from v_provider
         order by (k.business_address = p_item ->> 'business_address') desc limit 1
           for no key update;
        message_id := m.id;
    end if;
    if message_id is null then
        insert into parked_statuses (provider, provider_message_id, status, item, received_at)
        values (v_provider, v_provider_message_id, v_status, p_item, p_now)
        on conflict do nothing;
        outcome := 'orphaned';
        return;
    end if;

    if m.provider_message_id is null then
        update kommo_messages k set provider_message_id = v_provider_message_id where k.id = message_id;
    end if;
    if v_shut then
        perform close_window_v2(message_id, p_now);
    end if;
    if (p_item ->> 'opted_out')::boolean then
        perform opt_out_v1(m.conversation_id, true, v_provider, v_at);
    end if;
    outcome := case when move_message_v3(message_id, m.conversation_id, v_provider, m.business_address,
                                         m.delivery_status, v_status, v_at, 'provider', p_item ->> 'error_code',
                                         p_item ->> 'error_text') then 'moved' else 'unchanged' end;
    if m.provider_message_id is null then
        -- It is the provider's, whatever state it is in: there is nothing left to send or to ask.
        delete from sends s where s.message_id = record_status_v3.message_id and s.phase <> 'over';
    end if;
    if v_status = 'failed' and outcome = 'moved' and (v_shut or (p_item ->> 'retryable')::boolean) then
        v_next := replace_message_v1(message_id, v_shut, p_now);
        select jsonb_agg(jsonb_build_object('message_id', s.message_id, 'conversation_id', s.conversation_id,
                                            'lane', s.lane)) into turns
          from sends s where s.message_id = v_next and s.phase = 'ready';
    end if;
end;
$$;

-- As apply_parked_statuses_v2.
create function apply_parked_statuses_v3(p_provider text, p_provider_message_id text, p_now timestamptz)
returns void language plpgsql as $$
declare
    v_item jsonb;
begin
    for v_item in
        with taken as (
            delete from parked_statuses s
             where s.provider = p_provider and s.provider_message_id = p_provider_message_id
            returning s.status, s.item
        )
        select item from taken order by delivery_rank_v1(status)
    loop
        perform record_status_v3(v_item, p_now);
    end loop;
end;
$$;

-- A message that our side wrote elsewhere, or the provider's word that it has one of ours: its row, where it is that.
create function find_echoed_v1(p_item jsonb, p_conversation_id uuid) returns uuid language plpgsql as $$
declare
    v_id uuid;
begin
    select m.id into v_id from kommo_messages m
     where m.provider_message_id = p_item ->> 'provider_message_id' and m.provider_message_id is not null
       and m.provider is not distinct from p_item ->> 'provider'
       and m.business_address = p_item ->> 'business_address'
       for no key update;
    if v_id is null then
        select m.id into v_id from sends s join kommo_messages m on m.id = s.message_id
         where s.conversation_id = p_conversation_id and s.phase <> 'over'
           and (s.phase in ('sending', 'uncertain')) is true  -- by the conversation's line, not by phase
           and m.provider_message_id is null and m.delivery_status in ('sending', 'uncertain')
           and m.content = p_item ->> 'content'
         order by m.created_at limit 1 for no key update of m;
    end if;
    return v_id;
end;
$$;

-- As record_message_v2: the customer's row is read once, and written once more only where the message tells something
-- new of them. Columns that seldom change stay out of the write that each message makes: their triggers are asked
-- whenever they are named.
create function record_message_v3(
    p_item jsonb, p_now timestamptz, out outcome text, out message_id uuid, out conversation_id uuid, out turns jsonb
) language plpgsql as $$
declare
    c kommo_conversations%rowtype;
    v_provider text := p_item ->> 'provider';
    v_provider_message_id text := p_item ->> 'provider_message_id';
    v_address text := p_item ->> 'business_address';
    v_role text := p_item ->> 'role';
    v_customer jsonb := p_item -> 'customer';
    v_chat_id text := v_customer ->> 'chat_id';
    v_user_id text := v_customer ->> 'user_id';
    v_phone text := v_customer ->> 'phone';
    v_opens boolean := v_role = 'user' and (p_item ->> 'opens_window')::boolean;
    v_sent_at timestamptz := least(coalesce((p_item ->> 'sent_at')::timestamptz, p_now), p_now);
    v_opened_at timestamptz := case when v_opens then least(v_sent_at, now()) end;
begin
    -- One statement finds a customer who is known by what this message tells; all others are conversation_of_v1's. That
    -- the provider is compared as no index can keeps a plan for small tables from reading all of a provider's rows.
    if v_chat_id is not null then
        select * into c from kommo_conversations k where k.kommo_chat_id = v_chat_id for no key update;
    elsif v_user_id is not null then
        select * into c from kommo_conversations k
         where k.provider_user_id = v_user_id and k.provider_user_id is not null and k.provider is not distinct from v_provider
           and (v_phone is null or k.phone = v_phone)
           for no key update;
    else
        select * into c from kommo_conversations k
         where k.phone = v_phone and k.provider is not distinct from v_provider
         order by k.last_user_message_at desc nulls last limit 1 for no key update;
    end if;
    if c.id is null then
        conversation_id := conversation_of_v1(p_item, p_now);
        select * into c from kommo_conversations k where k.id = conversation_id;
    else
        conversation_id := c.id;
    end if;
    if v_role = 'assistant' then
        message_id := find_echoed_v1(p_item, conversation_id);
        if message_id is not null then
            update kommo_messages m set provider_message_id = v_provider_message_id
             where m.id = message_id and m.provider_message_id is null;
            outcome := case when move_message_v2(message_id, 'sent', v_sent_at, 'echo', null, null)
                            then 'echo' else 'duplicate' end;
            return;
        end if;
    end if;

    perform set_config('ventana.counted', 'on', true);  -- below, and not by the triggers of the message
    insert into kommo_messages (conversation_id, provider, business_address, provider_message_id, kommo_message_id,
                                role, content, content_type, media_url, metadata, created_at, received_at,
                                opens_window, delivery_status, provider_payload)
    values (conversation_id, v_provider, v_address, v_provider_message_id,
            case when v_chat_id is not null then v_provider_message_id end,
            v_role, p_item ->> 'content', p_item ->> 'content_type', p_item ->> 'media_url', p_item -> 'details',
            v_sent_at, p_now, (p_item ->> 'opens_window')::boolean,
            case v_role when 'assistant' then 'sent' else 'received' end, p_item -> 'raw')
    on conflict (provider_message_id, provider, business_address) where provider_message_id is not null do nothing
    returning id into message_id;
    perform set_config('ventana.counted', '', true);
    if message_id is null then
        select m.id, m.conversation_id into message_id, conversation_id from kommo_messages m
         where m.provider_message_id = v_provider_message_id and m.provider_message_id is not null
           and m.provider is not distinct from v_provider and m.business_address = v_address;
        outcome := 'duplicate';
        return;
    end if;

    outcome := 'recorded';
    if v_opens and c.business_address <> v_address then
        perform keep_former_window_v1(c, v_address, v_sent_at);
    end if;
    update kommo_conversations k
       set message_count = k.message_count + 1,
           user_message_count = k.user_message_count + (v_role = 'user')::integer,
           bot_message_count = k.bot_message_count + (v_role = 'assistant')::integer,
           last_message_at = greatest(k.last_message_at, v_sent_at),
           last_bot_response_at = case when v_role = 'assistant' then greatest(k.last_bot_response_at, v_sent_at)
                                       else k.last_bot_response_at end,
           last_user_message_at = greatest(k.last_user_message_at, v_opened_at),
           needs_template = k.needs_template and coalesce(v_opened_at <= k.last_user_message_at, v_opened_at is null)
     where k.id = c.id;
    if (c.contact_name is null and v_customer ->> 'name' is not null)
       or (c.phone is null and v_phone is not null)
       or v_user_id <> coalesce(c.provider_user_id, '')
       or v_customer ->> 'contact_id' <> coalesce(c.kommo_contact_id, '')
       or v_customer ->> 'lead_id' <> coalesce(c.kommo_lead_id, '')
       or v_customer ->> 'talk_id' <> coalesce(c.kommo_talk_id, '')
       or c.business_address is null
       or (v_opens and (c.business_address <> v_address or c.status in ('resolved', 'closed'))) then
        perform learn_customer_v1(c.id, p_item, v_sent_at);
    end if;
    if p_item -> 'media' <> '[]' then
        insert into message_media (message_id, place, source, created_at)
        select record_message_v3.message_id, e.ordinality - 1, e.value, p_now
          from jsonb_array_elements(p_item -> 'media') with ordinality e;
    end if;
    if v_role <> 'user' then
        perform apply_parked_statuses_v3(v_provider, v_provider_message_id, p_now);
        return;
    end if;
    if v_opens then
        if c.status in ('resolved', 'closed') then
            perform tell_change_v1(conversation_id, 'reopened', 'customer', '{}', p_now);
        end if;
        if coalesce(v_sent_at + window_length_v1(c.channel) > p_now, true)  -- a late one may open nothing any more
           and exists (select from sends s
                        where s.conversation_id = record_message_v3.conversation_id and s.phase = 'held') then
            turns := release_held_v1(conversation_id, v_address, p_now);
        end if;
    end if;
    insert into events (name, detail, occurred_at)
    values ('MessageReceived', jsonb_build_object(
        'message_id', message_id, 'conversation_id', conversation_id, 'provider', v_provider,
        'business_address', v_address, 'provider_message_id', v_provider_message_id,
        'customer_name', coalesce(c.contact_name, v_customer ->> 'name'),
        'channel', c.channel, 'content_type', p_item ->> 'content_type', 'content', left(p_item ->> 'content', 4096),
        'details', p_item -> 'details', 'files', jsonb_array_length(p_item -> 'media'), 'sent_at', v_sent_at,
        'conversation_status', case when v_opens and c.status in ('resolved', 'closed') then 'active' else c.status end,
        'assigned_to', c.assigned_to, 'opted_out', c.opted_out_at is not null,
        'window_closes_at', case when v_opens then v_sent_at + window_length_v1(c.channel) end), p_now);
end;
$$;

-- Everything that one webhook carried, as record_inbound_v2. With p_guarded, an item that the database refuses is parked
-- and leaves the others alone; a single message or status may do without: it costs no savepoint, and fails the call.
create function record_inbound_v3(
    p_items jsonb, p_now timestamptz default clock_timestamp(), p_guarded boolean default true
) returns table (place integer, outcome text, message_id uuid, conversation_id uuid, turns jsonb) language plpgsql
-- A plan that a session made while the tables were small must not scan them when they have grown.
security definer set enable_seqscan = off set search_path from current as $$
declare
    v_item jsonb := p_items -> 0;
    v_now timestamptz;
begin
    if not p_guarded then
        if v_item ->> 'kind' = 'status' or v_item ->> 'role' = 'assistant' then
            perform lock_provider_messages_v1(array[
                concat_ws(':', v_item ->> 'provider', v_item ->> 'provider_message_id')]);
        end if;
        place := 0;
        if v_item ->> 'kind' = 'status' then
            select r.outcome, r.message_id, r.turns into outcome, message_id, turns
              from record_status_v3(v_item, p_now) r;
        else
            select r.outcome, r.message_id, r.conversation_id, r.turns into outcome, message_id, conversation_id, turns
              from record_message_v3(v_item, p_now) r;
        end if;
        return next;
        return;
    end if;
    perform lock_provider_messages_v1(array(
        select concat_ws(':', e ->> 'provider', e ->> 'provider_message_id') from jsonb_array_elements(p_items) e
         where e ->> 'kind' = 'status' or e ->> 'role' = 'assistant'));
    -- Every caller locks in one order (conversations by customer, then messages by id): batches that cross must not
    -- deadlock. Within one conversation the provider's order is kept.
    for place, v_item in
        select (e.ordinality - 1)::integer, e.value
          from jsonb_array_elements(p_items) with ordinality e
         order by case e.value ->> 'kind' when 'message' then 1 when 'status' then 2 when 'parked' then 4 else 3 end,
                  e.value ->> 'provider',
                  coalesce(e.value -> 'customer' ->> 'chat_id', e.value -> 'customer' ->> 'user_id',
                           e.value -> 'customer' ->> 'phone', e.value ->> 'provider_message_id'),
                  e.ordinality
    loop
        message_id := null;
        conversation_id := null;
        turns := null;
        v_now := p_now + place * interval '1 microsecond';
        begin
            case v_item ->> 'kind'
                when 'message' then
                    select r.outcome, r.message_id, r.conversation_id, r.turns
                      into outcome, message_id, conversation_id, turns
                      from record_message_v3(v_item, v_now) r;
                when 'status' then
                    select r.outcome, r.message_id, r.turns into outcome, message_id, turns
                      from record_status_v3(v_item, v_now) r;
                when 'identity' then
                    outcome := record_identity_v2(v_item, v_now);
                when 'preference' then
                    outcome := record_preference_v2(v_item, v_now);
                else
                    perform park_item_v1(v_item ->> 'provider', v_item ->> 'park_as', v_item ->> 'reason',
                                         decode(v_item ->> 'body', 'base64'), v_item ->> 'content_type', null, v_now);
                    outcome := case v_item ->> 'park_as' when 'notice' then 'noticed' else 'parked' end;
            end case;
        exception when data_exception or integrity_constraint_violation or program_limit_exceeded then
            perform park_item_v1(v_item ->> 'provider', 'refused', 'refused by the database: ' || sqlstate,
                                 null, null, v_item, v_now);
            outcome := 'parked';
        end;
        return next;
    end loop;
end;
$$;

-- As before, by the index above.
create or replace function sweep_sends_v1(p_limit integer, p_now timestamptz default clock_timestamp())
returns table (message_id uuid, conversation_id uuid, lane text, outcome text) language plpgsql
security definer set enable_seqscan = off set search_path from current as $$
declare
    v_ids uuid[];
    m kommo_messages%rowtype;
    s sends%rowtype;
begin
    loop
        v_ids := array(select k.message_id from sends k
                        where k.due_at <= p_now and k.phase in ('ready', 'scheduled', 'held', 'sending')
                        order by k.due_at, k.send_order limit p_limit);
        exit when cardinality(v_ids) >= p_limit;
        -- What the former version was just accepting when it was replaced. This looks at each message that is on its
        -- way since then and nearly always finds nothing: only when all that is due is in hand, and for an hour.
        perform adopt_send_v1(k.id, p_now) from (
            select o.id from kommo_messages o
             where o.provider_message_id is null and o.role = 'assistant' and o.received_at is not null
               and o.delivery_status in ('accepted', 'queued', 'sending')
               and o.created_at between p_now - interval '1 hour' and p_now - interval '1 minute'
               and not exists (select from sends k where k.message_id = o.id)
             order by o.created_at limit p_limit) k;
        exit when not found;
    end loop;
    foreach message_id in array v_ids loop
        -- The message first, then its row in sends: the order in which everybody locks them.
        select * into m from kommo_messages k where k.id = sweep_sends_v1.message_id for no key update skip locked;
        continue when not found;
        select * into s from sends k
         where k.message_id = sweep_sends_v1.message_id and k.due_at <= p_now
           and k.phase in ('ready', 'scheduled', 'held', 'sending') for no key update;
        continue when not found;
        continue when follow_former_v1(m, s, p_now);
        conversation_id := s.conversation_id;
        lane := s.lane;
        if s.phase = 'sending' then
            perform move_message_v2(s.message_id, 'uncertain', p_now, 'lease', null,
                                    'the sender stopped while it was sending');
            outcome := 'uncertain';
        elsif s.expires_at <= p_now then
            perform move_message_v2(s.message_id, 'expired', p_now, 'sweep', 'expired',
                                    case s.phase when 'held' then 'the customer did not write in its time'
                                                 else 'it could not be sent in its time' end);
            outcome := 'expired';
        else
            update sends k set phase = 'ready', due_at = least(p_now + interval '30 minutes', k.expires_at)
             where k.message_id = s.message_id;
            outcome := 'turn';
        end if;
        return next;
    end loop;
end;
$$;

-- Everybody may call a new function unless it is said otherwise.
revoke execute on function
    apply_parked_statuses_v3, find_echoed_v1, move_message_v3, record_inbound_v3, record_message_v3, record_status_v3
from public;

-- step: messages that are counted with what else their customer's row learns
-- A condition that is false queues no call: record_message_v3 writes what these would.
create or replace trigger trigger_update_kommo_message_counts after insert on kommo_messages
for each row when (current_setting('ventana.counted', true) is distinct from 'on')
execute function update_kommo_message_counts();
create or replace trigger trigger_update_last_user_message after insert on kommo_messages
for each row when (current_setting('ventana.counted', true) is distinct from 'on')
execute function update_last_user_message_timestamp();

-- step: a status writes no index entry
-- What is on its way is found by sends, which holds nothing else. Two indexes whose conditions name delivery_status made
-- every status of every message write an entry of all the indexes there are.
drop index if exists idx_messages_in_flight;
drop index if exists idx_messages_unfinished;

-- step: room on the pages of messages
-- For the statuses to come; for pages that come to be used.
alter table kommo_messages set (fillfactor = 85);
