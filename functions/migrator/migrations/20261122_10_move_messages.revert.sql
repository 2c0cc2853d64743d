drop function release_held_v1(uuid, text, timestamptz);
drop function replace_message_v1(uuid, boolean, timestamptz);
drop function turn_away_v1(uuid, timestamptz, text, text, text);
drop function content_of_v1(jsonb, text);
drop function fallback_of_v1(text, text, jsonb);
drop function follow_former_v1(kommo_messages, sends, timestamptz);
drop function return_message_v1(uuid, text, timestamptz, timestamptz, text, text, text);
drop function move_message_v2(uuid, text, timestamptz, text, text, text, timestamptz);
