-- What people do with a conversation, each change once in its history and as an event.

create function tell_change_v1(p_conversation_id uuid, p_change text, p_by text, p_detail jsonb, p_now timestamptz)
returns void language sql as $$
    insert into conversation_history (conversation_id, at, change, changed_by, detail)
    values (p_conversation_id, p_now, p_change, p_by, p_detail);
    insert into events (name, detail, occurred_at)
    select 'ConversationChanged', jsonb_build_object(
               'conversation_id', c.id, 'provider', c.provider, 'change', p_change, 'by', p_by, 'status', c.status,
               'assigned_to', c.assigned_to, 'tags', to_jsonb(coalesce(c.tags, '{}')),
               'opted_out', c.opted_out_at is not null, 'detail', p_detail), p_now
      from kommo_conversations c where c.id = p_conversation_id;
$$;

-- A customer stops or resumes everything but direct answers; says whether that is new. A wish that comes late, or
-- again, changes nothing that was wished since. To be stopped by mistake is better than to go on by mistake: clocks may
-- differ, so that a stop gives way only to what the customer wished later.
create function opt_out_v1(p_conversation_id uuid, p_out boolean, p_by text, p_now timestamptz)
returns boolean language plpgsql as $$
begin
    update kommo_conversations c
       set opted_out_at = case when p_out then p_now end, opted_out_by = case when p_out then p_by end
     where c.id = p_conversation_id and (c.opted_out_at is not null) <> p_out
       and not exists (
           select from conversation_history h
            where h.conversation_id = c.id and h.at > p_now
              and (p_out and h.change = 'opted_in' and h.changed_by = 'customer'
                   or not p_out and h.change = 'opted_out'));
    if not found then
        return false;
    end if;
    perform tell_change_v1(p_conversation_id, case when p_out then 'opted_out' else 'opted_in' end, p_by, '{}', p_now);
    return true;
end;
$$;

-- Changes a conversation: escalate (reason, assignee), assign (assignee), resolve, close, reopen, tag (add, remove),
-- note (body), opt_out, opt_in. Returns changed, unchanged or not_found.
create function change_conversation_v1(
    p_id uuid, p_change text, p_by text, p_detail jsonb, p_now timestamptz default clock_timestamp()
) returns text language plpgsql as $$
declare
    c kommo_conversations%rowtype;
    v_tags text[];
begin
    select * into c from kommo_conversations k where k.id = p_id for no key update;
    if not found then
        return 'not_found';
    end if;
    case p_change
        when 'escalate' then
            if c.status = 'escalated' and c.escalation_reason is not distinct from p_detail ->> 'reason'
               and c.assigned_to is not distinct from coalesce(p_detail ->> 'assignee', c.assigned_to) then
                return 'unchanged';
            end if;
            update kommo_conversations k
               set status = 'escalated',
                   escalated_at = case c.status when 'escalated' then c.escalated_at else p_now end,
                   escalation_reason = p_detail ->> 'reason',
                   assigned_to = coalesce(p_detail ->> 'assignee', k.assigned_to)
             where k.id = p_id;
        when 'assign' then
            if c.assigned_to is not distinct from p_detail ->> 'assignee' then return 'unchanged'; end if;
            update kommo_conversations k set assigned_to = p_detail ->> 'assignee' where k.id = p_id;
        when 'resolve' then
            if c.status = 'resolved' then return 'unchanged'; end if;
            update kommo_conversations k set status = 'resolved', resolved_at = p_now where k.id = p_id;
        when 'close' then
            if c.status = 'closed' then return 'unchanged'; end if;
            update kommo_conversations k set status = 'closed' where k.id = p_id;
        when 'reopen' then
            if c.status = 'active' then return 'unchanged'; end if;
            update kommo_conversations k set status = 'active' where k.id = p_id;
        when 'tag' then
            v_tags := array(
                select distinct t from (
                    select unnest(coalesce(c.tags, '{}')) t
                    union select jsonb_array_elements_text(coalesce(nullif(p_detail -> 'add', 'null'), '[]'))) all_tags
                 where not coalesce(p_detail -> 'remove', '[]') ? t order by t);
            if v_tags = array(select t from unnest(coalesce(c.tags, '{}')) t order by t) then
                return 'unchanged';
            end if;
            update kommo_conversations k set tags = v_tags where k.id = p_id;
        when 'note' then
            null;
        when 'opt_out', 'opt_in' then
            return case when opt_out_v1(p_id, p_change = 'opt_out', p_by, p_now) then 'changed' else 'unchanged' end;
    end case;
    perform tell_change_v1(p_id, case p_change when 'escalate' then 'escalated' when 'assign' then 'assigned'
                                               when 'resolve' then 'resolved' when 'close' then 'closed'
                                               when 'reopen' then 'reopened' when 'tag' then 'tagged'
                                               else 'noted' end, p_by, p_detail, p_now);
    return 'changed';
end;
$$;
