drop function mark_queued_v1(uuid[], timestamptz);
drop function address_window_closed_at_v1(kommo_conversations, text);
drop function only_address_v1(text);
drop function accept_outbound_v2(jsonb, interval, timestamptz);
