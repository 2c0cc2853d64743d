"""Events on the bus reach the functions whose rules want them, and a bot answers in a running system."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from infra.local.functions import Function
from infra.local.intrinsics import TemplateError
from infra.local.targets import Targets, matches
from infra.local.template import Rule, Template
from tests.local.customers import Customers
from tests.local.running import remove, run_once, running

EVENT = {"source": "ventana", "detail-type": "MessageReceived", "detail": {"content_type": "text", "tags": ["a", "b"]}}
NOTING = """
import json, pathlib

def handler(event, context):
    with (pathlib.Path(__file__).parent / "seen").open("a") as file:
        file.write(json.dumps(event) + "\\n")
    if event["detail"].get("fails"):
        raise ValueError
"""


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ({}, True),
        ({"source": ["ventana"]}, True),
        ({"source": ["aws.s3", "ventana"]}, True),
        ({"source": ["aws.s3"]}, False),
        ({"source": ["ventana"], "detail-type": ["WindowClosed"]}, False),
        ({"detail": {"content_type": ["text"]}}, True),
        ({"detail": {"content_type": ["image"]}}, False),
        ({"detail": {"tags": ["b"]}}, True),
        ({"detail": {"missing": ["x"]}}, False),
        ({"source": {"nested": ["x"]}}, False),
    ],
)
def test_a_pattern_wants_some_events(pattern: dict[str, Any], wanted: bool) -> None:
    assert matches(pattern, EVENT) is wanted


@pytest.mark.parametrize("pattern", [{"source": "ventana"}, {"source": [{"prefix": "ven"}]}])
def test_a_pattern_that_is_not_understood_is_no_match_by_accident(pattern: dict[str, Any]) -> None:
    with pytest.raises(TemplateError, match="source"):
        matches(pattern, EVENT)


def test_rules_are_read_from_the_template() -> None:
    pattern = {"source": ["ventana"]}
    event = {"Type": "EventBridgeRule", "Properties": {"EventBusName": {"Ref": "Bus"}, "Pattern": pattern}}
    function = {"Type": "AWS::Serverless::Function", "Properties": {"Events": {"E": event}}}
    assert Template({"Resources": {"F": function}}, {}).rules() == [Rule("F", pattern)]


def test_an_event_reaches_those_who_want_it_and_again_where_they_fail(
    make_function: Callable[..., Function], tmp_path: Path
) -> None:
    function = make_function(NOTING)
    targets = Targets([Rule("F", {"source": ["ventana"]}), Rule("F", {"source": ["other"]})], {"F": function})
    failing = {**EVENT, "detail": {"fails": True}}
    targets.hand_over(failing)
    seen = tmp_path / "function0" / "seen"
    give_up = time.monotonic() + 20
    while (not seen.exists() or len(seen.read_text().splitlines()) < 3) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert [json.loads(line) for line in seen.read_text().splitlines()] == [failing] * 3


@pytest.mark.e2e
@pytest.mark.slow
def test_a_bot_answers_each_customer_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    state = tmp_path_factory.mktemp("bot") / "state"
    with running(state, BOT="echo") as system:
        system.wait_for("Ctrl-C ends it")
        customers = Customers(system.runtime)
        letter = customers.letter("meta", "¿Hay alguien?", 71_000_000)
        assert [customers.post(letter), customers.post(letter)] == [200, 200]
        with psycopg.connect(system.runtime["dsn"], autocommit=True) as database:
            query = (
                "select a.content, a.delivery_status from kommo_messages m join kommo_messages a"
                " on a.conversation_id = m.conversation_id and a.role = 'assistant' where m.provider_message_id = %s"
            )
            give_up = time.monotonic() + 30
            found: list[tuple[Any, ...]] = []
            while not (found and found[0][1] in ("delivered", "read")) and time.monotonic() < give_up:
                found = database.execute(query, [letter.message_id]).fetchall()
                time.sleep(0.1)
        assert [answer for answer, _ in found] == ["You wrote: ¿Hay alguien?"]
        assert found[0][1] in ("delivered", "read")
    remove(state)


@pytest.mark.e2e
def test_a_bot_that_is_not_known_is_refused(tmp_path: Path) -> None:
    ended = run_once(tmp_path / "state", BOT="parrot")
    assert ended.returncode == 1
    assert ended.stderr == "make run: there is no bot 'parrot': set BOT to echo, or to nothing\n"
