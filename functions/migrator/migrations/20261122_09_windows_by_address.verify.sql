select
    to_regprocedure('address_window_closes_at_v1(kommo_conversations, text)')
    is not null as "function address_window_closes_at_v1()",
    to_regprocedure('decide_window_v1(kommo_conversations, text, jsonb, text, boolean, interval, timestamptz)')
    is not null as "function decide_window_v1()",
    to_regprocedure('keep_former_window_v1(kommo_conversations, text, timestamptz)')
    is not null as "function keep_former_window_v1()",
    to_regprocedure('close_window_v2(uuid, timestamptz)') is not null as "function close_window_v2()",
    to_regprocedure('sweep_windows_v2(interval, integer, timestamptz)') is not null as "function sweep_windows_v2()",
    to_regprocedure('join_windows_v1(uuid, uuid)') is not null as "function join_windows_v1()";
