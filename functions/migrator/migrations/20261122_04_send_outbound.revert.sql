drop function finish_unsent_v1(uuid, text, text, text, boolean, integer, timestamptz);
drop function finish_sent_v1(uuid, text, text, timestamptz);
drop function claim_outbound_v1(uuid, interval, interval, timestamptz);
drop function accept_outbound_v1(uuid, uuid, text, text, text, text, interval, timestamptz);
drop function window_closes_at_v1(text, timestamptz, timestamptz);
drop function window_length_v1(text);
