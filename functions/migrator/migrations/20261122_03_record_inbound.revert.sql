drop function record_inbound_v1(jsonb, timestamptz);
drop function record_message_v1(jsonb, timestamptz);
drop function apply_parked_statuses_v1(text, text, timestamptz);
drop function record_status_v1(jsonb, timestamptz);
drop function lock_provider_messages_v1(text[]);
drop function close_window_v1(uuid, timestamptz);
drop function move_message_v1(uuid, text, timestamptz, text, text, text);
drop function park_item_v1(text, text, text, bytea, text, jsonb, timestamptz);
drop function delivery_rank_v1(text);
