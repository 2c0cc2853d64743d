-- What `from current` is below.
select set_config('search_path', relnamespace::regnamespace::text || ', pg_temp', true)
  from pg_class where oid = 'kommo_conversations'::regclass;

alter table kommo_messages reset (fillfactor);
create index idx_messages_in_flight on kommo_messages (conversation_id)
where provider_message_id is null and delivery_status in ('sending', 'uncertain');
create index idx_messages_unfinished on kommo_messages (created_at)
where delivery_status in ('accepted', 'queued', 'sending');
create or replace trigger trigger_update_kommo_message_counts after insert on kommo_messages
for each row execute function update_kommo_message_counts();
create or replace trigger trigger_update_last_user_message after insert on kommo_messages
for each row execute function update_last_user_message_timestamp();

-- As move_message_v1, and: uncertain becomes sending where the provider turns out to have it; expired and cancelled are
-- only for what no provider was given; the row in sends goes, stays or waits as the new state wants it.
create or replace function move_message_v2(
    p_message_id uuid, p_status text, p_at timestamptz, p_cause text, p_error_code text, p_error_text text,
    p_lease_until timestamptz default null
) returns boolean language plpgsql as $$
declare
    v_conversation_id uuid;
    v_provider text;
    v_address text;
    v_before text;
begin
    select m.conversation_id, m.provider, m.business_address, m.delivery_status
      into v_conversation_id, v_provider, v_address, v_before
      from kommo_messages m where m.id = p_message_id for no key update;
    if not found or v_before is null or v_before in ('received', 'failed', 'expired', 'cancelled') then
        return false;
    elsif p_status = 'failed' then
        if v_before in ('delivered', 'read') then return false; end if;
    elsif p_status in ('expired', 'cancelled') then
        if v_before not in ('accepted', 'held', 'queued') then return false; end if;
    elsif not (v_before = 'uncertain' and p_status = 'sending')
          and delivery_rank_v1(p_status) <= delivery_rank_v1(v_before) then
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
      from unnest(case when p_status = 'read' and v_before <> 'delivered'
                       then array['delivered', 'read'] else array[p_status] end) s;
    insert into events (name, detail, occurred_at)
    values ('MessageStatusChanged', jsonb_build_object(
        'message_id', p_message_id, 'conversation_id', v_conversation_id, 'provider', v_provider,
        'business_address', v_address, 'status', p_status, 'previous_status', v_before, 'cause', p_cause,
        'error_code', p_error_code, 'error_text', p_error_text), p_at);

    if p_status in ('failed', 'expired', 'cancelled') then
        insert into sends (message_id, conversation_id, provider, business_address, phase, due_at, expires_at)
        values (p_message_id, v_conversation_id, v_provider, coalesce(v_address, ''), 'over',
                p_at + interval '30 days', p_at)
        on conflict (message_id) do update
           set phase = 'over', due_at = excluded.due_at, lease_until = null, not_before = null;
    elsif p_status = 'uncertain' then
        -- Its callback may still be on its way: nobody is asked before.
        update sends s set phase = 'uncertain', due_at = p_at + interval '2 minutes', lease_until = null
         where s.message_id = p_message_id;
    elsif p_status in ('sent', 'delivered', 'read') or (p_status = 'sending' and v_before = 'uncertain') then
        delete from sends s where s.message_id = p_message_id;
    end if;
    return true;
end;
$$;

-- Sends that are due to be looked at: those that nobody is working on get a turn, scheduled ones too; what ran out of
-- time expires; a sender that died with a message leaves it uncertain, never sent a second time.
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
             where o.delivery_status in ('accepted', 'queued', 'sending') and o.provider_message_id is null
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

drop index idx_messages_untaken;
drop function record_inbound_v3(jsonb, timestamptz, boolean);
drop function record_message_v3(jsonb, timestamptz);
drop function find_echoed_v1(jsonb, uuid);
drop function apply_parked_statuses_v3(text, text, timestamptz);
drop function record_status_v3(jsonb, timestamptz);
drop function move_message_v3(uuid, uuid, text, text, text, text, timestamptz, text, text, text, timestamptz);
