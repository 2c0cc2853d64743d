-- Two roles: the owner, who migrates, and the application, which may call functions that are made for it, and read.
--
-- What the application calls runs as the owner, so that it needs no right to write a table. Such a function looks its
-- names up where our tables are, wherever its caller looks: pg_temp, where any session can make tables, comes last. What
-- these functions call in their turn is not for anybody else: PL/pgSQL keeps for a session what the types in a function
-- meant at its first call, which must not be a caller's.

-- What `from current` is below.
select set_config('search_path', relnamespace::regnamespace::text || ', pg_temp', true)
  from pg_class where oid = 'kommo_conversations'::regclass;

-- Sets an address of ours up, or changes it.
create function save_address_v1(
    p_provider text, p_address text, p_messages_per_second numeric, p_fallback_template jsonb
) returns business_addresses language sql security definer set search_path from current as $$
    insert into business_addresses as a (provider, address, messages_per_second, fallback_template)
    values (p_provider, p_address, p_messages_per_second, p_fallback_template)
    on conflict (provider, address) do update
       set messages_per_second = excluded.messages_per_second, fallback_template = excluded.fallback_template,
           updated_at = now()
    returning a.*;
$$;

-- Notes once that a replay settled a parked item.
create function mark_replayed_v1(p_id uuid, p_outcome text)
returns void language sql security definer set search_path from current as $$
    update parked_items p set replayed_at = clock_timestamp(), replay_outcome = p_outcome
     where p.id = p_id and p.replayed_at is null;
$$;

-- Remembers where a provider's list between two moments goes on.
create function keep_reconcile_place_v1(p_provider text, p_since timestamptz, p_until timestamptz, p_place text)
returns void language sql security definer set search_path from current as $$
    insert into reconcile_cursors (provider, listing_since, listing_until, place)
    values (p_provider, p_since, p_until, p_place)
    on conflict (provider) do update
       set listing_since = excluded.listing_since, listing_until = excluded.listing_until, place = excluded.place,
           updated_at = now();
$$;

-- Remembers that everything up to p_until has been compared; never moves backwards.
create function finish_reconcile_v1(p_provider text, p_until timestamptz)
returns void language sql security definer set search_path from current as $$
    insert into reconcile_cursors as c (provider, checked_until) values (p_provider, p_until)
    on conflict (provider) do update
       set checked_until = greatest(c.checked_until, excluded.checked_until),
           listing_since = null, listing_until = null, place = null, updated_at = now();
$$;

alter function accept_outbound_v2 security definer set search_path from current;
alter function cancel_message_v1 security definer set search_path from current;
alter function change_conversation_v1 security definer set search_path from current;
alter function claim_events_v1 security definer set search_path from current;
alter function claim_lookup_v1 security definer set search_path from current;
alter function claim_media_v1 security definer set search_path from current;
alter function claim_outbound_v2 security definer set search_path from current;
alter function claim_unsettled_v1 security definer set search_path from current;
alter function finish_events_v1 security definer set search_path from current;
alter function finish_lookup_v1 security definer set search_path from current;
alter function finish_media_v1 security definer set search_path from current;
alter function finish_sent_v2 security definer set search_path from current;
alter function finish_unsent_v2 security definer set search_path from current;
alter function forget_v1 security definer set search_path from current;
alter function leave_outbound_v1 security definer set search_path from current;
alter function mark_queued_v1 security definer set search_path from current;
alter function pause_lookups_v1 security definer set search_path from current;
alter function postpone_lookup_v1 security definer set search_path from current;
alter function queue_lookups_v1 security definer set search_path from current;
alter function queue_media_v1 security definer set search_path from current;
alter function record_inbound_v2 security definer set search_path from current;
alter function resume_address_v1 security definer set search_path from current;
alter function retry_message_v1 security definer set search_path from current;
alter function settle_message_v1 security definer set search_path from current;
alter function sweep_sends_v1 security definer set search_path from current;
alter function sweep_windows_v2 security definer set search_path from current;

-- Everybody may call a new function unless it is said otherwise.
revoke execute on function
    accept_outbound_v1, accept_outbound_v2, accept_text_v1, address_window_closed_at_v1, address_window_closes_at_v1,
    adopt_send_v1, apply_parked_statuses_v1, apply_parked_statuses_v2, at_once_v1, cancel_message_v1,
    change_conversation_v1, claim_events_v1, claim_lookup_v1, claim_media_v1, claim_outbound_v1, claim_outbound_v2,
    claim_text_v1, claim_unsettled_v1, close_window_v1, close_window_v2, content_of_v1, conversation_of_v1,
    decide_window_v1, delivery_rank_v1, even_gap_v1, fallback_of_v1, find_conversation_v1, finish_events_v1,
    finish_lookup_v1, finish_media_v1, finish_reconcile_v1, finish_sent_v1, finish_sent_v2, finish_unsent_v1,
    finish_unsent_v2, follow_former_v1, forget_v1, join_windows_v1, keep_former_window_v1, keep_reconcile_place_v1,
    learn_customer_v1, leave_outbound_v1, lock_provider_messages_v1, mark_queued_v1, mark_replayed_v1,
    merge_conversations_v1, move_message_v1, move_message_v2, only_address_v1, opt_out_v1, other_phone_forms_v1,
    park_item_v1, pause_lookups_v1, postpone_lookup_v1, queue_lookups_v1, queue_media_v1, record_identity_v1,
    record_identity_v2, record_inbound_v1, record_inbound_v2, record_message_v1, record_message_v2,
    record_preference_v1, record_preference_v2, record_status_v1, record_status_v2, release_held_v1,
    replace_message_v1, rescue_sends_v1, resume_address_v1, retry_message_v1, return_message_v1, save_address_v1,
    settle_message_v1, sweep_sends_v1, sweep_windows_v1, sweep_windows_v2, tell_change_v1, turn_away_v1,
    update_kommo_conversation_updated_at, update_kommo_message_counts, update_last_user_message_timestamp,
    window_closes_at_v1, window_length_v1
from public;
