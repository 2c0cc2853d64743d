"""What a webhook, a send and an import cost in figures that no machine changes, beside a baseline that is checked in.

    python -m tests.benchmarks.guard [--database DSN]

writes the baseline of this major version of Postgres and of the code anew. Of a webhook, once its customer is known:

- waits: round trips to Postgres, counted on the wire
- functions: calls of SQL functions and triggers that the planner does not inline (track_functions)
- scans: how often a table or an index was searched
- inserted, updated, deleted: rows; hot: how many of the updates wrote no index entry
- wal_records: what the server logs, nearly one for each row and each index entry; wal_bytes: how much that is

The last two are the statement's own, by EXPLAIN (ANALYZE, WAL), whoever else uses the server; the least of some calls,
because pages that are cleaned up or split come on top now and then. Pages that are looked at are not counted: they are
more where others on the server keep old rows alive.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import psycopg

from infra.local.postgres import Postgres
from tests.benchmarks.system import KINDS, as_sent, logging_to
from tests.benchmarks.webhooks import Identity, Kind, event_of
from tests.providers.case_table import signing_of
from ventana.providers import PROVIDERS, provider_named
from ventana.providers.base import Pace
from ventana.schema.connection import Database
from ventana.schema.dispatch import CLAIM, FINISH_SENT, paces_json
from ventana.schema.events import CLAIM as CLAIM_EVENTS
from ventana.schema.events import FINISH as FINISH_EVENTS
from ventana.schema.inbound import RECORD_INBOUND, as_json, dumped
from ventana.schema.migrate import FOLDER, run
from ventana.schema.outbound import ACCEPT, QUEUED, OutboundRequest, Part
from ventana.schema.types import Connection
from ventana.secrets import SecretStore
from ventana.settings import Settings
from ventana.webhook import Event, Handler, raw_request, webhook

ROOT = Path(__file__).parents[2]
BASELINE = Path(__file__).with_name("baseline.json")
ARTEFACTS = ROOT / ".local" / "artefacts.json"
FUNCTIONS = ROOT / "functions"
LAYER = ROOT / "layers" / "ventana"
Figures: TypeAlias = dict[str, Any]

TOLERANCE: Mapping[str, float] = {
    "hot": 0.3,  # whether there is room on a page depends on what else is there
    "wal_records": 0.02,
    "wal_bytes": 0.1,
    "modules": 0.05,  # Python's versions differ a little in what libraries import for them
    "bytes": 0.2,
}
"""How far a figure may be from its baseline, as a share of it; all others are exact."""
LOOSER: Mapping[str, float] = {
    "twilio status": 0.2,
    "meta status": 0.2,
    "publishing 10 events": 0.2,
    "sending an answer": 0.1,
}
"""What writes a row again: whether its page has room depends on who else on the server keeps old rows alive."""
HEAVY = frozenset({"boto3", "botocore", "cryptography", "jsonschema", "pydantic", "requests", "twilio", "twilio.rest"})
"""What takes long to import: which of it a function imports at start is written down by name."""
CALLS = 10
WARM = 12
"""Calls before anything is counted: statements are prepared and their plans kept by then."""
WAIT = re.compile(r"\tF\t\d+\t(?:Sync|Query)\b")
COUNTED = """
select coalesce(sum(n_tup_ins), 0), coalesce(sum(n_tup_upd), 0), coalesce(sum(n_tup_del), 0),
       coalesce(sum(n_tup_hot_upd), 0), coalesce(sum(seq_scan + coalesce(idx_scan, 0)), 0),
       (select coalesce(sum(calls), 0) from pg_stat_user_functions)
  from pg_stat_user_tables where schemaname = 'public'
"""
COUNTS = ("inserted", "updated", "deleted", "hot", "scans", "functions")
IMPORT = """
import json, sys
import {module}
ours = [name for name in sys.modules if name.partition(".")[0] not in sys.stdlib_module_names]
print(json.dumps(ours))
"""


def code_figures() -> dict[str, Figures]:
    """What each function imports at start, beside Python's own modules, and how long our sources are."""
    names = sorted(path.parent.name for path in FUNCTIONS.glob("*/app.py"))
    return {
        "imports": {name: _imports(name) for name in names},
        "sources": {
            **{name: {"bytes": _bytes(FUNCTIONS / name, "*.py")} for name in names},
            "layer": {"bytes": _bytes(LAYER / "ventana", "*.py")},
        },
        "artefacts": {
            each["name"]: {"bytes": each["zipped"]}
            for each in (json.loads(ARTEFACTS.read_text())["artefacts"] if ARTEFACTS.exists() else ())
        },
    }


def database_figures(owner_dsn: str, dsn: str) -> dict[str, Figures]:
    """What webhooks and events cost in an empty database, connected by `dsn` as the functions are."""
    secrets = SecretStore(lambda secret_id: json.dumps(signing_of(secret_id).SECRETS))
    settings = Settings(
        database_url=dsn,
        database_timeout_ms=20_000,
        public_base_url="https://ventana.example",
        secret_ids={name: name for name in PROVIDERS},
    )
    with psycopg.connect(owner_dsn, autocommit=True) as owner, logging_to(Path(os.devnull)):
        name = owner.info.dbname
        owner.execute(f"alter database {name} set track_functions = 'all'".encode())
        found = {}
        for kind in KINDS:
            database = Database(settings, secrets)
            handler = webhook(kind.provider, settings, secrets, database)
            try:
                found[kind.name] = _webhook_figures(owner, database, handler, kind)
            finally:
                database.close()
        found["publishing 10 events"] = _events_figures(owner)
        found["sending an answer"] = _sending_figures(owner)
    return found


def compared(baseline: Mapping[str, Figures], found: Mapping[str, Figures]) -> list[str]:
    """Everything that is not as the baseline says, one line each."""
    said = []
    for name in sorted(baseline.keys() | found.keys()):
        before, now = baseline.get(name), found.get(name)
        if before is None or now is None:
            said.append(f"{name}: {'new' if before is None else 'gone'}; make guard-baseline")
            continue
        for figure in sorted(before.keys() | now.keys()):
            tolerance = max(TOLERANCE.get(figure, 0.0), LOOSER.get(name, 0.0))
            lines = _difference(figure, before.get(figure, 0), now.get(figure, 0), tolerance)
            said += [f"{name}: {line}" for line in lines]
    return said


def _difference(figure: str, before: Any, now: Any, tolerance: float) -> Iterator[str]:
    if isinstance(before, list) or isinstance(now, list):
        more, less = set(now or ()) - set(before or ()), set(before or ()) - set(now or ())
        if more:
            yield f"imports {', '.join(sorted(more))} at start"
        if less:
            yield f"no longer imports {', '.join(sorted(less))}: lower the baseline, make guard-baseline"
    elif abs(now - before) > tolerance * max(before, 1):
        kinder = figure == "hot"
        if (now > before) is not kinder:
            yield (
                f"{figure} grew from {before:g} to {now:g}"
                if now > before
                else f"{figure} fell from {before:g} to {now:g}"
            )
        else:
            yield f"{figure} is better, {now:g} and not {before:g}: lower the baseline, make guard-baseline"


def _webhook_figures(owner: Connection, database: Database, handler: Handler, kind: Kind) -> Figures:
    """The customer writes for the first time, and then ten times more; statuses tell of messages of theirs."""
    customer = replace(kind, label="text", first_only=False) if kind.is_status else kind
    (first,) = kind.identities(1)
    many = [_of_one(each) for each in kind.identities(WARM + 2 * CALLS)]
    _answered(handler, event_of(customer.request(_of_one(first))))
    if kind.is_status:
        as_sent(owner, kind, [identity for identities in many for identity in identities])
    events = [event_of(kind.request(identities)) for identities in many]
    for event in events[:WARM]:
        _answered(handler, event)
    before = _counted(owner, database)
    with tempfile.NamedTemporaryFile("r", prefix="ventana-guard-") as trace:
        waits = [
            database.call(partial(_waits, handler, Path(trace.name), event)) for event in events[WARM : WARM + CALLS]
        ]
    after = _counted(owner, database)
    figures: Figures = {"waits": max(waits)}
    figures |= {name: round((b - a) / CALLS, 1) for name, a, b in zip(COUNTS, before, after, strict=True)}
    parse = provider_named(kind.provider).parse
    statements = [dumped([as_json(item) for item in parse(raw_request(event))]) for event in events[WARM + CALLS :]]
    plans = [_explained(database, RECORD_INBOUND, (items, None, kind.size > 1)) for items in statements]
    return figures | {name: min(plan[name] for plan in plans) for name in plans[0]}


def _events_figures(owner: Connection) -> Figures:
    """Claimed and confirmed ten at a time, as the outbox does."""
    owner.execute("update events set published_at = now() where published_at is null")
    plans = []
    for _ in range(CALLS):
        made = owner.execute(
            "insert into events (name, detail, occurred_at)"
            " select 'MessageReceived', jsonb_build_object('text', repeat('x', 200)), now() from generate_series(1, 10)"
            " returning id"
        ).fetchall()
        claim = _explain(owner, CLAIM_EVENTS, (10, "1 minute", None))
        finish = _explain(owner, FINISH_EVENTS, ([row[0] for row in made],))
        plans.append({name: claim[name] + finish[name] for name in claim})
    return {name: min(plan[name] for plan in plans) for name in plans[0]}


def _sending_figures(owner: Connection) -> Figures:
    """Accepted, queued, claimed and finished: four statements."""
    (conversation_id,) = owner.execute("select id::text from kommo_conversations limit 1").fetchone() or ("",)
    paces = paces_json({name: Pace(100_000) for name in PROVIDERS})
    minute, plans = timedelta(minutes=1), []
    for number in range(WARM + CALLS):
        message_id = str(uuid4())
        request = OutboundRequest(
            [Part(message_id, {"type": "text", "body": "Claro, en roble."})], "desk", conversation_id=conversation_id,
            if_window_closed="hold", send_at=None,
        )  # fmt: skip
        owner.execute("update kommo_conversations set last_user_message_at = now(), window_closed_for = null")
        steps = [
            _explain(owner, ACCEPT, (dumped(request.as_json()), minute, None)),
            _explain(owner, QUEUED, ([message_id],)),
            _explain(owner, CLAIM, (message_id, "reply", paces, minute, minute, None)),
            _explain(owner, FINISH_SENT, (message_id, f"sent-{number}", "sent", None)),
        ]
        plans.append({name: sum(step[name] for step in steps) for name in steps[0]})
    sent = owner.execute("select count(*) from kommo_messages where provider_message_id like 'sent-%'").fetchone()
    if sent != (WARM + CALLS,):
        raise AssertionError(f"{sent} answers were sent")
    return {name: min(plan[name] for plan in plans[WARM:]) for name in plans[0]}


def _of_one(identities: Sequence[Identity]) -> list[Identity]:
    """The same, all of one customer: nobody is new."""
    return [replace(identity, customer="424242") for identity in identities]


def _answered(handler: Handler, event: Event) -> None:
    answer = handler(event, None)
    if answer["statusCode"] != 200:
        raise AssertionError(f"a webhook was refused: {answer}")


def _waits(handler: Handler, trace: Path, event: Event, connection: Connection) -> int:
    with trace.open("w") as file:
        connection.pgconn.trace(file.fileno())
        _answered(handler, event)
        connection.pgconn.untrace()
    return len(WAIT.findall(trace.read_text()))


def _counted(owner: Connection, database: Database) -> Sequence[int]:
    for _ in range(2):  # of the session that is looked at, and of our own
        database.value("select pg_stat_force_next_flush()")
        owner.execute("select pg_stat_force_next_flush()")
    return tuple(int(number) for number in owner.execute(COUNTED).fetchone() or ())


def _explained(database: Database, statement: str, parameters: Sequence[Any]) -> dict[str, float]:
    return database.call(lambda connection: _explain(connection, statement, parameters))


def _explain(connection: Connection, statement: str, parameters: Sequence[Any]) -> dict[str, float]:
    """Run it, and ask the server what it took."""
    query = f"explain (analyze, wal, format json) {statement}"
    found = connection.execute(query.encode(), parameters).fetchone()
    assert found
    plan = found[0][0]["Plan"]
    return {
        "wal_records": plan["WAL Records"],
        "wal_bytes": plan["WAL Bytes"],
    }


def _imports(name: str) -> Figures:
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": os.pathsep.join([str(FUNCTIONS / name), str(LAYER)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "DATABASE_SECRET_ID": "database",
        "PUBLIC_BASE_URL": "https://ventana.example",
        "EVENT_BUS_NAME": "ventana",
        "MEDIA_BUCKET": "media",
        **{f"{queue}_QUEUE_URL": "https://sqs.example/queue" for queue in ("SEND", "BULK", "SPILL", "MEDIA", "LOOKUP")},
        "SPILL_BUCKET": "spill",
        **{f"{provider.upper()}_SECRET_ID": provider for provider in PROVIDERS},
    }
    said = subprocess.run(
        [sys.executable, "-P", "-c", IMPORT.format(module="app")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if said.returncode:
        raise AssertionError(f"{name} does not start: {said.stderr.strip().splitlines()[-1]}")
    modules = set(json.loads(said.stdout))
    return {"modules": len(modules), "heavy": sorted(HEAVY & modules)}


def _bytes(folder: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in folder.rglob(pattern))


def postgres_of(dsn: str) -> str:
    """The name under which the baseline has figures of this server."""
    with psycopg.connect(dsn) as connection:
        return f"postgres {connection.info.server_version // 10000}"


def main(arguments: list[str] | None = None) -> int:
    """Measure, and write the baseline anew."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.guard")
    parser.add_argument("--database", help="an empty database on another server, which is migrated and measured in")
    asked = parser.parse_args(arguments)
    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    baseline |= code_figures()
    if asked.database:
        baseline[postgres_of(asked.database)] = _measured(asked.database)
    else:
        server = Postgres(Path(tempfile.mkdtemp(prefix="ventana-guard-")), durable=False)
        try:
            server.start()
            baseline[postgres_of(server.dsn())] = _measured(server.dsn())
        finally:
            server.stop()
            server.places.remove()
    BASELINE.write_text(json.dumps(baseline, indent=1, sort_keys=True) + "\n", "utf-8")
    return 0


def _measured(dsn: str) -> dict[str, Figures]:
    run("up", dsn, folder=FOLDER, say=lambda line: None)
    return database_figures(dsn, dsn)


if __name__ == "__main__":
    sys.exit(main())
