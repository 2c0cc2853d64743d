-- Conversations that the Kommo-only schema cannot hold, moved aside with their messages.
create schema if not exists ventana_archive;
create table ventana_archive.orphaned_conversations as select * from kommo_conversations where provider <> 'kommo';
create table ventana_archive.orphaned_messages as
select m.* from kommo_messages as m join kommo_conversations as c on m.conversation_id = c.id where c.provider <> 'kommo';
delete from kommo_conversations where provider <> 'kommo';
