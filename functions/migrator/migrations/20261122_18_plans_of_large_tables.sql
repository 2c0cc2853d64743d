-- What tests/schema/test_plans.py found to read whole tables.

-- step: what was not acted on, by kind, for who looks at it
create index concurrently parked_items_kind_idx on parked_items (kind, received_at desc);

-- step: the sweep finds windows by indexes
-- How many it may still take is not known when it is planned, and a guess reads the whole table for one that is due: by
-- a scan, or by all of an index for a join that wants its rows hashed or in order.
alter function sweep_windows_v2 set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off;
