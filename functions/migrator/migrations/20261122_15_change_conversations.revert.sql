drop function change_conversation_v1(uuid, text, text, jsonb, timestamptz);
drop function opt_out_v1(uuid, boolean, text, timestamptz);
drop function tell_change_v1(uuid, text, text, jsonb, timestamptz);
