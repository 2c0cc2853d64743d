drop function pause_lookups_v1(text, text, text, interval, interval, timestamptz);
drop function postpone_lookup_v1(text, text, interval, interval, timestamptz);
drop function finish_lookup_v1(text, text, text, timestamptz);
drop function claim_lookup_v1(text, text, text, timestamptz);
drop function queue_lookups_v1(integer, interval, timestamptz);
drop table contact_lookup_pauses;
drop index idx_conversations_contact_lookup;
alter table kommo_conversations
    drop column contact_looked_up_at,
    drop column contact_lookup_after,
    drop column contact_lookup_attempts;
drop function claim_media_v1(uuid, integer, interval, integer, timestamptz);
drop function finish_media_v1(uuid, integer, integer, text, text, text, bigint, text, interval, integer, timestamptz);
drop function queue_media_v1(integer, interval, timestamptz);
drop index message_media_due_idx;
alter table message_media drop column due_at;
create index message_media_pending_idx on message_media (created_at) where state = 'pending';
