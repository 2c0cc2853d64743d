-- How far each provider's own list of messages has been compared with ours, and where an unfinished run goes on.
create table reconcile_cursors (
    provider text primary key,
    checked_until timestamptz,
    listing_since timestamptz,
    listing_until timestamptz,
    place text,
    updated_at timestamptz not null default now(),
    constraint reconcile_cursors_place_check
    check (num_nulls(listing_since, listing_until, place) in (0, 3))
);
comment on table reconcile_cursors is 'What has been found by listing at providers that do not repeat a failed webhook';
comment on column reconcile_cursors.checked_until is
'Every message that the provider dates before this is here, as far as its list shows them';
comment on column reconcile_cursors.place is
'Where the provider''s list goes on, in its own words, when a run ended before the list between listing_since and listing_until did';
