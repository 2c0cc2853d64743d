grant execute on function
    accept_outbound_v1, accept_outbound_v2, accept_text_v1, address_window_closed_at_v1, address_window_closes_at_v1,
    adopt_send_v1, apply_parked_statuses_v1, apply_parked_statuses_v2, at_once_v1, cancel_message_v1,
    change_conversation_v1, claim_events_v1, claim_lookup_v1, claim_media_v1, claim_outbound_v1, claim_outbound_v2,
    claim_text_v1, claim_unsettled_v1, close_window_v1, close_window_v2, content_of_v1, conversation_of_v1,
    decide_window_v1, delivery_rank_v1, even_gap_v1, fallback_of_v1, find_conversation_v1, finish_events_v1,
    finish_lookup_v1, finish_media_v1, finish_sent_v1, finish_sent_v2, finish_unsent_v1, finish_unsent_v2,
    follow_former_v1, forget_v1, join_windows_v1, keep_former_window_v1, learn_customer_v1, leave_outbound_v1,
    lock_provider_messages_v1, mark_queued_v1, merge_conversations_v1, move_message_v1, move_message_v2,
    only_address_v1, opt_out_v1, other_phone_forms_v1, park_item_v1, pause_lookups_v1, postpone_lookup_v1,
    queue_lookups_v1, queue_media_v1, record_identity_v1, record_identity_v2, record_inbound_v1, record_inbound_v2,
    record_message_v1, record_message_v2, record_preference_v1, record_preference_v2, record_status_v1,
    record_status_v2, release_held_v1, replace_message_v1, rescue_sends_v1, resume_address_v1, retry_message_v1,
    return_message_v1, settle_message_v1, sweep_sends_v1, sweep_windows_v1, sweep_windows_v2, tell_change_v1,
    turn_away_v1, update_kommo_conversation_updated_at, update_kommo_message_counts,
    update_last_user_message_timestamp, window_closes_at_v1, window_length_v1
to public;
alter function accept_outbound_v2 security invoker reset search_path;
alter function cancel_message_v1 security invoker reset search_path;
alter function change_conversation_v1 security invoker reset search_path;
alter function claim_events_v1 security invoker reset search_path;
alter function claim_lookup_v1 security invoker reset search_path;
alter function claim_media_v1 security invoker reset search_path;
alter function claim_outbound_v2 security invoker reset search_path;
alter function claim_unsettled_v1 security invoker reset search_path;
alter function finish_events_v1 security invoker reset search_path;
alter function finish_lookup_v1 security invoker reset search_path;
alter function finish_media_v1 security invoker reset search_path;
alter function finish_sent_v2 security invoker reset search_path;
alter function finish_unsent_v2 security invoker reset search_path;
alter function forget_v1 security invoker reset search_path;
alter function leave_outbound_v1 security invoker reset search_path;
alter function mark_queued_v1 security invoker reset search_path;
alter function pause_lookups_v1 security invoker reset search_path;
alter function postpone_lookup_v1 security invoker reset search_path;
alter function queue_lookups_v1 security invoker reset search_path;
alter function queue_media_v1 security invoker reset search_path;
alter function record_inbound_v2 security invoker reset search_path;
alter function resume_address_v1 security invoker reset search_path;
alter function retry_message_v1 security invoker reset search_path;
alter function settle_message_v1 security invoker reset search_path;
alter function sweep_sends_v1 security invoker reset search_path;
alter function sweep_windows_v2 security invoker reset search_path;
drop function finish_reconcile_v1(text, timestamptz);
drop function keep_reconcile_place_v1(text, timestamptz, timestamptz, text);
drop function mark_replayed_v1(uuid, text);
drop function save_address_v1(text, text, numeric, jsonb);
