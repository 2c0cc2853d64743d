-- What a Supabase project has around the same tables: roles, an owner that is no superuser, row-level security with
-- policies, and privileges that every new table gets by default.
create role the_owner nologin;
create role the_reader nologin;
do $$ begin execute format('grant create on database %I to the_owner', current_database()); end; $$;
grant all on schema public to the_owner;
grant usage on schema public to the_reader;
alter default privileges for role the_owner in schema public grant all on tables to the_reader;
alter table kommo_conversations owner to the_owner;
alter table kommo_messages owner to the_owner;
alter view kommo_conversation_stats owner to the_owner;
alter view kommo_active_conversations owner to the_owner;
alter function update_kommo_conversation_updated_at() owner to the_owner;
alter function update_kommo_message_counts() owner to the_owner;
grant all on all tables in schema public to the_reader;
alter table kommo_conversations enable row level security;
alter table kommo_messages enable row level security;
create policy "users read" on kommo_conversations for select to the_reader using (true);
create policy "service writes" on kommo_messages to the_owner using (true) with check (true);
