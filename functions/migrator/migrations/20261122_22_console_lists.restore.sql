-- Since the revert names have changed, and whom the former version joined is gone.
do $$
begin
    if to_regclass('ventana_archive."20261122_22_console_lists__customer_words"') is not null then
        delete from ventana_archive."20261122_22_console_lists__customer_words" a
         where not exists (select from kommo_conversations c where c.id = a.conversation_id);
        update ventana_archive."20261122_22_console_lists__customer_words" a
           set words = customer_words_v1(c.contact_name, c.contact_email, c.phone)
          from kommo_conversations c
         where c.id = a.conversation_id
           and a.words <> customer_words_v1(c.contact_name, c.contact_email, c.phone);
    end if;
    if to_regclass('ventana_archive."20261122_22_console_lists__conversation_reads"') is not null then
        delete from ventana_archive."20261122_22_console_lists__conversation_reads" a
         where not exists (select from kommo_conversations c where c.id = a.conversation_id);
    end if;
end;
$$;
