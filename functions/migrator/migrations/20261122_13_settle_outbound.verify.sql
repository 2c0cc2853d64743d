select
    to_regprocedure('cancel_message_v1(uuid, text, timestamptz)') is not null as "function cancel_message_v1()",
    to_regprocedure('retry_message_v1(uuid, text, interval, interval, timestamptz)')
    is not null as "function retry_message_v1()",
    to_regprocedure('claim_unsettled_v1(text, integer, timestamptz)') is not null as "function claim_unsettled_v1()",
    to_regprocedure('settle_message_v1(uuid, text, text, interval, timestamptz)')
    is not null as "function settle_message_v1()",
    to_regprocedure('sweep_sends_v1(integer, timestamptz)') is not null as "function sweep_sends_v1()",
    to_regprocedure('forget_v1(integer, timestamptz)') is not null as "function forget_v1()";
