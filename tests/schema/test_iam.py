"""Signing in through RDS Proxy: a token of IAM over verified TLS, and no settings of the session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest

from tests.schema.conftest import rows
from tests.schema.rds_proxy import ADDRESS, RdsProxy
from tests.schema.recording import HELLO, outcomes
from ventana.errors import NotConfigured, StorageUnavailable
from ventana.schema import connection as connecting
from ventana.schema.connection import Database
from ventana.schema.iam_token import iam_token
from ventana.settings import Settings

KEY = "a-secret-access-key"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATESTING")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


@pytest.fixture
def proxy(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RdsProxy]:
    started = RdsProxy(database_url, tmp_path, KEY)
    monkeypatch.setattr(connecting, "PORT", started.port)
    monkeypatch.setattr(connecting, "authorities", lambda: str(started.authorities))
    yield started
    started.close()


def through(user: str = "ventana_app") -> Database:
    return Database(Settings(database_host=ADDRESS, database_name="ventana", database_user=user))


def test_a_token_is_what_aws_makes_of_the_same_role() -> None:
    made = boto3.client("rds").generate_db_auth_token("proxy.example.com", 5432, "ventana_app")
    ours, theirs = (
        urlsplit(f"https://{token}") for token in (iam_token("proxy.example.com", 5432, "ventana_app"), made)
    )
    assert ours.netloc == theirs.netloc == "proxy.example.com:5432"
    asked, wanted = parse_qs(ours.query), parse_qs(theirs.query)
    assert set(asked) == set(wanted)
    if asked["X-Amz-Date"] == wanted["X-Amz-Date"]:
        assert asked == wanted, "the signature as well"


def test_messages_are_recorded_through_the_proxy_and_its_sessions_stay_fit_for_others(proxy: RdsProxy) -> None:
    database = through()
    assert outcomes(database, [HELLO]) == ["recorded"]
    assert rows(database, "select count(*) from kommo_messages") == [(1,)]
    for _ in range(10):  # what comes often is prepared elsewhere
        database.value("select 1")
        assert outcomes(database, [HELLO]) == ["duplicate"]
    database.close()
    assert proxy.users == ["ventana_app"]
    said = b"".join(proxy.said).lower()
    assert b"record_inbound" in said
    assert b"set statement_timeout" not in said, "it would keep the session from everybody else"
    assert b"_pg3_" not in said and b"direct_" not in said, "nor is anything prepared in it"


def test_each_connection_has_a_token_of_its_own(proxy: RdsProxy) -> None:
    database = through()
    for _ in range(2):
        assert database.value("select 1") == 1
        database.close()
    assert proxy.users == ["ventana_app"] * 2


def test_a_role_that_may_not_connect_is_refused_and_nothing_of_the_token_is_said(
    proxy: RdsProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(StorageUnavailable) as refused:
        through().value("select 1")
    assert "X-Amz" not in str(refused.value)
    assert proxy.users == []


def test_a_token_is_given_to_nobody_but_the_proxy(
    proxy: RdsProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATESTING")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setattr(connecting, "PORT", proxy.port)
    with pytest.raises(StorageUnavailable):  # those that AWS's SDK trusts have not signed this one
        through().value("select 1")
    assert proxy.users == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Settings(database_user="ventana_app"), "set DATABASE_HOST"),
        (Settings(), "DATABASE_USER and DATABASE_HOST for IAM"),
    ],
)
def test_what_is_missing_is_named(settings: Settings, said: str) -> None:
    with pytest.raises(NotConfigured, match=said):
        Database(settings).conninfo()


def test_without_a_region_there_is_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(NotConfigured, match="no region"):
        iam_token("proxy.example.com", 5432, "ventana_app")


def test_the_host_that_a_secret_of_rds_lacks_is_told_by_the_environment() -> None:
    class Secrets:
        def values(self, secret_id: str) -> dict[str, str]:
            return {"username": "ventana", "password": "p"}

    settings = Settings(database_secret_id="rds!db", database_host="db.example.com", database_name="ventana")
    conninfo = Database(settings, Secrets()).conninfo()  # type: ignore[arg-type]
    assert "host=db.example.com" in conninfo
    assert "dbname=ventana" in conninfo
    assert "sslmode=require" in conninfo
