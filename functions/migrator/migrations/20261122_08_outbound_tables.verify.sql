select
    to_regclass('sends') is not null as "table sends",
    to_regclass('business_addresses') is not null as "table business_addresses",
    to_regclass('send_pairs') is not null as "table send_pairs",
    to_regclass('former_windows') is not null as "table former_windows",
    to_regclass('idempotency_keys') is not null as "table idempotency_keys",
    to_regclass('conversation_history') is not null as "table conversation_history",
    (
        select count(*) = 7 and bool_and(indisvalid) from pg_index
        where indexrelid in (
            to_regclass('sends_line_idx'), to_regclass('sends_due_idx'), to_regclass('sends_phase_idx'),
            to_regclass('former_windows_closing_idx'), to_regclass('former_windows_open_idx'),
            to_regclass('idempotency_keys_created_at_idx'), to_regclass('conversation_history_conversation_idx')
        )
    ) as "index of outbound (7)",
    to_regprocedure('adopt_send_v1(uuid, timestamptz)') is not null as "function adopt_send_v1()",
    to_regprocedure('accept_text_v1(uuid, uuid, text, text, text, text, interval, timestamptz)')
    is not null as "function accept_text_v1()";
