-- The templates that providers have approved for us: kept here, so that whoever answers after the window has shut does
-- not wait for a provider.

-- step: tables for templates, and when they were last asked for
create table message_templates (
    provider text not null,
    address text not null,
    id text not null,
    name text not null,
    language text not null,
    category text,
    body text not null,
    header text,
    footer text,
    buttons jsonb not null default '[]',
    parameters jsonb not null default '[]',
    send jsonb not null,
    refreshed_at timestamptz not null,
    primary key (provider, address, id)
);
comment on table message_templates is 'Approved templates, as their provider told them last; a copy that may be lost';
comment on column message_templates.address is 'Our address that it may be sent from; empty: every one of the account';
comment on column message_templates.send is
'The template object of POST /v1/messages, with {{key}} where the value of a parameter goes';
comment on column message_templates.refreshed_at is 'When it came or changed';

create table template_refreshes (
    provider text primary key,
    refreshed_at timestamptz not null
);
comment on table template_refreshes is 'When each provider last told all its templates';

-- step: replacing them
-- What `from current` is below.
select set_config('search_path', relnamespace::regnamespace::text || ', pg_temp', true)
  from pg_class where oid = 'kommo_conversations'::regclass;

-- Puts what a provider tells now in the place of what it told before, in one commit: nobody sees half of it. What is as
-- it was is not written. Returns how many there are.
create function replace_templates_v1(
    p_provider text, p_templates jsonb, p_now timestamptz default clock_timestamp()
) returns integer language plpgsql security definer set search_path from current as $$
declare
    v_found integer;
begin
    insert into template_refreshes as r (provider, refreshed_at) values (p_provider, p_now)
    on conflict on constraint template_refreshes_pkey do update
       set refreshed_at = greatest(r.refreshed_at, excluded.refreshed_at);
    with told as materialized (
        select distinct on (t.address, t.id) t.*
          from jsonb_to_recordset(p_templates) t (
                   address text, id text, name text, language text, category text, body text, header text, footer text,
                   buttons jsonb, parameters jsonb, send jsonb)
         order by t.address, t.id
    ), gone as (
        delete from message_templates m
         where m.provider = p_provider
           and not exists (select from told t where t.address = m.address and t.id = m.id)
    ), kept as (
        insert into message_templates as m (provider, address, id, name, language, category, body, header, footer,
                                            buttons, parameters, send, refreshed_at)
        select p_provider, t.address, t.id, t.name, t.language, t.category, t.body, t.header, t.footer, t.buttons,
               t.parameters, t.send, p_now
          from told t
        on conflict on constraint message_templates_pkey do update
           set name = excluded.name, language = excluded.language, category = excluded.category, body = excluded.body,
               header = excluded.header, footer = excluded.footer, buttons = excluded.buttons,
               parameters = excluded.parameters, send = excluded.send, refreshed_at = excluded.refreshed_at
         where (m.name, m.language, m.category, m.body, m.header, m.footer, m.buttons, m.parameters, m.send)
               is distinct from (excluded.name, excluded.language, excluded.category, excluded.body, excluded.header,
                                 excluded.footer, excluded.buttons, excluded.parameters, excluded.send)
    )
    select count(*) into v_found from told;
    return v_found;
end;
$$;

-- Everybody may call a new function unless it is said otherwise.
revoke execute on function replace_templates_v1 from public;
