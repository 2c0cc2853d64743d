select
    to_regprocedure('sweep_windows_v1(interval, integer, timestamptz)') is not null as "function sweep_windows_v1()",
    to_regprocedure('rescue_sends_v1(interval, interval, integer, timestamptz)') is not null as "function rescue_sends_v1()",
    to_regprocedure('claim_events_v1(integer, interval, timestamptz)') is not null as "function claim_events_v1()",
    to_regprocedure('finish_events_v1(uuid[], timestamptz)') is not null as "function finish_events_v1()";
