select
    to_regprocedure('accept_outbound_v2(jsonb, interval, timestamptz)') is not null as "function accept_outbound_v2()",
    to_regprocedure('only_address_v1(text)') is not null as "function only_address_v1()",
    to_regprocedure('address_window_closed_at_v1(kommo_conversations, text)')
    is not null as "function address_window_closed_at_v1()",
    to_regprocedure('mark_queued_v1(uuid[], timestamptz)') is not null as "function mark_queued_v1()";
