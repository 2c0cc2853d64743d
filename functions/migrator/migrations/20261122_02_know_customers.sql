-- Who a customer is: the names that lead to a conversation, names that change, and what a customer wishes.
-- One customer is one conversation at a provider, also when phone and business-scoped id come in turn.

-- The other forms under which a phone may be written: with or without the ninth digit of Brazilian mobiles, the 1 of
-- Mexican and the 9 of Argentine ones. For finding only: the stored form is the provider's and is what we send to.
create function other_phone_forms_v1(p_phone text) returns text[] language sql immutable as $$
    select case substr(p_phone, 2, 2)
        when '55' then array_remove(array[
            regexp_replace(p_phone, '^\+55(\d{2})([6-9]\d{7})$', '+55\19\2'),
            regexp_replace(p_phone, '^\+55(\d{2})9([6-9]\d{7})$', '+55\1\2')], p_phone)
        when '52' then array_remove(array[
            regexp_replace(p_phone, '^\+52([2-9]\d{9})$', '+521\1'),
            regexp_replace(p_phone, '^\+521([2-9]\d{9})$', '+52\1')], p_phone)
        when '54' then array_remove(array[
            regexp_replace(p_phone, '^\+54([1-8]\d{9})$', '+549\1'),
            regexp_replace(p_phone, '^\+549([1-8]\d{9})$', '+54\1')], p_phone)
        else '{}' end;
$$;

-- The conversation that a provider's names lead to, locked; null where none of them is known. One that is found by its
-- id wins over one that is found by its phone. One form of the phone after the other, each by its index: an array of
-- them would tempt the planner, while the table is small, into a plan that is bad when it has grown.
create function find_conversation_v1(p_provider text, p_customer jsonb) returns uuid language plpgsql as $$
declare
    v_id uuid;
    v_phone text := p_customer ->> 'phone';
begin
    if p_customer ->> 'chat_id' is not null then
        select c.id into v_id from kommo_conversations c
         where c.kommo_chat_id = p_customer ->> 'chat_id' for no key update;
        return v_id;
    end if;
    if p_customer ->> 'user_id' is not null then
        select c.id into v_id from kommo_conversations c
         where c.provider_user_id = p_customer ->> 'user_id' and c.provider_user_id is not null
           and c.provider is not distinct from p_provider for no key update;
    end if;
    if v_id is null and v_phone is not null then
        foreach v_phone in array v_phone || other_phone_forms_v1(v_phone) loop
            select c.id into v_id from kommo_conversations c
             where c.phone = v_phone and c.provider is not distinct from p_provider
             order by c.last_user_message_at desc nulls last limit 1 for no key update;
            exit when v_id is not null;
        end loop;
    end if;
    return v_id;
end;
$$;

-- Two rows turn out to be one customer: all messages come under the first, and the second goes.
create function merge_conversations_v1(p_into uuid, p_from uuid, p_now timestamptz) returns void language plpgsql as $$
declare
    k kommo_conversations%rowtype;
begin
    perform 1 from kommo_conversations c where c.id in (p_into, p_from) order by c.id for update;
    select * into k from kommo_conversations c where c.id = p_from;
    if not found or p_into = p_from then
        return;
    end if;
    update kommo_messages m set conversation_id = p_into where m.conversation_id = p_from;
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
           business_address = case when k.last_user_message_at > c.last_user_message_at
                                   then k.business_address else coalesce(c.business_address, k.business_address) end,
           last_message_at = greatest(c.last_message_at, k.last_message_at),
           last_bot_response_at = greatest(c.last_bot_response_at, k.last_bot_response_at),
           last_user_message_at = greatest(c.last_user_message_at, k.last_user_message_at),
           window_warned_for = greatest(c.window_warned_for, k.window_warned_for),
           window_closed_for = greatest(c.window_closed_for, k.window_closed_for),
           needs_template = c.needs_template and k.needs_template,
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

-- The conversation of a message's customer, locked; made when it is new. Twenty callers at once get one row, and names
-- that so far led to two rows join them.
create function conversation_of_v1(p_item jsonb, p_now timestamptz) returns uuid language plpgsql as $$
declare
    v_provider text := p_item ->> 'provider';
    v_customer jsonb := p_item -> 'customer';
    v_id uuid;
    v_by_phone uuid;
begin
    for attempt in 1..5 loop
        v_id := find_conversation_v1(v_provider, v_customer);
        if v_id is not null then
            if v_customer ->> 'user_id' is not null and v_customer ->> 'phone' is not null
               and not exists (select from kommo_conversations c
                                where c.id = v_id and c.phone = v_customer ->> 'phone') then
                v_by_phone := find_conversation_v1(v_provider, v_customer - 'user_id');
                if v_by_phone <> v_id then
                    perform merge_conversations_v1(v_by_phone, v_id, p_now);
                    v_id := v_by_phone;
                end if;
            end if;
            return v_id;
        end if;
        insert into kommo_conversations (provider, kommo_chat_id, provider_user_id, phone, contact_name,
                                         kommo_contact_id, kommo_lead_id, kommo_talk_id, channel, business_address)
        values (v_provider, v_customer ->> 'chat_id', v_customer ->> 'user_id', v_customer ->> 'phone',
                v_customer ->> 'name', v_customer ->> 'contact_id', v_customer ->> 'lead_id',
                v_customer ->> 'talk_id', p_item ->> 'channel', p_item ->> 'business_address')
        on conflict do nothing
        returning id into v_id;
        if v_id is not null then
            return v_id;
        end if;
    end loop;
    raise integrity_constraint_violation using message = 'the conversation of this customer cannot be found or made';
end;
$$;

-- Joins the names by which a provider knows a customer: moved when something changed, unchanged, or unmatched when no
-- name leads to a conversation.
create function record_identity_v1(p_item jsonb, p_now timestamptz) returns text language plpgsql as $$
declare
    v_provider text := p_item ->> 'provider';
    v_now jsonb := p_item -> 'customer';
    v_before jsonb := coalesce(nullif(p_item -> 'previous', 'null'), '{}');
    v_id uuid := find_conversation_v1(v_provider, v_before);
    v_other uuid := find_conversation_v1(v_provider, v_now);
begin
    if v_now ->> 'chat_id' is null and v_now ->> 'contact_id' is not null then
        -- A contact may have several chats; each shows the contact's phone and name.
        update kommo_conversations c
           set phone = coalesce(v_now ->> 'phone', c.phone), contact_name = coalesce(v_now ->> 'name', c.contact_name)
         where c.kommo_contact_id = v_now ->> 'contact_id' and c.provider is not distinct from v_provider
           and (coalesce(v_now ->> 'phone', c.phone), coalesce(v_now ->> 'name', c.contact_name))
               is distinct from (c.phone, c.contact_name);
        return case when found then 'moved' else 'unchanged' end;
    end if;
    if v_id is not null and v_other is not null and v_id <> v_other then
        perform merge_conversations_v1(v_id, v_other, p_now);
    end if;
    v_id := coalesce(v_id, v_other);
    if v_id is null then
        return 'unmatched';
    end if;
    update kommo_conversations c
       set phone = coalesce(v_now ->> 'phone', c.phone),
           provider_user_id = coalesce(v_now ->> 'user_id', c.provider_user_id),
           contact_name = coalesce(c.contact_name, v_now ->> 'name'),
           kommo_contact_id = coalesce(v_now ->> 'contact_id', c.kommo_contact_id),
           kommo_lead_id = coalesce(v_now ->> 'lead_id', c.kommo_lead_id),
           kommo_talk_id = coalesce(v_now ->> 'talk_id', c.kommo_talk_id)
     where c.id = v_id
       and (coalesce(v_now ->> 'phone', c.phone), coalesce(v_now ->> 'user_id', c.provider_user_id),
            coalesce(c.contact_name, v_now ->> 'name'), coalesce(v_now ->> 'contact_id', c.kommo_contact_id),
            coalesce(v_now ->> 'lead_id', c.kommo_lead_id), coalesce(v_now ->> 'talk_id', c.kommo_talk_id))
           is distinct from (c.phone, c.provider_user_id, c.contact_name, c.kommo_contact_id, c.kommo_lead_id,
                             c.kommo_talk_id);
    return case when found then 'moved' else 'unchanged' end;
end;
$$;

-- A customer stops or resumes everything but direct answers.
create function record_preference_v1(p_item jsonb, p_now timestamptz) returns text language plpgsql as $$
declare
    v_id uuid := find_conversation_v1(p_item ->> 'provider', p_item -> 'customer');
    v_out boolean := (p_item ->> 'opted_out')::boolean;
begin
    update kommo_conversations c
       set opted_out_at = case when v_out then least(coalesce((p_item ->> 'at')::timestamptz, p_now), p_now) end,
           opted_out_by = case when v_out then 'customer' end
     where c.id = v_id and (c.opted_out_at is not null) <> v_out;
    return case when v_id is null then 'unmatched' when found then 'moved' else 'unchanged' end;
end;
$$;

-- Fills in what a message newly tells of its customer; writes nothing when it tells nothing new. Answers leave from the
-- address that the customer wrote to last, by the time of writing: a message that comes late does not change it.
create function learn_customer_v1(p_conversation_id uuid, p_item jsonb, p_sent_at timestamptz)
returns void language plpgsql as $$
declare
    v_customer jsonb := p_item -> 'customer';
    v_name text := v_customer ->> 'name';
    v_phone text := v_customer ->> 'phone';
    v_user_id text := v_customer ->> 'user_id';
    v_contact_id text := v_customer ->> 'contact_id';
    v_lead_id text := v_customer ->> 'lead_id';
    v_talk_id text := v_customer ->> 'talk_id';
    v_address text := p_item ->> 'business_address';
    v_opens boolean := p_item ->> 'role' = 'user' and (p_item ->> 'opens_window')::boolean;
begin
    update kommo_conversations c
       set contact_name = coalesce(c.contact_name, v_name),
           phone = coalesce(c.phone, v_phone),
           provider_user_id = coalesce(v_user_id, c.provider_user_id),
           kommo_contact_id = coalesce(v_contact_id, c.kommo_contact_id),
           kommo_lead_id = coalesce(v_lead_id, c.kommo_lead_id),
           kommo_talk_id = coalesce(v_talk_id, c.kommo_talk_id),
           business_address = case when c.business_address is null or (v_opens and c.last_user_message_at <= p_sent_at)
                                   then v_address else c.business_address end,
           status = case when v_opens and c.status in ('resolved', 'closed') then 'active' else c.status end
     where c.id = p_conversation_id
       and ((c.contact_name is null and v_name is not null)
            or (c.phone is null and v_phone is not null)
            or v_user_id <> coalesce(c.provider_user_id, '')
            or v_contact_id <> coalesce(c.kommo_contact_id, '')
            or v_lead_id <> coalesce(c.kommo_lead_id, '')
            or v_talk_id <> coalesce(c.kommo_talk_id, '')
            or c.business_address is null
            or (v_opens and c.last_user_message_at <= p_sent_at and c.business_address <> v_address)
            or (v_opens and c.status in ('resolved', 'closed')));
end;
$$;
