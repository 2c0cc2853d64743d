select
    to_regprocedure('even_gap_v1(double precision)') is not null as "function even_gap_v1()",
    to_regprocedure('at_once_v1(double precision)') is not null as "function at_once_v1()",
    to_regprocedure('claim_outbound_v2(uuid, text, jsonb, interval, interval, timestamptz)')
    is not null as "function claim_outbound_v2()",
    to_regprocedure('claim_text_v1(uuid, interval, interval, timestamptz)') is not null as "function claim_text_v1()",
    to_regprocedure('leave_outbound_v1(uuid, timestamptz)') is not null as "function leave_outbound_v1()",
    to_regprocedure('resume_address_v1(text, text, text, timestamptz)') is not null as "function resume_address_v1()",
    to_regprocedure('finish_sent_v2(uuid, text, text, text, timestamptz)') is not null as "function finish_sent_v2()",
    to_regprocedure('finish_unsent_v2(uuid, text, text, text, interval, integer, timestamptz)')
    is not null as "function finish_unsent_v2()";
