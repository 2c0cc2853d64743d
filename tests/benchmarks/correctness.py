"""What is stored of what is sent: forged, doubled, in batches, half broken, and around kill -9. No speed here.

Ours and each peer get the same signed requests over HTTP, from the same durable Postgres; what they do for it stands in
their own files (peer_programs). An answer of 2xx is a promise: what was promised is looked for in the table.
"""

from __future__ import annotations

import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier

from infra.local.postgres import Postgres, PostgresFailed
from tests.benchmarks.figures import Row, row
from tests.benchmarks.peer_servers import (
    HAND_ROLLED,
    OURS,
    PYWA,
    PYWA_OWN_ROUTES,
    Program,
    Server,
    on_the_wire,
    serving,
)
from tests.benchmarks.system import KINDS, MIGRATIONS
from tests.benchmarks.webhooks import Identity, Kind
from tests.providers.case_table import live_secrets, signing_of
from ventana.providers.base import RawRequest
from ventana.schema.migrate import run

PART = "correctness"
TEXT = next(kind for kind in KINDS if kind.name == "meta text")
STATUS = next(kind for kind in KINDS if kind.name == "meta status")
BATCH = Kind("meta batch of 3", "meta", "text", size=3)
SIGNING = signing_of("meta")
HEADER = "x-hub-signature-256"
CALLERS = 4
PAUSE_SECONDS = 0.02


@dataclass(frozen=True)
class Load:
    """How hard the kills are: `seconds` of load around each of `kills` of the process and of Postgres.

    Who answers before it commits is given `settle_seconds` each time before anybody looks at what it stored.
    """

    seconds: float = 4.0
    kills: int = 1
    settle_seconds: float = 1.0


def measure(rounds: int = 1) -> list[Row]:
    """Ours and every peer; `rounds` is how often each is killed."""
    return check([OURS, HAND_ROLLED, PYWA, PYWA_OWN_ROUTES], Load(kills=rounds))


def check(programs: list[Program], load: Load) -> list[Row]:
    """The rows of these programs. What must be none with us has 0 for its limit."""
    rows = []
    with _database() as (directory, postgres), serving(programs, directory, postgres.dsn()) as servers:
        for server in servers:
            none = 0.0 if server.program is OURS else None
            for name, unit, value, limit in _found(Subject(server, postgres, load.settle_seconds), load, none):
                rows.append(row(PART, f"{server.program.name}: {name}", unit, [value], limit=limit))
    return rows


class Subject:
    """A server, and the rows that it left in Postgres."""

    def __init__(self, server: Server, postgres: Postgres, settle_seconds: float) -> None:
        self.server, self.postgres = server, postgres
        self._settle_seconds = settle_seconds
        schema = server.program.schema
        self._table = Identifier(schema, "messages") if schema else Identifier("kommo_messages")

    def post(self, *requests: RawRequest) -> list[int]:
        """The statuses of the answers. A connection for each: a server may close one that it refused something on."""
        statuses = []
        for request in requests:
            connection = self.server.connect()
            try:
                statuses.append(connection.post(on_the_wire(request)))
            finally:
                connection.close()
        return statuses

    def stored(self, ids: Iterable[str]) -> list[str]:
        """Those of these ids that are in the table, as often as they are there."""
        time.sleep(self._settle_seconds)
        query = SQL("select provider_message_id from {} where provider_message_id = any(%s)").format(self._table)
        with psycopg.connect(self.postgres.dsn()) as connection:
            return [found for (found,) in connection.execute(query, [list(ids)])]


def _found(subject: Subject, load: Load, none: float | None) -> Iterator[tuple[str, str, float, float | None]]:
    yield "forged POSTs that were stored", "messages", _forged(subject), none
    yield "messages stored twice, of one that was sent twice", "messages", _doubled(subject), none
    yield "messages stored, of 3 in one POST", "messages", _batch(subject), None
    yield "good messages stored, of 2 around a malformed one", "messages", _neighbours(subject), None
    yield "status of a message that is not known: answered 2xx", "0 or 1", _unknown(subject), None
    for what, kill in (("the process", _kill_process), ("Postgres", _kill_postgres)):
        promised, lost = 0, 0
        for _ in range(load.kills):
            ids = _promised(subject, load.seconds, kill)
            promised += len(ids)
            lost += len(set(ids) - set(subject.stored(ids)))
        yield f"acknowledged around kill -9 of {what}", "messages", promised, None
        yield f"acknowledged and lost, kill -9 of {what}", "messages", lost, none


def _forged(subject: Subject) -> int:
    """Bodies and signatures that were tampered with, and one without any signature, each about a message of its own.

    Without the right signature under another spelling, which takes the secret to make.
    """
    identities = []
    for place in range(len(SIGNING.tampered(TEXT.request(_one())))):
        one = _one()
        right = TEXT.request(one)
        forged = SIGNING.tampered(right)[place]
        if right.headers[HEADER].endswith(forged.headers[HEADER]) and forged.body == right.body:
            continue
        subject.post(forged)
        identities.append(one)
    identities.append(_one())
    subject.post(SIGNING.unsigned(TEXT.request(identities[-1])))
    return len(subject.stored(_ids(*identities)))


def _doubled(subject: Subject) -> int:
    """The same message in the same bytes, and once more beside another, which is how Meta repeats what it batched."""
    one, other = _one(), _one()
    again = TEXT.request(one)
    subject.post(again, again, BATCH.request([*one, *other]))
    return max(0, subject.stored(_ids(one)).count(one[0].provider_message_id) - 1)


def _batch(subject: Subject) -> int:
    (identities,) = BATCH.identities(1)
    subject.post(BATCH.request(identities))
    return len(subject.stored(_ids(identities)))


def _neighbours(subject: Subject) -> int:
    """One change with a list of three messages; that in the middle has no sender, no time, and a text that is none."""
    (identities,) = Kind("meta text", "meta", "text", size=2).identities(1)
    payloads = [json.loads(TEXT.request([one]).body) for one in identities]
    before, after = (payload["entry"][0]["changes"][0]["value"]["messages"][0] for payload in payloads)
    malformed = {"id": f"{before['id']}X", "type": "text", "text": "not an object"}
    payloads[0]["entry"][0]["changes"][0]["value"]["messages"] = [before, malformed, after]
    subject.post(_signed(TEXT.request([identities[0]]), json.dumps(payloads[0]).encode()))
    return len(subject.stored(_ids(identities)))


def _unknown(subject: Subject) -> int:
    (identities,) = STATUS.identities(1)
    (status,) = subject.post(STATUS.request(identities))
    return int(200 <= status < 300)


def _promised(subject: Subject, seconds: float, kill: Callable[[Subject], None]) -> list[str]:
    """Ids that were answered 2xx under a load of `seconds`, in the middle of which `kill` did its worst."""
    over, promised = threading.Event(), list[str]()
    callers = [threading.Thread(target=_call, args=(subject.server, over, promised)) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    try:
        time.sleep(seconds / 2)
        kill(subject)
        time.sleep(seconds / 2)
    finally:
        over.set()
        for caller in callers:
            caller.join()
    return promised


def _call(server: Server, over: threading.Event, promised: list[str]) -> None:
    """One message after the other; what was not promised is not asked for again, so it is not ours to look for."""
    while not over.is_set():
        with suppress(OSError):
            connection = server.connect()
            try:
                while not over.is_set():
                    one = _one()
                    if 200 <= connection.post(on_the_wire(TEXT.request(one))) < 300:
                        promised.append(one[0].provider_message_id)
            finally:
                connection.close()
        over.wait(PAUSE_SECONDS)  # nobody listens


def _kill_process(subject: Subject) -> None:
    subject.server.kill()
    subject.server.start()


def _kill_postgres(subject: Subject) -> None:
    """Postmaster and all: no process of it gets to write anything any more."""
    with psycopg.connect(subject.postgres.dsn(), autocommit=True) as connection:
        found = connection.execute("select pid from pg_stat_activity where pid <> pg_backend_pid()").fetchall()
    postmaster = int((subject.postgres.places.data / "postmaster.pid").read_text().splitlines()[0])
    for process in [postmaster, *(pid for (pid,) in found)]:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    subject.postgres.stop()
    subject.postgres.start()


def _one() -> list[Identity]:
    return TEXT.identities(1)[0]


def _ids(*identities: Sequence[Identity]) -> list[str]:
    return [one.provider_message_id for each in identities for one in each]


def _signed(request: RawRequest, body: bytes) -> RawRequest:
    return SIGNING.sign(replace(SIGNING.unsigned(request), body=body), live_secrets("meta")[0])


@contextmanager
def _database() -> Iterator[tuple[Path, Postgres]]:
    """A durable server with our schema. Nothing of the bench keeps a connection: it will be killed."""
    directory = Path(tempfile.mkdtemp(prefix="ventana-bench-"))
    postgres = Postgres(directory, durable=True)
    try:
        postgres.start()
        run("up", postgres.dsn(), folder=MIGRATIONS, say=lambda line: None)
        yield directory, postgres
    except PostgresFailed as error:
        raise SystemExit(f"no database to measure on: {error}") from error
    finally:
        postgres.stop()
        postgres.places.remove()
