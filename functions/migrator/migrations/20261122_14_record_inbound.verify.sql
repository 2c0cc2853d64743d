select
    to_regprocedure('record_status_v2(jsonb, timestamptz)') is not null as "function record_status_v2()",
    to_regprocedure('apply_parked_statuses_v2(text, text, timestamptz)')
    is not null as "function apply_parked_statuses_v2()",
    to_regprocedure('record_message_v2(jsonb, timestamptz)') is not null as "function record_message_v2()",
    to_regprocedure('record_identity_v2(jsonb, timestamptz)') is not null as "function record_identity_v2()",
    to_regprocedure('record_preference_v2(jsonb, timestamptz)') is not null as "function record_preference_v2()",
    to_regprocedure('record_inbound_v2(jsonb, timestamptz)') is not null as "function record_inbound_v2()";
