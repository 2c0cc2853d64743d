"""What people do with conversations and addresses, and what the API shows of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.functions.api_calls import CALLER, NOBODY, OURS, Api, Events, Load, Rows, a_conversation, text

TEMPLATE = {"name": "order_ready", "language": "es"}


@pytest.fixture
def call(load: Load, events: Events) -> Api:
    return Api(load, events, {"sub": CALLER})


@pytest.fixture
def conversation(rows: Rows) -> str:
    return a_conversation(rows, "meta")


CHANGES: list[tuple[str, str, Any, str, dict[str, Any]]] = [
    ("POST", "escalate", {"reason": "angry"}, "escalated", {"status": "escalated", "escalation_reason": "angry"}),
    ("POST", "escalate", {"reason": "x", "assignee": "eva"}, "escalated", {"assigned_to": "eva"}),
    ("POST", "assign", {"assignee": "eva"}, "assigned", {"assigned_to": "eva"}),
    ("POST", "resolve", None, "resolved", {"status": "resolved"}),
    ("POST", "close", None, "closed", {"status": "closed"}),
    ("POST", "tags", {"add": ["vip", "sofa"]}, "tagged", {"tags": ["sofa", "vip"]}),
    ("PUT", "opt-out", None, "opted_out", {"opted_out_by": CALLER}),
]


@pytest.mark.parametrize(("method", "action", "body", "change", "shown"), CHANGES)
def test_a_change_is_made_once_and_remembered(
    call: Api, conversation: str, method: str, action: str, body: Any, change: str, shown: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = f"/v1/conversations/{conversation}"
    assert call(method, f"{path}/{action}", body) == (200, {"conversation_id": conversation, "changed": True})
    assert call(method, f"{path}/{action}", body) == (200, {"conversation_id": conversation, "changed": False})
    found = call("GET", path)[1]
    assert {name: found[name] for name in shown} == shown
    history = call("GET", f"{path}/history")[1]["history"]
    assert [(entry["change"], entry["changed_by"]) for entry in history] == [(change, CALLER)]
    audited = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"audit"' in line]
    assert [(line["by"], line["changed"]) for line in audited] == [(CALLER, True), (CALLER, False)]
    assert "angry" not in json.dumps(audited)


def test_changes_can_be_taken_back(call: Api, conversation: str) -> None:
    path = f"/v1/conversations/{conversation}"
    for method, action, body in [
        ("POST", "assign", {"assignee": "eva"}),
        ("POST", "assign", {"assignee": None}),
        ("POST", "close", None),
        ("POST", "reopen", None),
        ("POST", "tags", {"add": ["a", "b"]}),
        ("POST", "tags", {"add": ["c"], "remove": ["a"]}),
        ("PUT", "opt-out", None),
        ("DELETE", "opt-out", None),
        ("POST", "notes", {"body": "wants it in blue"}),
    ]:
        assert call(method, f"{path}/{action}", body)[1] == {"conversation_id": conversation, "changed": True}
    found = call("GET", path)[1]
    assert (found["assigned_to"], found["status"], found["tags"], found["opted_out_at"]) == (
        None,
        "active",
        ["b", "c"],
        None,
    )
    history = call("GET", f"{path}/history", query="limit=3")[1]["history"]
    assert [entry["change"] for entry in history] == ["noted", "opted_in", "opted_out"]
    assert history[0]["detail"] == {"body": "wants it in blue"}


@pytest.mark.parametrize(
    ("action", "body", "field"),
    [
        ("escalate", None, "body"),
        ("escalate", {}, "reason"),
        ("escalate", {"reason": ""}, "reason"),
        ("escalate", {"reason": "x" * 1001}, "reason"),
        ("escalate", {"reason": "x", "assignee": "x" * 201}, "assignee"),
        ("assign", {}, "assignee"),
        ("assign", {"assignee": " "}, "assignee"),
        ("notes", {"body": ""}, "body"),
        ("notes", {"body": "x" * 10_001}, "body"),
        ("tags", {"add": [""]}, "add[0]"),
        ("tags", {"add": ["x", " x"]}, "add[1]"),
        ("tags", {"remove": ["a\nb"]}, "remove[0]"),
        ("tags", {"add": ["x" * 65]}, "add[0]"),
        ("tags", {"add": ["x"] * 51}, "add"),
        ("tags", {"remove": "x"}, "remove"),
        ("tags", {"ad": ["x"]}, "ad"),
    ],
)
def test_a_change_that_cannot_be(call: Api, conversation: str, action: str, body: Any, field: str) -> None:
    status, problem = call("POST", f"/v1/conversations/{conversation}/{action}", body)
    assert (status, problem["code"]) == (422, "invalid_request")
    assert [error["field"] for error in problem["errors"]] == [field]


def test_there_are_only_so_many_tags(call: Api, conversation: str) -> None:
    path = f"/v1/conversations/{conversation}/tags"
    assert call("POST", path, {"add": [str(n) for n in range(50)]})[0] == 200
    status, problem = call("POST", path, {"add": ["one more"]})
    assert (status, problem["code"], problem["field"], problem["limit"]) == (422, "limit_exceeded", "add", 50)
    assert call("POST", path, {"add": ["one more"], "remove": ["0"]})[0] == 200


@pytest.mark.parametrize(
    ("method", "action", "body"),
    [
        *(("POST", action, body) for _, action, body, _, _ in CHANGES[:6]),
        ("POST", "reopen", None),
        ("POST", "notes", {"body": "x"}),
        ("PUT", "opt-out", None),
        ("DELETE", "opt-out", None),
        ("GET", "history", None),
        ("GET", "window", None),
    ],
)
def test_there_is_no_such_conversation(call: Api, method: str, action: str, body: Any) -> None:
    status, problem = call(method, f"/v1/conversations/{NOBODY}/{action}", body)
    assert (status, problem["code"]) == (404, "not_found")


def test_each_address_has_its_window(call: Api, conversation: str, rows: Rows) -> None:
    rows(
        "insert into former_windows (conversation_id, business_address, last_user_message_at)"
        " values (%s, 'other', now() - interval '23 hours'), (%s, 'old', now() - interval '2 days') returning 1",
        *(conversation, conversation),
    )
    found = call("GET", f"/v1/conversations/{conversation}/window")[1]
    assert (found["conversation_id"], found["open"], found["needs_template"]) == (conversation, True, False)
    assert [
        (each["business_address"], each["open"], each["minutes_left"], each["needs_template"])
        for each in found["addresses"]
    ] == [
        (OURS["meta"], True, 24 * 60 - 2, False),
        ("other", True, 58, False),
        ("old", False, 0, True),
    ]


def test_an_address_is_set_up_shown_and_started_again(
    call: Api, rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = {"messages_per_second": 2.5, "fallback_template": TEMPLATE}
    status, saved = call("PUT", f"/v1/addresses/meta/{OURS['meta']}", ours)
    assert (status, {name: saved[name] for name in ours}) == (200, ours)
    assert (saved["provider"], saved["address"], saved["stopped_at"]) == ("meta", OURS["meta"], None)
    assert rows("select fallback_template from business_addresses") == [({"type": "template", **TEMPLATE},)]
    rows("update business_addresses set stopped_at = now(), stopped_code = '190', stopped_text = 'a token'")
    assert call("GET", "/v1/addresses")[1]["addresses"][0]["stopped_code"] == "190"
    path = f"/v1/addresses/meta/{OURS['meta']}/resume"
    resumed = {"provider": "meta", "address": OURS["meta"], "resumed": True}
    assert call("POST", path) == (200, resumed)
    assert call("POST", path) == (200, {**resumed, "resumed": False})
    assert call("PUT", f"/v1/addresses/meta/{OURS['meta']}", {})[1]["fallback_template"] is None
    said = capsys.readouterr().out
    assert [json.loads(line)["action"] for line in said.splitlines() if '"audit"' in line] == [
        "address_set",
        "address_resumed",
        "address_resumed",
        "address_set",
    ]
    assert OURS["meta"] not in said


def test_the_template_of_an_address_goes_where_the_window_is_shut(call: Api, rows: Rows) -> None:
    conversation = a_conversation(rows, "meta", hours_ago=25)
    assert call("PUT", f"/v1/addresses/meta/{OURS['meta']}", {"fallback_template": TEMPLATE})[0] == 200
    body = text(conversation_id=conversation, if_window_closed="template")
    status, accepted = call("POST", "/v1/messages", body)
    assert status == 202
    shown = call("GET", f"/v1/messages/{accepted['id']}")[1]
    assert shown["sent_as"] == {"type": "template", "template": TEMPLATE}


@pytest.mark.parametrize("path", ["+14155238886", "%2B14155238886"])
def test_an_address_is_the_same_however_it_is_encoded(call: Api, rows: Rows, path: str) -> None:
    assert call("PUT", f"/v1/addresses/twilio/{path}", {"messages_per_second": 1})[0] == 200
    assert rows("select address from business_addresses") == [("+14155238886",)]


@pytest.mark.parametrize(
    ("path", "body", "code", "field"),
    [
        ("telex/1", {}, "invalid_request", "provider"),
        ("meta/a%20b", {}, "invalid_request", "address"),
        ("meta/%00", {}, "invalid_request", "address"),
        ("meta/%ff", {}, "invalid_request", "address"),
        ("meta/1", {"messages_per_second": 0.05}, "invalid_request", "messages_per_second"),
        ("meta/1", {"messages_per_second": 1001}, "invalid_request", "messages_per_second"),
        ("meta/1", {"messages_per_second": "1"}, "invalid_request", "messages_per_second"),
        ("meta/1", {"fallback_template": {"name": "x"}}, "unsupported_by_provider", "fallback_template.language"),
        ("kommo/1", {"fallback_template": TEMPLATE}, "unsupported_by_provider", "fallback_template"),
    ],
)
def test_an_address_that_cannot_be_set_up(call: Api, rows: Rows, path: str, body: Any, code: str, field: str) -> None:
    status, problem = call("PUT", f"/v1/addresses/{path}", body)
    assert (status, problem["code"]) == (422, code)
    assert field in [problem.get("field"), *(error["field"] for error in problem.get("errors", []))]
    assert rows("select count(*) from business_addresses") == [(0,)]


def test_an_address_that_is_none_cannot_start_again(call: Api) -> None:
    assert call("POST", "/v1/addresses/meta/1/resume")[1]["code"] == "not_found"
