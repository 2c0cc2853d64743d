select
    to_regprocedure('move_message_v2(uuid, text, timestamptz, text, text, text, timestamptz)')
    is not null as "function move_message_v2()",
    to_regprocedure('return_message_v1(uuid, text, timestamptz, timestamptz, text, text, text)')
    is not null as "function return_message_v1()",
    to_regprocedure('follow_former_v1(kommo_messages, sends, timestamptz)')
    is not null as "function follow_former_v1()",
    to_regprocedure('fallback_of_v1(text, text, jsonb)') is not null as "function fallback_of_v1()",
    to_regprocedure('content_of_v1(jsonb, text)') is not null as "function content_of_v1()",
    to_regprocedure('turn_away_v1(uuid, timestamptz, text, text, text)') is not null as "function turn_away_v1()",
    to_regprocedure('replace_message_v1(uuid, boolean, timestamptz)') is not null as "function replace_message_v1()",
    to_regprocedure('release_held_v1(uuid, text, timestamptz)') is not null as "function release_held_v1()";
