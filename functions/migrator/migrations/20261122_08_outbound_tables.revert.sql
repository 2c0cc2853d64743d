drop function adopt_send_v1(uuid, timestamptz);
drop table conversation_history;
drop table idempotency_keys;
drop table former_windows;
drop table send_pairs;
drop table business_addresses;
drop table sends;
