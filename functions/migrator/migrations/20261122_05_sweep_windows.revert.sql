drop function finish_events_v1(uuid[], timestamptz);
drop function claim_events_v1(integer, interval, timestamptz);
drop function rescue_sends_v1(interval, interval, integer, timestamptz);
drop function sweep_windows_v1(interval, integer, timestamptz);
