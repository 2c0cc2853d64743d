"""The words of customers whom nobody has renamed since there are words to find them by.

Outside of the migrations, as the windows of old conversations are (backfill.py): a page at a time, each a commit of its
own, and the next run goes on there. What a message or a person has changed meanwhile is newer, and stays.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import UUID

import psycopg

from ventana.schema.backfill import NOBODY, PAGE_ROWS, SAY_SECONDS, TABLE

TRIES = 5
AFTER = "select b.after from ventana_meta.backfills b where b.name = 'customer_words' and b.finished_at is null"
NEXT = """
with page as materialized (
    select c.id, c.contact_name, c.contact_email, c.phone from kommo_conversations c
     where c.id > %(after)s order by c.id limit %(rows)s
), written as (
    insert into customer_words (conversation_id, words)
    select p.id, customer_words_v1(p.contact_name, p.contact_email, p.phone) from page p
     where num_nonnulls(p.contact_name, p.contact_email, p.phone) > 0
    on conflict (conversation_id) do nothing
    returning 1
)
select (select count(*) from page), (select count(*) from written), (select p.id from page p order by p.id desc limit 1)
"""
KEEP = """
insert into ventana_meta.backfills as b (name, after, looked_at, changed, finished_at)
values ('customer_words', %(after)s, %(looked_at)s, %(changed)s, case when %(finished)s then clock_timestamp() end)
on conflict (name) do update
   set after = excluded.after, finished_at = excluded.finished_at,
       looked_at = excluded.looked_at + case when b.finished_at is null then b.looked_at else 0 end,
       changed = excluded.changed + case when b.finished_at is null then b.changed else 0 end
"""


def backfill_words(
    connection: psycopg.Connection,
    say: Callable[[str], None],
    over: Callable[[], bool] = lambda: False,
    *,
    rows: int = PAGE_ROWS,
) -> bool:
    """Go on where the last run stopped, or begin again; whether it came to the end before it was `over`."""
    connection.execute("set enable_seqscan = off")  # plans must hold when tables have grown since they were made
    with connection.transaction():
        connection.execute(TABLE)
    (after,) = connection.execute(AFTER).fetchone() or (NOBODY,)
    looked, changed, said = 0, 0, time.monotonic()
    while not over():
        here, written, last = _page(connection, after, rows)
        looked, changed, after = looked + here, changed + written, last or after
        if here < rows:
            say(f"words of {changed} customers, of {looked} conversations")
            return True
        if time.monotonic() - said > SAY_SECONDS:
            said = time.monotonic()
            say(f"words of {changed} customers so far, of {looked} conversations")
    say(f"words of {changed} customers, of {looked} conversations; stopped, and the next run goes on there")
    return False


def _page(connection: psycopg.Connection, after: UUID, rows: int) -> tuple[int, int, UUID | None]:
    """Write one page and remember it; what became part of another conversation meanwhile is not there the next time."""
    for attempt in range(1, TRIES + 1):
        try:
            with connection.transaction():
                here, written, last = connection.execute(NEXT, {"after": after, "rows": rows}).fetchone() or (
                    0,
                    0,
                    None,
                )
                done = {"looked_at": here, "changed": written, "finished": here < rows}
                connection.execute(KEEP, {"after": NOBODY if here < rows else last, **done})
            return here, written, last
        except psycopg.errors.ForeignKeyViolation:
            if attempt == TRIES:
                raise
    raise AssertionError("the last attempt returns or raises")
