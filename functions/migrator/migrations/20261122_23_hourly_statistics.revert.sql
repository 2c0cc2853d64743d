drop function finish_sweep_v1(jsonb, timestamptz);
drop function count_events_v1(integer, timestamptz);
drop table sweep_progress;
drop table hourly_failures;
drop table hourly_statistics;
