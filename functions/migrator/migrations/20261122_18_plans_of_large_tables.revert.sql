alter function sweep_windows_v2 reset enable_seqscan reset enable_hashjoin reset enable_mergejoin;
drop index parked_items_kind_idx;
