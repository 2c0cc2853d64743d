"""What Postgres alone commits when so many clients do nothing but the least that a webhook must do: the bare upsert of
a conversation and of its message, in tables without triggers and further indexes, by the pgbench of the same build."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infra.local.postgres import Postgres
from tests.benchmarks.webhooks import CUSTOMERS

TABLES = """
create table floor_conversations (
    id uuid primary key default gen_random_uuid(), provider text not null, customer text not null,
    message_count integer not null default 1, last_message_at timestamptz not null, unique (provider, customer)
);
create table floor_messages (
    id uuid primary key default gen_random_uuid(), conversation_id uuid not null, provider_message_id text not null
    unique, content text not null, payload jsonb not null, created_at timestamptz not null default now()
)"""
# As many customers for each client as a handler has.
UPSERT = f"""\\set customer :client_id * {CUSTOMERS} + random(1, {CUSTOMERS})
with conversation as (
    insert into floor_conversations (provider, customer, last_message_at) values ('meta', 'US.' || :customer, now())
    on conflict (provider, customer) do update
       set last_message_at = excluded.last_message_at, message_count = floor_conversations.message_count + 1
    returning id
)
insert into floor_messages (conversation_id, provider_message_id, content, payload)
select id, 'wamid.' || gen_random_uuid(), 'Hola, tienen la mesa en roble?',
       jsonb_build_object('text', repeat('x', 200)) from conversation
on conflict do nothing;
"""
COMMITTED = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)


class Pgbench:
    """pgbench at a server, which gets the tables that it needs."""

    def __init__(self, postgres: Postgres) -> None:
        self._places = postgres.places
        with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
            connection.execute(TABLES)
        self._script = self._places.private_file("upsert.sql", UPSERT)
        self._conninfo = self._told(conninfo_to_dict(postgres.dsn()))

    def per_second(self, clients: int, transactions: int) -> float:
        """Commits a second of so many clients, each of which makes so many transactions."""
        threads = min(clients, 2)
        command = ["pgbench", "--no-vacuum", f"--client={clients}", f"--jobs={threads}", "--protocol=prepared"]
        command += [f"--transactions={transactions}", f"--file={self._script}", self._conninfo]
        done = self._places.run(command)
        found = COMMITTED.search(done.stdout.decode())
        if done.returncode or found is None:
            raise SystemExit(f"pgbench ended with {done.returncode}: {done.stderr.decode().strip()}")
        return float(found[1])

    def _told(self, where: dict[str, str | int | None]) -> str:
        """How to connect without a password on a command line, which everybody on the machine may read."""
        line = ":".join(str(where[name]) for name in ("host", "port", "dbname", "user", "password"))
        passfile: Path = self._places.private_file("pgpass", line + "\n")
        passfile.chmod(0o600)
        return make_conninfo("", **{**where, "password": None, "passfile": str(passfile)})
