"""The house rules of migrations, checked by squawk on each step as the runner runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ventana.schema.migrate import FOLDER, load

CONFIG = Path(__file__).parents[2] / ".squawk.toml"
SQUAWK = Path(sys.executable).with_name("squawk")
Finding = tuple[str, str]
"""A version, and the rule that it breaks."""

COUNTS = "how often something was tried or came, or a place in a list: never near two thousand million"
EXCEPTIONS: dict[Finding, str] = {
    ("20240101_kommo_baseline", "prefer-bigint-over-int"): "as the system has it that is adopted; its ids are UUIDs",
    ("20250101_twilio_whatsapp_support", "ban-drop-constraint"): "put back in the same statement: it may run twice",
    ("20250101_twilio_whatsapp_support", "ban-drop-not-null"): (
        "Twilio's and Meta's customers have no chat id; check_kommo_requires_chat_id keeps what Kommo's readers rely on"
    ),
    ("20261122_01_message_delivery", "ban-drop-constraint"): "put back in the same statement, and allows more kinds",
    ("20261122_01_message_delivery", "prefer-bigint-over-int"): COUNTS,
    ("20261122_06_fetch_media_and_contacts", "prefer-bigint-over-int"): COUNTS,
    ("20261122_06_fetch_media_and_contacts", "require-concurrent-index-deletion"): (
        "in one commit with the functions that no longer use it; the table is small, and its lock is tried for briefly"
    ),
    ("20261122_08_outbound_tables", "prefer-bigint-over-int"): COUNTS,
    ("20261122_08_outbound_tables", "renaming-object"): "a function of the same name and signature takes its place",
    ("20261122_20_record_inbound", "require-concurrent-index-deletion"): (
        "in an instant, once nothing uses them; its lock is tried for briefly, and a rehearsal has never built them"
    ),
    ("20261122_25_watch_windows", "require-concurrent-index-deletion"): (
        "in an instant, once nothing uses them; its lock is tried for briefly, and a rehearsal has never built them"
    ),
    ("20261122_12_dispatch_outbound", "renaming-object"): "a function of the same name and signature takes its place",
}


def findings(folder: Path, scratch: Path) -> set[Finding]:
    """What squawk has to say about the steps of a folder."""
    found: set[Finding] = set()
    for beside in (False, True):
        place = scratch / ("beside" if beside else "in_transaction")
        place.mkdir()
        for migration in load(folder):
            for number, step in enumerate(migration.steps):
                if bool(step.index) is beside:
                    (place / f"{migration.version}.{number}.sql").write_text(step.sql)
        options = ["--config", str(CONFIG), "--reporter=json", *(["--no-assume-in-transaction"] if beside else [])]
        files = [str(path) for path in sorted(place.iterdir())]
        ran = subprocess.run([SQUAWK, *options, *files], capture_output=True, text=True) if files else None
        assert ran is None or ran.returncode in (0, 1), ran.stderr
        for each in json.loads(ran.stdout) if ran else ():
            found.add((Path(each["file"]).name.split(".")[0], each["rule_name"]))
    return found


def test_the_migrations_keep_the_rules_but_for_these_exceptions(tmp_path: Path) -> None:
    assert findings(FOLDER, tmp_path) == set(EXCEPTIONS)


@pytest.mark.parametrize(
    ("sql", "rules"),
    [
        ("create index i on fruit (name);", {"require-concurrent-index-creation"}),
        ("create table crate (id uuid primary key); create index i on crate (id);", set()),
        ("create index concurrently i on fruit (name);", set()),
        ("drop index i;", {"require-concurrent-index-deletion"}),
        ("alter table fruit add constraint c check (price > 0);", {"constraint-missing-not-valid"}),
        ("alter table fruit add constraint c check (price > 0) not valid;", set()),
        (
            "alter table fruit add constraint c check (price > 0) not valid; alter table fruit validate constraint c;",
            {"constraint-missing-not-valid"},
        ),
        (
            "-- step: one\nalter table fruit add ripe text;\n-- step: two\ncreate index i on fruit (ripe);",
            {"require-concurrent-index-creation"},
        ),
        ("alter table fruit add column ripe boolean not null;", {"adding-required-field"}),
        ("alter table fruit add column ripe boolean not null default false;", set()),
        ("alter table fruit add column id uuid default gen_random_uuid();", {"adding-field-with-default"}),
        ("alter table fruit alter column price set not null;", {"adding-not-nullable-field"}),
        ("alter table fruit alter column price type bigint;", {"changing-column-type"}),
        ("alter table fruit rename column price to costs;", {"renaming-column"}),
        ("alter table fruit rename to fruits;", {"renaming-table"}),
        ("alter table fruit drop column price;", {"ban-drop-column"}),
        ("drop table fruit;", {"ban-drop-table"}),
        ("drop function f_v1();", {"ban-drop-function"}),
        ("drop view cheap_fruit;", {"ban-drop-view"}),
        ("alter table fruit disable trigger t;", {"ban-disable-trigger"}),
        ("create table crate (id serial primary key);", {"prefer-identity", "prefer-bigint-over-int"}),
        ("create table crate (id bigint generated always as identity, at timestamp);", {"prefer-timestamp-tz"}),
        ("create table crate (name varchar(9));", {"prefer-text-field"}),
        ("alter type kind add value 'x' after 'y';", {"ban-add-enum-value"}),
        ("begin; select 1; commit;", {"transaction-nesting"}),
        ("creat table crate ();", {"syntax-error"}),
    ],
)
def test_what_breaks_a_rule_is_found(tmp_path: Path, sql: str, rules: set[str]) -> None:
    folder, scratch = tmp_path / "folder", tmp_path / "scratch"
    for path in (folder, scratch):
        path.mkdir()
    (folder / "1_bad.sql").write_text(sql)
    (folder / "1_bad.revert.sql").write_text("select 1;")
    assert findings(folder, scratch) == {("1_bad", rule) for rule in rules}
