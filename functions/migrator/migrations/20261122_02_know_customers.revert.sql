drop function learn_customer_v1(uuid, jsonb, timestamptz);
drop function record_preference_v1(jsonb, timestamptz);
drop function record_identity_v1(jsonb, timestamptz);
drop function conversation_of_v1(jsonb, timestamptz);
drop function merge_conversations_v1(uuid, uuid, timestamptz);
drop function find_conversation_v1(text, jsonb);
drop function other_phone_forms_v1(text);
