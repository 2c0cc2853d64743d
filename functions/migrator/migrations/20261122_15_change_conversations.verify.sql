select
    to_regprocedure('tell_change_v1(uuid, text, text, jsonb, timestamptz)') is not null as "function tell_change_v1()",
    to_regprocedure('opt_out_v1(uuid, boolean, text, timestamptz)') is not null as "function opt_out_v1()",
    to_regprocedure('change_conversation_v1(uuid, text, text, jsonb, timestamptz)')
    is not null as "function change_conversation_v1()";
