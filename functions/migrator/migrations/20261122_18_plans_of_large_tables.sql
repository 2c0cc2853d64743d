-- What tests/schema/test_plans.py found to read whole tables.

-- step: what was not acted on, by kind, for who looks at it
create index concurrently parked_items_kind_idx on parked_items (kind, received_at desc);

-- When two conversations become one, the server looks for what is still to be sent of the one that goes: in all phases,
-- which the index of the line was not for. The same index with all phases costs a send nothing more.

-- step: sends by conversation, in their order
create index concurrently sends_conversation_idx on sends (conversation_id, send_order);

-- step: the index that this one takes the place of
drop index sends_line_idx;

-- step: the sweep finds windows by indexes
-- How many it may still take is not known when it is planned, and a guess reads the whole table for one that is due: by
-- a scan, or by all of an index for a join that wants its rows hashed or in order.
alter function sweep_windows_v2 set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off;
