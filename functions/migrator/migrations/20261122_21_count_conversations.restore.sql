-- What was counted before the revert has been counted anew.
do $$
begin
    if to_regclass('ventana_archive."20261122_21_count_conversations__conversation_counts"') is not null then
        delete from ventana_archive."20261122_21_count_conversations__conversation_counts";
    end if;
    if to_regclass('ventana_archive."20261122_21_count_conversations__conversation_count_changes"') is not null then
        delete from ventana_archive."20261122_21_count_conversations__conversation_count_changes";
    end if;
end;
$$;
