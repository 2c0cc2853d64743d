drop function forget_v1(integer, timestamptz);
drop function sweep_sends_v1(integer, timestamptz);
drop function settle_message_v1(uuid, text, text, interval, timestamptz);
drop function claim_unsettled_v1(text, integer, timestamptz);
drop function retry_message_v1(uuid, text, interval, interval, timestamptz);
drop function cancel_message_v1(uuid, text, timestamptz);
