-- Only an empty baseline is taken away: conversations are never dropped by a revert.
do $$
declare
    conversations bigint;
begin
    select count(*) into conversations from kommo_conversations;
    if conversations > 0 then
        raise exception 'refused: % conversations would be lost', conversations
            using hint = 'Back up and empty kommo_conversations first, or leave the baseline where it is.';
    end if;
end;
$$;

drop view kommo_active_conversations;
drop view kommo_conversation_stats;
drop table kommo_messages;
drop table kommo_conversations;
drop function update_kommo_message_counts();
drop function update_kommo_conversation_updated_at();
