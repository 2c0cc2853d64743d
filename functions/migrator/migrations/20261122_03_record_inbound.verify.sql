select
    to_regprocedure('record_inbound_v1(jsonb, timestamptz)') is not null as "function record_inbound_v1()",
    to_regprocedure('record_message_v1(jsonb, timestamptz)') is not null as "function record_message_v1()",
    to_regprocedure('record_status_v1(jsonb, timestamptz)') is not null as "function record_status_v1()",
    to_regprocedure('lock_provider_messages_v1(text[])') is not null as "function lock_provider_messages_v1()",
    to_regprocedure('apply_parked_statuses_v1(text, text, timestamptz)') is not null as "function apply_parked_statuses_v1()",
    to_regprocedure('move_message_v1(uuid, text, timestamptz, text, text, text)') is not null as "function move_message_v1()",
    to_regprocedure('close_window_v1(uuid, timestamptz)') is not null as "function close_window_v1()",
    to_regprocedure('park_item_v1(text, text, text, bytea, text, jsonb, timestamptz)') is not null as "function park_item_v1()",
    to_regprocedure('delivery_rank_v1(text)') is not null as "function delivery_rank_v1()";
