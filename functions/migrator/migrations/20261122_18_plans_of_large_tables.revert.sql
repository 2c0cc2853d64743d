alter function sweep_windows_v2 reset enable_seqscan reset enable_hashjoin reset enable_mergejoin;
create index sends_line_idx on sends (conversation_id, send_order) where phase <> 'over';
drop index sends_conversation_idx;
drop index parked_items_kind_idx;
