drop function forget_v2(integer, timestamptz);
drop index events_published_idx;
