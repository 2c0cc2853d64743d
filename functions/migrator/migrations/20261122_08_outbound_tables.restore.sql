-- Since the revert the former version has gone on: what it dealt with, and whom it joined, does not come back as it
-- was.
do $$
declare
    v_table text;
begin
    if to_regclass('ventana_archive."20261122_08_outbound_tables__sends"') is not null then
        delete from ventana_archive."20261122_08_outbound_tables__sends" a
         where not exists (
             select from kommo_messages m
              where m.id = a.message_id
                and (m.delivery_status in ('failed', 'expired', 'cancelled') and a.phase = 'over'
                     or m.delivery_status in ('accepted', 'queued', 'sending', 'uncertain')
                        and m.provider_message_id is null));
        update ventana_archive."20261122_08_outbound_tables__sends" a set conversation_id = m.conversation_id
          from kommo_messages m where m.id = a.message_id and a.conversation_id <> m.conversation_id;
        -- What it accepted goes after what has waited for longer.
        update sends s
           set send_order = s.send_order + (select coalesce(max(a.send_order), 0)
                                              from ventana_archive."20261122_08_outbound_tables__sends" a);
    end if;
    if to_regclass('ventana_archive."20261122_08_outbound_tables__conversation_history"') is not null then
        update ventana_archive."20261122_08_outbound_tables__conversation_history" a
           set conversation_id = (e.detail ->> 'conversation_id')::uuid
          from events e
         where e.name = 'ConversationsMerged' and e.detail ->> 'merged_conversation_id' = a.conversation_id::text;
    end if;
    if to_regclass('ventana_archive."20261122_08_outbound_tables__former_windows"') is not null then
        delete from ventana_archive."20261122_08_outbound_tables__former_windows" a using kommo_conversations c
         where c.id = a.conversation_id and c.business_address = a.business_address;
    end if;
    foreach v_table in array array['former_windows', 'send_pairs', 'conversation_history'] loop
        v_table := '20261122_08_outbound_tables__' || v_table;
        if to_regclass(format('ventana_archive.%I', v_table)) is not null then
            execute format('
                delete from ventana_archive.%I a
                 where not exists (select from kommo_conversations c where c.id = a.conversation_id)', v_table);
        end if;
    end loop;
end;
$$;
