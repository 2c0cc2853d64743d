select
    to_regprocedure('other_phone_forms_v1(text)') is not null as "function other_phone_forms_v1()",
    to_regprocedure('find_conversation_v1(text, jsonb)') is not null as "function find_conversation_v1()",
    to_regprocedure('merge_conversations_v1(uuid, uuid, timestamptz)') is not null
        as "function merge_conversations_v1()",
    to_regprocedure('conversation_of_v1(jsonb, timestamptz)') is not null as "function conversation_of_v1()",
    to_regprocedure('record_identity_v1(jsonb, timestamptz)') is not null as "function record_identity_v1()",
    to_regprocedure('record_preference_v1(jsonb, timestamptz)') is not null as "function record_preference_v1()",
    to_regprocedure('learn_customer_v1(uuid, jsonb, timestamptz)') is not null as "function learn_customer_v1()";
