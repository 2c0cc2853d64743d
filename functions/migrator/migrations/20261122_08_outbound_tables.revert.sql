-- The former version sends plain texts, at once. What it would send in another shape or too early, nobody sends.
with cancelled as (
    update kommo_messages m set delivery_status = 'cancelled'
      from sends s
     where s.message_id = m.id and m.delivery_status in ('accepted', 'held', 'queued')
       and (s.phase in ('held', 'scheduled')
            or coalesce(m.metadata -> 'sent_as', m.metadata -> 'content') ->> 'type' <> 'text')
    returning m.id, m.conversation_id, m.provider
), remembered as (
    insert into message_status_history (message_id, status, at, cause)
    select id, 'cancelled', now(), 'revert' from cancelled
)
insert into events (name, detail, occurred_at)
select 'MessageStatusChanged', jsonb_build_object(
           'message_id', id, 'conversation_id', conversation_id, 'provider', provider, 'status', 'cancelled',
           'cause', 'revert'), now()
  from cancelled;

drop function accept_outbound_v1(uuid, uuid, text, text, text, text, interval, timestamptz);
alter function accept_text_v1(uuid, uuid, text, text, text, text, interval, timestamptz) rename to accept_outbound_v1;
drop function adopt_send_v1(uuid, timestamptz);
drop table conversation_history;
drop table idempotency_keys;
drop table former_windows;
drop table send_pairs;
drop table business_addresses;
drop table sends;
