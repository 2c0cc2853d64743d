"""What a console reads and does beside lists of messages: conversations, bubbles, changes, files, and what was seen."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest

from tests.functions.api_calls import CALLER, NOBODY, PHONE, Api, Events, Load, Rows, a_conversation, text
from tests.functions.lambda_context import Context
from ventana.media_links import MediaLinks, disposition

SHOWN = {"unread", "waiting_since", "last_message", "found", "window"}
STORED = """
insert into message_media (message_id, place, source, state, reference, content_type, bytes)
select id, %s, %s::jsonb, %s, %s, %s, 9 from kommo_messages where conversation_id = %s returning message_id::text
"""


@pytest.fixture
def call(load: Load, events: Events) -> Api:
    return Api(load, events, {"sub": CALLER})


@pytest.fixture
def conversation(rows: Rows) -> str:
    return a_conversation(rows, "meta")


def test_a_conversation_in_a_list_and_by_itself(call: Api, conversation: str) -> None:
    (listed,) = call("GET", "/v1/conversations")[1]["conversations"]
    shown = call("GET", f"/v1/conversations/{conversation}")[1]
    assert listed.keys() == shown.keys() - {"messages"}
    assert listed.keys() > SHOWN
    assert {**listed, "window": None} == {**{k: v for k, v in shown.items() if k != "messages"}, "window": None}
    assert (listed["unread"], listed["found"], listed["last_message"]["content"]) == (1, None, "hola")
    assert listed["waiting_since"] == listed["last_message"]["created_at"] == listed["last_message_at"]
    assert (listed["last_message"]["role"], listed["last_message"]["status"]) == ("user", "received")


def test_pages_of_conversations(call: Api, rows: Rows) -> None:
    """Cursor by cursor, those without a message last."""
    made = [a_conversation(rows, "meta", f"+55119876{number:05}", number) for number in range(5)]
    made += [
        found
        for (found,) in rows(
            "insert into kommo_conversations (provider, phone) select 'meta', '+1555000' || n"
            " from generate_series(1, 4) n returning id::text"
        )
    ]
    found: list[str] = []
    cursor = ""
    while True:
        status, page = call("GET", "/v1/conversations", query=f"limit=2{cursor}")
        assert status == 200
        found += [each["id"] for each in page["conversations"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == [*made[:5], *sorted(made[5:])]


@pytest.mark.parametrize(
    ("query", "hours"),
    [
        ("window=open", [0, 23.5]),
        ("window=closing", [23.5]),
        ("window=shut", [30]),
        ("waiting=true", [0, 23.5]),
        ("waiting=false", [30]),
        ("assigned_to=eva", [30]),
        ("q=hola", [0, 23.5, 30]),
        ("q=00030", [30]),
        ("q=ana&status=active&provider=meta&window=shut&waiting=false&assigned_to=eva", [30]),
        ("q=berta", []),
        ("status=closed", []),
        ("provider=meta", [0, 23.5, 30]),
    ],
)
def test_filters(call: Api, rows: Rows, query: str, hours: list[float]) -> None:
    phones = {0: "+5511987600001", 23.5: "+5511987600020", 30: "+5511987600030"}
    made = {a_conversation(rows, "meta", phone, hours_ago): hours_ago for hours_ago, phone in phones.items()}
    rows(
        "update kommo_conversations set assigned_to = 'eva', last_bot_response_at = now()"
        " where last_user_message_at < now() - interval '24 hours' returning 1"
    )
    status, page = call("GET", "/v1/conversations", query=query)
    assert status == 200
    assert [made[each["id"]] for each in page["conversations"]] == hours


def test_what_was_found(call: Api, conversation: str) -> None:
    (found,) = call("GET", "/v1/conversations", query="q=hola")[1]["conversations"]
    assert found["found"]["content"] == "hola"
    assert found["found"]["message_id"] == found["last_message"]["id"]
    (found,) = call("GET", "/v1/conversations", query="q=ana")[1]["conversations"]
    assert found["found"] is None


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/conversations", "window=ajar"),
        ("/v1/conversations", "waiting=perhaps"),
        ("/v1/conversations", "q="),
        ("/v1/conversations", "q=%00"),
        ("/v1/conversations", "assigned_to=%0a"),
        ("/v1/conversations", "cursor=x"),
        ("/v1/conversations", "cursor=bm8gcGxhY2U"),
        ("/v1/conversations", "cursor=LSB4"),
        ("/v1/changes", "since=x"),
        ("/v1/changes", "since=bm93"),
        ("/v1/changes", "conversation_id=7"),
        (f"/v1/conversations/{NOBODY}/messages", "cursor=x"),
        (f"/v1/conversations/{NOBODY}/messages", "limit=0"),
    ],
)
def test_what_cannot_be_asked(call: Api, path: str, query: str) -> None:
    status, problem = call("GET", path, query=query.replace("%00", "\0").replace("%0a", "\n"))
    assert (status, problem["code"]) == (422, "invalid_request")
    assert [error["field"] for error in problem["errors"]] == [query.partition("=")[0]]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/v1/conversations/{NOBODY}/messages"),
        ("PUT", f"/v1/conversations/{NOBODY}/seen"),
        ("GET", f"/v1/messages/{NOBODY}/media/0"),
    ],
)
def test_what_is_not_there(call: Api, method: str, path: str) -> None:
    assert call(method, path)[0] == 404


def test_bubbles_of_webhooks(call: Api, load: Load, events: Events) -> None:
    """From what Meta really sends to what people read: a reaction, an edit, a deletion and a quotation."""
    webhook = load("meta_webhook")
    sender = {"from": PHONE[1:], "timestamp": "1795348000"}
    items: list[dict[str, Any]] = [
        {"id": "wamid.1", "type": "text", "text": {"body": "Hola"}},
        {"id": "wamid.2", "type": "text", "text": {"body": "¿Tienen sofás?"}, "context": {"id": "wamid.1"}},
        {"id": "wamid.3", "type": "reaction", "reaction": {"message_id": "wamid.1", "emoji": "👍"}},
        {"id": "wamid.4", "type": "edit", "edit": {
            "original_message_id": "wamid.2", "message": {"type": "text", "text": {"body": "¿Tienen sofás azules?"}}}},
        {"id": "wamid.5", "type": "location", "location": {"latitude": -23.5, "longitude": -46.6, "name": "Casa"}},
        {"id": "wamid.6", "type": "text", "text": {"body": "no"}},
        {"id": "wamid.7", "type": "revoke", "revoke": {"original_message_id": "wamid.6"}},
        {"id": "wamid.8", "type": "image", "image": {"id": "77", "mime_type": "image/jpeg", "caption": "este"}},
    ]  # fmt: skip
    messages = [{**sender, **item, "timestamp": str(1795348000 + number)} for number, item in enumerate(items)]
    value = {"metadata": {"phone_number_id": "1065"}, "messages": messages}
    payload = {
        "object": "whatsapp_business_account",
        "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}],
    }
    assert webhook.handler(events["meta"](payload), Context())["statusCode"] == 200
    (conversation,) = call("GET", "/v1/conversations")[1]["conversations"]
    status, page = call("GET", f"/v1/conversations/{conversation['id']}/messages")
    assert (status, page["next_cursor"]) == (200, None)
    photo, deleted, place, edited, first = page["messages"]
    assert [(each["emoji"], each["role"]) for each in first["reactions"]] == [("👍", "user")]
    assert (edited["content"], edited["edited_at"] is not None) == ("¿Tienen sofás azules?", True)
    assert edited["reply_to"] == {"id": first["id"], "content": "Hola", "role": "user"}
    assert place["details"] == {"location": {"latitude": -23.5, "longitude": -46.6, "name": "Casa"}}
    assert (deleted["content"], deleted["deleted_at"] is not None) == ("no", True)
    assert (photo["content"], photo["details"]) == ("este", {"media": [{"mime_type": "image/jpeg"}]})
    assert photo["media"] == [
        {"place": 0, "state": "pending", "content_type": None, "filename": None, "bytes": None, "error": None}
    ]
    pages = call("GET", f"/v1/conversations/{conversation['id']}/messages", query="limit=3")[1]
    query = f"limit=3&cursor={pages['next_cursor']}"
    more = call("GET", f"/v1/conversations/{conversation['id']}/messages", query=query)[1]
    assert [*pages["messages"], *more["messages"]] == page["messages"]


def test_an_answer_as_a_bubble(call: Api, conversation: str) -> None:
    path = f"/v1/conversations/{conversation}/messages"
    (question,) = call("GET", path)[1]["messages"]
    status, accepted = call("POST", "/v1/messages", text(conversation_id=conversation, reply_to=question["id"]))
    assert status == 202
    answered, _ = call("GET", path)[1]["messages"]
    assert (answered["id"], answered["role"], answered["author"]) == (accepted["id"], "assistant", CALLER)
    assert answered["reply_to"]["id"] == question["id"]
    assert answered["status"] in ("accepted", "queued")


def test_seen(call: Api, conversation: str) -> None:
    """Once for the team; nobody is told, and no history keeps it."""
    path = f"/v1/conversations/{conversation}"
    assert call("PUT", f"{path}/seen") == (200, {"conversation_id": conversation, "changed": True})
    assert call("PUT", f"{path}/seen", {}) == (200, {"conversation_id": conversation, "changed": False})
    assert call("GET", path)[1]["unread"] == 0
    assert call("GET", path)[1]["waiting_since"] is not None
    assert call("GET", f"{path}/history")[1]["history"] == []


def test_changes_from_cursor_to_cursor(call: Api, rows: Rows, conversation: str) -> None:
    status, begun = call("GET", "/v1/changes")
    assert status == 200
    empty: dict[str, Any] = {"conversations": [], "messages": [], "history": [], "gone": [], "reload": False}
    assert {**begun, **empty} == begun
    call("POST", f"/v1/conversations/{conversation}/notes", {"body": "in blue"})
    query = f"since={begun['cursor']}&conversation_id={conversation}"
    status, found = call("GET", "/v1/changes", query=query)
    assert status == 200
    assert [each["id"] for each in found["conversations"]] == [conversation]
    assert found["conversations"][0].keys() > SHOWN
    assert [(each["change"], each["changed_by"]) for each in found["history"]] == [("noted", CALLER)]
    accepted = call("POST", "/v1/messages", text(conversation_id=conversation))[1]
    query = f"since={found['cursor']}&conversation_id={conversation}"
    found = call("GET", "/v1/changes", query=query)[1]
    assert accepted["id"] in [each["id"] for each in found["messages"]]
    assert found["messages"][0].keys() > {"reactions", "details", "media", "retryable"}
    other = call("GET", "/v1/changes", query=f"since={begun['cursor']}")[1]
    assert (other["messages"], other["history"], len(other["conversations"])) == ([], [], 1)


def test_a_reaction_changes_its_message(call: Api, rows: Rows, conversation: str) -> None:
    begun = call("GET", "/v1/changes")[1]
    rows(
        "insert into kommo_messages (conversation_id, provider, role, content, content_type, metadata, received_at)"
        " values (%s, 'meta', 'user', '👍', 'reaction', jsonb_build_object('reaction_to', %s::text), now())"
        " returning 1",
        conversation,
        f"in-{conversation}",
    )
    found = call("GET", "/v1/changes", query=f"since={begun['cursor']}&conversation_id={conversation}")[1]
    reacted = next(each for each in found["messages"] if each["content"] == "hola")
    assert [each["emoji"] for each in reacted["reactions"]] == ["👍"]


@pytest.fixture
def files(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    boto3.client("s3").create_bucket(Bucket="files")
    monkeypatch.setenv("MEDIA_BUCKET", "files")
    return "files"


LINKS: list[tuple[str | None, str | None, str, str]] = [
    ("image/png", None, "image/png", "inline"),
    ("image/jpeg", "sofá.jpg", "image/jpeg", "inline; filename*=UTF-8''sof%C3%A1.jpg"),
    ("video/mp4", None, "video/mp4", "inline"),
    ("audio/ogg; codecs=opus", None, "audio/ogg", "inline"),
    ("application/pdf", "a.pdf", "application/pdf", "attachment; filename*=UTF-8''a.pdf"),
    ("text/html", "a.html", "application/octet-stream", "attachment; filename*=UTF-8''a.html"),
    ("image/svg+xml", None, "application/octet-stream", "attachment"),
    (None, None, "application/octet-stream", "attachment"),
    ("image/png\r\nx: y", None, "application/octet-stream", "attachment"),
]


@pytest.mark.parametrize(("content_type", "filename", "shown", "how"), LINKS)
def test_a_link_to_a_file(
    files: str, load: Load, events: Events, rows: Rows, conversation: str,
    content_type: str | None, filename: str | None, shown: str, how: str,
) -> None:  # fmt: skip
    """Signed, short-lived, and told how to show what it leads to: nothing that could run in a browser."""
    call = Api(load, events, {"sub": CALLER})
    key = f"media/{conversation}/1/0"
    source = json.dumps({"filename": filename} if filename else {})
    ((message,),) = rows(STORED, 0, source, "stored", f"s3://files/{key}", content_type, conversation)
    status, link = call("GET", f"/v1/messages/{message}/media/0")
    assert (status, link["content_type"]) == (200, shown)
    parts = urlsplit(link["url"])
    asked = parse_qs(parts.query)
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "files.s3.us-east-1.amazonaws.com", f"/{key}")
    assert (asked["response-content-type"], asked["response-content-disposition"]) == ([shown], [how])
    assert asked["X-Amz-Expires"] == ["300"]
    assert MediaLinks("files", {}).origin == "https://files.s3.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("state", "reference"), [("pending", None), ("failed", None), ("stored", "s3://another/media/1"), ("stored", None)]
)
def test_a_file_of_which_there_is_no_copy(
    files: str, load: Load, events: Events, rows: Rows, conversation: str, state: str, reference: str | None
) -> None:
    call = Api(load, events, {"sub": CALLER})
    ((message,),) = rows(STORED, 0, "{}", state, reference, None, conversation)
    status, problem = call("GET", f"/v1/messages/{message}/media/0")
    assert (status, problem["code"]) == (409, "not_stored")
    assert call("GET", f"/v1/messages/{message}/media/1")[0] == 404
    assert call("GET", f"/v1/messages/{message}/media/first")[0] in (404, 422)


def test_a_system_that_keeps_no_files(call: Api, rows: Rows, conversation: str) -> None:
    ((message,),) = rows(STORED, 0, "{}", "stored", "s3://files/media/1", "image/png", conversation)
    assert call("GET", f"/v1/messages/{message}/media/0")[1]["code"] == "not_stored"
    assert MediaLinks(None).origin is None


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("a b.pdf", "a%20b.pdf"),
        ('x"; filename=y.exe', "x%22%3B%20filename%3Dy.exe"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("a\r\nb", "ab"),
        ("..", None),
        ("\u200b", None),
        ("x" * 400 + ".pdf", "x" * 146 + ".pdf"),
    ],
)
def test_names_that_files_bring(given: str, named: str | None) -> None:
    assert disposition("inline", given) == (f"inline; filename*=UTF-8''{named}" if named else "inline")


ENDPOINTS: list[tuple[dict[str, str], str]] = [
    ({"AWS_REGION": "eu-south-2"}, "https://files.s3.eu-south-2.amazonaws.com"),
    ({"AWS_REGION": "cn-north-1"}, "https://files.s3.cn-north-1.amazonaws.com.cn"),
    ({"AWS_ENDPOINT_URL": "http://127.0.0.1:5000"}, "http://127.0.0.1:5000"),
]


@pytest.mark.parametrize(("environment", "origin"), ENDPOINTS)
def test_links_lead_where_they_are_said_to(
    aws: dict[str, str], environment: dict[str, str], origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is what a page's policy allows."""
    links = MediaLinks("files", environment)
    url, _, _ = links.link("s3://files/media/1", "image/png", None)
    assert links.origin == origin
    assert url.startswith(f"{origin}/")
