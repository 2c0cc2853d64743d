"""Settings come from the environment, once, and an error names the variable."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from ventana.errors import NotConfigured
from ventana.settings import Settings


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    assert Settings.from_environment({}) == Settings(
        database_url=None,
        database_secret_id=None,
        database_host=None,
        database_name=None,
        database_user=None,
        database_timeout_ms=4000,
        public_base_url="",
        secret_ids={},
        send_queue_url=None,
        bulk_queue_url=None,
        spill_queue_url=None,
        spill_bucket=None,
        spill_timeout_ms=1000,
        media_queue_url=None,
        media_bucket=None,
        media_max_bytes=104857600,
        lookup_queue_url=None,
        dead_letter_queues="",
        event_bus_name=None,
        simulator_url=None,
        window_margin_seconds=60,
        window_warning_minutes=60,
        lease_seconds=60,
        provider_timeout_ms=10_000,
        settle_after_seconds=300,
        reconcile_providers=(),
        write_scope="",
    )


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("DATABASE_URL", "postgresql://localhost/x", "database_url", "postgresql://localhost/x"),
        ("DATABASE_SECRET_ID", "db", "database_secret_id", "db"),
        ("DATABASE_HOST", "db.example.com", "database_host", "db.example.com"),
        ("DATABASE_NAME", "ventana", "database_name", "ventana"),
        ("DATABASE_USER", "ventana_app", "database_user", "ventana_app"),
        ("DATABASE_TIMEOUT_MS", "1200", "database_timeout_ms", 1200),
        ("PUBLIC_BASE_URL", "https://hooks.example.com/prod/", "public_base_url", "https://hooks.example.com/prod"),
        ("SEND_QUEUE_URL", "https://sqs/q.fifo", "send_queue_url", "https://sqs/q.fifo"),
        ("BULK_QUEUE_URL", "https://sqs/bulk.fifo", "bulk_queue_url", "https://sqs/bulk.fifo"),
        ("SPILL_QUEUE_URL", "https://sqs/spill.fifo", "spill_queue_url", "https://sqs/spill.fifo"),
        ("SPILL_BUCKET", "spilled", "spill_bucket", "spilled"),
        ("SPILL_TIMEOUT_MS", "300", "spill_timeout_ms", 300),
        ("MEDIA_QUEUE_URL", "https://sqs/media", "media_queue_url", "https://sqs/media"),
        ("MEDIA_BUCKET", "files", "media_bucket", "files"),
        ("MEDIA_MAX_BYTES", "1000", "media_max_bytes", 1000),
        ("LOOKUP_QUEUE_URL", "https://sqs/lookups.fifo", "lookup_queue_url", "https://sqs/lookups.fifo"),
        (
            "DEAD_LETTER_QUEUES",
            "send https://sqs/d https://sqs/s",
            "dead_letter_queues",
            "send https://sqs/d https://sqs/s",
        ),
        ("EVENT_BUS_NAME", "ventana", "event_bus_name", "ventana"),
        ("SIMULATOR_URL", "http://127.0.0.1:1", "simulator_url", "http://127.0.0.1:1"),
        ("WINDOW_MARGIN_SECONDS", "0", "window_margin_seconds", 0),
        ("WINDOW_WARNING_MINUTES", "30", "window_warning_minutes", 30),
        ("LEASE_SECONDS", "90", "lease_seconds", 90),
        ("PROVIDER_TIMEOUT_MS", "2500", "provider_timeout_ms", 2500),
        ("SETTLE_AFTER_SECONDS", "60", "settle_after_seconds", 60),
        ("WRITE_SCOPE", "ventana/write", "write_scope", "ventana/write"),
        ("RECONCILE_PROVIDERS", "one, two", "reconcile_providers", ("one", "two")),
    ],
)
def test_a_variable_sets_its_field(variable: str, text: str, field: str, value: object) -> None:
    assert getattr(Settings.from_environment({variable: text}), field) == value


@pytest.mark.parametrize("variable", ["DATABASE_URL", "DATABASE_SECRET_ID", "SEND_QUEUE_URL", "SIMULATOR_URL"])
def test_an_empty_variable_is_a_missing_one(variable: str) -> None:
    assert Settings.from_environment({variable: ""}) == Settings.from_environment({})


def test_secret_ids_go_by_the_name_of_their_provider() -> None:
    settings = Settings.from_environment({"ACME_SECRET_ID": "arn:acme", "OTHER_SECRET_ID": ""})
    assert settings.secret_id("acme") == "arn:acme"
    with pytest.raises(NotConfigured, match=r"^set OTHER_SECRET_ID to the secret of other$"):
        settings.secret_id("other")


@pytest.mark.parametrize("text", ["soon", "-1", "1.5", "1e3", " 5", "٣"])
def test_what_is_no_whole_number_is_refused_by_name(text: str) -> None:
    with pytest.raises(NotConfigured, match=r"^LEASE_SECONDS must be a whole number$"):
        Settings.from_environment({"LEASE_SECONDS": text})


def test_a_required_setting_that_is_missing_is_named() -> None:
    assert Settings(send_queue_url="q").required("send_queue_url") == "q"
    with pytest.raises(NotConfigured, match=r"^set SEND_QUEUE_URL$"):
        Settings().required("send_queue_url")


def test_each_lane_has_a_queue_and_bulk_takes_the_other_where_it_has_none() -> None:
    assert Settings(send_queue_url="q", bulk_queue_url="b").send_queue_urls() == {"reply": "q", "bulk": "b"}
    assert Settings(send_queue_url="q").send_queue_urls() == {"reply": "q", "bulk": "q"}
    with pytest.raises(NotConfigured, match=r"^set SEND_QUEUE_URL$"):
        Settings(bulk_queue_url="b").send_queue_urls()


def test_the_queue_of_a_bulk_send_is_known_by_the_end_of_its_arn() -> None:
    assert Settings(bulk_queue_url="https://sqs/1/stack-Bulk-1.fifo").bulk_queue_arn_end == ":stack-Bulk-1.fifo"
    assert Settings().bulk_queue_arn_end is None


def test_the_databases_address_is_not_shown() -> None:
    assert "hush" not in repr(Settings(database_url="postgresql://me:hush@localhost/x"))


def test_settings_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().lease_seconds = 1  # type: ignore[misc]
