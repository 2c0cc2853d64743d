"""Least privilege, proven: one system does all that functions do with AWS, each with the rights of its own role.

What a role allows and nobody needed is unused and has to go; what somebody needed and no role allows is denied.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

import boto3
import psycopg
import pytest

from infra.local import permissions
from infra.local.client import Client
from infra.local.permissions import Statement
from infra.local.state import State
from infra.local.system import System
from infra.local.template import Template
from tests.faults.breaking import Server
from tests.local.answering import Desk, wait_until
from tests.local.customers import PROVIDERS, Customers
from tests.local.running import ROOT, Running, remove, running

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds the system's processes in /proc"),
]

ELSEWHERE = {
    ("*", "logs:*", "*"): "Lambda writes what a function prints",
    ("*", "xray:*", "*"): "Lambda sends the traces",
    ("*", "ec2:*", "*"): "Lambda enters the network",
    ("*", "rds-db:connect", "*"): "no call of AWS: the token for the proxy is made by the function itself",
    ("*", "secretsmanager:GetSecretValue", "DatabaseSecretArn"): "the local database is given by DATABASE_URL",
    ("Migrator", "secretsmanager:GetSecretValue", "*"): "migrates in the local system's own process",
    ("WindowSweep", "sqs:SendMessage", "SweepFailureQueue"): "Lambda keeps an event there that failed for good",
    ("Reconcile", "sqs:SendMessage", "ReconcileFailureQueue"): "as for the sweep",
    ("Echo", "sqs:SendMessage", "EchoFailureQueue"): "as for the sweep",
}
"""What is done in a function's name, but not here: (function, action, resource), each with the reason."""
GIVEN = {name: f"<{name}>" for name in ("DatabaseSecretArn", "OwnerSecretArn")} | {"EchoBot": "true"}
DEPLOYMENTS = [
    GIVEN | {"DatabaseMode": "existing", "NetworkMode": "none"},
    GIVEN | {"DatabaseMode": "new", "NetworkMode": "new"},
]
"""Parameters on which statements depend, and which the local system has one value of."""
LANES = ("reply", "bulk")
LARGE = "¡Hola! " * 40_000  # more than a queue message can hold
FILES: dict[str, dict[str, Any]] = {
    "kommo": {"message_type": "picture", "attachment": {"type": "picture", "file_name": "foto.png"}},
    "meta": {"type": "image", "image": {}},
    "twilio": {"NumMedia": "1", "MessageType": "image"},
}
WINDOW_OVER = (
    "update kommo_conversations set last_user_message_at = now() - interval '25 hours' where id = %s returning 1"
)
DUE = "update sends set due_at = now() where message_id = any(%s::uuid[]) returning 1"
FETCH = "update message_media set state = 'pending', attempts = 0, due_at = now() - interval '1 second' returning 1"
Grant = tuple[str, str, str]
PATIENCE_SECONDS = 180.0


def granted() -> set[Grant]:
    """Function, action and logical id of all that roles allow, whatever the deployment."""
    found = set()
    for parameters in DEPLOYMENTS:
        template = Template.read(ROOT / "template.yaml", parameters)
        for function, statements in permissions.of_functions(template).items():
            for statement in statements:
                assert statement.allow
                found |= {(function, *each) for each in product(statement.actions, map(logical, statement.resources))}
    return found


def logical(resource: str) -> str:
    """The logical id in a resource that is read without knowing what anything is called."""
    names = [name.removesuffix(".Arn") for name in re.findall(r"<([^<>]+)>", resource)]
    return next((name for name in names if not name.startswith("AWS::")), resource)


def done_elsewhere(grant: Grant) -> set[Grant]:
    """The lines of the table that speak of this."""
    return {
        line
        for line in ELSEWHERE
        if all(re.fullmatch(wanted.replace("*", ".*"), is_) for wanted, is_ in zip(line, grant, strict=True))
    }


class Calls:
    """What the functions of one system asked AWS for so far."""

    def __init__(self, state: Path) -> None:
        self._file = state / permissions.CALLS

    def all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._file.read_text("utf-8").splitlines()]

    def made(self) -> set[Grant]:
        return {(call["function"], call["action"], call["name"]) for call in self.all() if "denied" not in call}

    def denied(self) -> set[Grant]:
        return {(call["function"], call["action"], call["name"]) for call in self.all() if "denied" in call}


class Office(Desk):
    """A desk at which everything happens for which functions need AWS."""

    def __init__(self, system: Running, server: Server) -> None:
        super().__init__(system)
        self.server, self.calls = server, Calls(system.state)

    def invoke(self, function: str, **event: Any) -> None:
        status, told = self.system.simulators.call("POST", f"/invoke/{function}", event)
        assert status == 200, told

    def comes(self, function: str, action: str, resource: str) -> None:
        wait_until(
            lambda: (function, action, resource) in self.calls.made(),
            PATIENCE_SECONDS,
            f"{function} {action} {resource}",
        )

    def write(self, provider: str, phone: str, expected: int = 200, **order: Any) -> None:
        """Somebody writes of whom the database may not hear yet."""
        status, told = self.system.simulators.call(
            "POST", "/customer", {"provider": provider, "from": phone, "text": "¿Y bien?", **order}
        )
        assert (status, told["status"]) == (200, expected), told

    def held_for(self, provider: str, phone: str) -> None:
        """An answer in each lane, kept until this customer writes again."""
        conversation = self.writes({"provider": provider, "from": phone, "text": "¿Hola?"})
        self.rows(WINDOW_OVER, conversation)
        for lane in LANES:
            kept = self.answer(conversation, f"held in {lane}", lane=lane, if_window_closed="hold")
            assert self.message(kept)["status"] == "held"


@pytest.fixture
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    state = tmp_path_factory.mktemp("permissions") / "state"
    server = Server(Path(tempfile.mkdtemp(prefix="ventana-permissions-")))
    try:
        with running(state, DATABASE_URL=server.dsn, BOT="echo") as up:
            up.wait_for("Ctrl-C ends it")
            yield Office(up, server)
            assert up.end() == 0
    finally:
        server.remove()
        remove(state)


def test_every_function_may_do_what_it_does_and_nothing_else(office: Office) -> None:
    customers_write(office)
    files_are_kept(office)
    files_are_looked_at(office)
    turns_are_postponed(office)
    the_sweep_finds_what_is_due(office)
    lost_messages_are_recovered(office)
    dead_letters_come_back(office)
    the_database_is_away(office)
    office.invoke("HealthCheck")

    allowed = granted()
    here = {grant for grant in allowed if not done_elsewhere(grant)}
    with suppress(AssertionError):  # said better below
        wait_until(lambda: here <= office.calls.made(), PATIENCE_SECONDS)
    assert here - office.calls.made() == set(), "this is allowed and not used"
    assert office.calls.denied() == set(), "this is used and not allowed"
    assert office.calls.made() <= allowed
    assert office.calls.made() & (allowed - here) == set(), "this is done here as well: take it out of the table"
    assert {line for grant in allowed for line in done_elsewhere(grant)} == set(ELSEWHERE)


def customers_write(office: Office) -> None:
    """And what was held for them goes into the line of its lane."""
    for number, provider in enumerate(PROVIDERS):
        phone = f"+5255600000{number:02}"
        office.held_for(provider, phone)
        office.write(provider, phone)


def files_are_kept(office: Office) -> None:
    """One only at the second try."""
    # Which asks the same provider, and would meet the fault in its place.
    listed = "select count(distinct provider) from message_templates"
    wait_until(lambda: office.rows(listed) == [(2,)], PATIENCE_SECONDS, "templates are fetched")
    office.order("/fault", provider="meta", mode="http_500", call="question", count=1)
    for number, provider in enumerate(PROVIDERS):
        office.write(provider, f"+5255610000{number:02}", payload=FILES[provider])
    office.comes("Media", "sqs:ChangeMessageVisibility", "MediaQueue")
    stored = "select count(*) from message_media where state = 'stored'"
    wait_until(lambda: office.rows(stored) == [(len(PROVIDERS),)], PATIENCE_SECONDS, "all files are stored")


def files_are_looked_at(office: Office) -> None:
    """By the link that somebody of ours is given."""
    ((message, place),) = office.rows("select message_id::text, place from message_media limit 1")
    status, link = office.system.api.call("GET", f"/v1/messages/{message}/media/{place}")
    assert status == 200, link
    with urlopen(link["url"]) as file:
        assert file.headers["content-type"] == link["content_type"]


def turns_are_postponed(office: Office) -> None:
    """Because a provider has too much to do: for longer than a sender waits."""
    for lane, queue in zip(LANES, ("SendQueue", "BulkQueue"), strict=True):
        conversation = office.customer("twilio")
        office.order("/fault", provider="twilio", mode="http_429", count=3, to=office.phone(conversation))
        office.answer(conversation, f"later in {lane}", lane=lane)
        office.comes("Sender", "sqs:ChangeMessageVisibility", queue)


def the_sweep_finds_what_is_due(office: Office) -> None:
    """Answers whose time has come, files to be had again, phones to be asked for, and windows that close soon."""
    conversation = office.customer("meta")
    at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    later = [office.answer(conversation, lane, lane=lane, send_at=at) for lane in LANES]
    office.customer("kommo")
    office.rows(DUE, later)
    office.rows(FETCH)

    def told() -> bool:
        """Whoever publishes takes what is due: it may be another who tells of this window."""
        office.customer("meta", age_seconds=23.5 * 3600)
        office.invoke("WindowSweep")
        return ("WindowSweep", "events:PutEvents", "EventBus") in office.calls.made()

    wait_until(told, PATIENCE_SECONDS, "the sweep publishes")


def lost_messages_are_recovered(office: Office) -> None:
    """Twilio's list tells of one, and what was held for it goes."""
    office.held_for("twilio", "+525562000001")
    office.write("twilio", "+525562000001", expected=0, lose=True)
    office.invoke("Reconcile", grace_seconds=0)


def dead_letters_come_back(office: Office) -> None:
    """Entries that tell whoever gets them again of nothing that there is."""
    nobody, sqs = str(uuid4()), own_client(office.system.state)
    contact = {"provider": "kommo", "business_address": "1", "contact_id": "1"}
    entries = {
        "send": ("SendDeadLetterQueue.fifo", nobody),
        "spill": ("SpillDeadLetterQueue.fifo", json.dumps({"object": "spill/nothing.json"})),
        "lookup": ("LookupDeadLetterQueue.fifo", json.dumps(contact)),
        "media": ("MediaDeadLetterQueue", json.dumps({"message_id": nobody, "place": 0})),
    }
    for name, body in entries.values():
        order = {"MessageGroupId": nobody, "MessageDeduplicationId": nobody} if name.endswith(".fifo") else {}
        sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"], MessageBody=body, **order)
    status, waiting = office.system.api.call("GET", "/v1/dead-letters")
    assert (status, {each["queue"]: each["messages"] for each in waiting["queues"]}) == (200, dict.fromkeys(entries, 1))
    for queue in entries:
        answer = office.system.api.call("POST", f"/v1/dead-letters/{queue}/redrive", {})
        assert answer == (202, {"queue": queue, "moved": 1, "left": 0})


def the_database_is_away(office: Office) -> None:
    """What comes meanwhile waits, large or small; one object is lost before it is read."""
    office.held_for("twilio", "+525563000001")
    with office.server.killed():
        office.write("twilio", "+525563000001")
        for number, provider in enumerate(PROVIDERS):
            office.write(provider, f"+5255640000{number:02}", text=LARGE)
        office.comes("SpillDrain", "sqs:ChangeMessageVisibility", "SpillQueue")
    lost = json.dumps({"object": "spill/lost.json"})
    sqs = own_client(office.system.state)
    url = sqs.get_queue_url(QueueName="SpillQueue.fifo")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=lost, MessageGroupId="lost", MessageDeduplicationId="lost")


TAKEN_AWAY = {("Api", "sqs:SendMessage"), ("KommoWebhook", "secretsmanager:GetSecretValue")}


@pytest.fixture
def deprived(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The state directory of a system in which two roles lack what their functions need."""
    whole = permissions.of_functions

    def without(template: Template) -> dict[str, tuple[Statement, ...]]:
        return {
            function: tuple(each for each in statements if not any((function, it) in TAKEN_AWAY for it in each.actions))
            for function, statements in whole(template).items()
        }

    monkeypatch.setattr(permissions, "of_functions", without)
    state = tmp_path_factory.mktemp("deprived") / "state"
    with System(State(state), 0, None, lambda line: None):
        yield state
    remove(state)


def test_what_a_role_does_not_allow_is_denied(deprived: Path) -> None:
    """A webhook without its secret has the provider try again; what the API cannot queue waits for the sweep."""
    runtime = json.loads((deprived / "runtime.json").read_text())
    customers, calls = Customers(runtime), Calls(deprived)
    api, simulators = Client(runtime["base_url"], runtime["api_token"]), Client(runtime["simulator_url"])
    assert customers.post(customers.letter("kommo", "¿Hola?", 77_000_001)) == 503
    assert calls.denied() == {("KommoWebhook", "secretsmanager:GetSecretValue", "KommoSecret")}

    assert customers.post(customers.letter("meta", "¿Hola?", 77_000_002)) == 200
    (conversation,) = api.call("GET", "/v1/conversations")[1]["conversations"]
    order = {"conversation_id": conversation["id"], "type": "text", "text": {"body": "¡Hola!"}}
    status, accepted = api.call("POST", "/v1/messages", order)
    assert status == 202, accepted
    assert ("Api", "sqs:SendMessage", "SendQueue") in calls.denied()
    log = (deprived / "logs" / "moto.log").read_text()
    assert "denied: the role of Api does not allow sqs:SendMessage on SendQueue (arn:aws:sqs:" in log

    def answer() -> str:
        return str(api.call("GET", f"/v1/messages/{accepted['id']}")[1]["status"])

    assert answer() == "accepted"
    with psycopg.connect(runtime["dsn"], autocommit=True) as database:
        database.execute("update sends set due_at = now()")
    assert simulators.call("POST", "/invoke/WindowSweep", {})[0] == 200
    wait_until(lambda: answer() in ("sent", "delivered", "read"), PATIENCE_SECONDS, "the sweep queues it")


def own_client(state: Path) -> Any:
    """A client of nobody's role."""
    found = re.search(r"Running on (http://127\.0\.0\.1:\d+)", (state / "logs" / "moto.log").read_text())
    assert found
    return boto3.client(
        "sqs",
        endpoint_url=found[1],
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
