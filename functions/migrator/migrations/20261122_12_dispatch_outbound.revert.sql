drop function finish_unsent_v2(uuid, text, text, text, interval, integer, timestamptz);
drop function finish_sent_v2(uuid, text, text, text, timestamptz);
drop function resume_address_v1(text, text, text, timestamptz);
drop function leave_outbound_v1(uuid, timestamptz);
drop function claim_outbound_v1(uuid, interval, interval, timestamptz);
alter function claim_text_v1(uuid, interval, interval, timestamptz) rename to claim_outbound_v1;
drop function claim_outbound_v2(uuid, text, jsonb, interval, interval, timestamptz);
drop function at_once_v1(double precision);
drop function even_gap_v1(double precision);
