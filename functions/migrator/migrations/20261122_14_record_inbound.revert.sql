drop function record_inbound_v2(jsonb, timestamptz);
drop function record_preference_v2(jsonb, timestamptz);
drop function record_identity_v2(jsonb, timestamptz);
drop function record_message_v2(jsonb, timestamptz);
drop function apply_parked_statuses_v2(text, text, timestamptz);
drop function record_status_v2(jsonb, timestamptz);
