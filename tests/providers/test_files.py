"""Every provider that keeps files tells where they are, whom one may meet there, and who may see our credentials.

files/<provider>.json   a file of a message; what is asked and answered, where anything is; the source, or the error
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from tests.providers.case_table import secrets_of, signing_of
from ventana import errors
from ventana.errors import FetchError, NotConfigured, SendError, Unavailable, Uncertain, Unreachable
from ventana.http import HttpReply, HttpRequest
from ventana.messages import Media
from ventana.providers import PROVIDERS, files_named
from ventana.providers.base import Files
from ventana.providers.fetching import MediaSource
from ventana.secrets import ProviderSecrets

FOLDER = Path(__file__).parent / "files"
KEEPING = [name for name in PROVIDERS if files_named(name)]


def table(provider: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((FOLDER / f"{provider}.json").read_text("utf-8"))
    return rows


def cases() -> Iterator[Any]:
    for name in KEEPING:
        for row in table(name):
            yield pytest.param(name, row, id=f"{name}-{row['label']}")


def files_of(provider: str) -> Files:
    files = files_named(provider)
    assert files
    return files


def source_of(provider: str, row: dict[str, Any]) -> tuple[MediaSource, list[HttpRequest]]:
    asked: list[HttpRequest] = []

    def answer(request: HttpRequest) -> HttpReply:
        asked.append(request)
        assert "answer" in row, "nothing should have been asked"
        given = row["answer"]
        return HttpReply(given["status"], (json.dumps(given["json"]) if "json" in given else given["body"]).encode())

    try:
        source = files_of(provider).media_source(
            Media(**row["media"]), secrets_of(provider, **row.get("secrets", {})), answer
        )
    finally:
        assert [(request.method, request.url) for request in asked] == (
            [("GET", row["request"])] if "request" in row else []
        )
    return source, asked


@pytest.mark.parametrize(("provider", "row"), list(cases()))
def test_a_file_has_a_source_or_an_error(provider: str, row: dict[str, Any]) -> None:
    if "error" in row:
        with pytest.raises(FetchError) as caught:
            source_of(provider, row)
        assert type(caught.value) is getattr(errors, row["error"])
        assert_says_nothing(str(caught.value), provider)
        return
    source, _ = source_of(provider, row)
    wanted = {**row["source"]}
    if "digests" in wanted:
        wanted["digests"] = frozenset(wanted["digests"])
    assert {name: getattr(source, name) for name in wanted} == wanted
    assert_says_nothing(repr(source), provider)


@pytest.mark.parametrize(("provider", "row"), [case for case in cases() if "may_meet" in case.values[1]])
def test_a_source_names_the_providers_hosts_and_no_others(provider: str, row: dict[str, Any]) -> None:
    source, _ = source_of(provider, row)
    asked = [*row["may_meet"], *row["never_meets"]]
    assert [host for host in asked if matches(host, source.hosts)] == row["may_meet"]
    assert all(matches(host, source.trusted) for host in row["may_show"])
    assert not any(matches(host, source.trusted) for host in row["never_meets"])
    assert not source.trusted or not any("amazonaws" in pattern for pattern in source.trusted)


def matches(host: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(host, pattern) for pattern in patterns)


@pytest.mark.parametrize("provider", KEEPING)
def test_the_table_says_whom_a_provider_meets(provider: str) -> None:
    assert any("may_meet" in row and "never_meets" in row for row in table(provider))


@pytest.mark.parametrize(("provider", "row"), [case for case in cases() if "request" in case.values[1]])
@pytest.mark.parametrize("failure", [Unreachable("x"), Uncertain("x")], ids=["unreachable", "lost"])
def test_a_provider_that_does_not_answer_is_asked_again(provider: str, row: dict[str, Any], failure: SendError) -> None:
    def fail(request: HttpRequest) -> HttpReply:
        raise failure

    with pytest.raises(Unavailable):
        files_of(provider).media_source(Media(**row["media"]), secrets_of(provider), fail)


@pytest.mark.parametrize(
    ("provider", "row"), [case for case in cases() if case.values[1].get("source", {}).get("credentials")]
)
def test_a_secret_that_is_not_filled_in_is_named(provider: str, row: dict[str, Any]) -> None:
    with pytest.raises(NotConfigured):
        files_of(provider).media_source(Media(**row["media"]), ProviderSecrets(provider, {}), lambda request: None)  # type: ignore[arg-type, return-value]


def assert_says_nothing(text: str, provider: str) -> None:
    secrets = [
        value
        for entry in signing_of(provider).SECRETS.values()
        for value in ([entry] if isinstance(entry, str) else entry)
    ]
    assert not [value for value in secrets if value in text]
    assert "https://" not in text
