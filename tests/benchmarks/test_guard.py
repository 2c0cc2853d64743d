"""What webhooks, sends and imports cost is as the baseline says: `make guard-baseline` writes it anew."""

from __future__ import annotations

import json

import pytest

from tests.benchmarks.guard import ARTEFACTS, BASELINE, code_figures, compared, database_figures, postgres_of

pytestmark = pytest.mark.slow
KNOWN = json.loads(BASELINE.read_text())


def test_the_database_does_no_more_than_it_did(database_url: str, application_url: str) -> None:
    version = postgres_of(database_url)
    if version not in KNOWN:
        pytest.skip(f"there is no baseline of {version}: python -m tests.benchmarks.guard --database DSN makes one")
    assert compared(KNOWN[version], database_figures(database_url, application_url)) == []


def test_functions_import_no_more_than_they_did_and_are_no_longer() -> None:
    found = code_figures()
    assert compared(KNOWN["imports"], found["imports"]) == []
    assert compared(KNOWN["sources"], found["sources"]) == []


@pytest.mark.skipif(not ARTEFACTS.exists(), reason="make artefact-sizes measures them")
def test_artefacts_are_no_larger_than_they_were() -> None:
    found = {each["name"]: {"bytes": each["zipped"]} for each in json.loads(ARTEFACTS.read_text())["artefacts"]}
    both = KNOWN["artefacts"].keys() & found.keys()
    assert compared({name: KNOWN["artefacts"][name] for name in both}, {name: found[name] for name in both}) == []


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ({"waits": 1}, {"waits": 1}, []),
        ({"waits": 1}, {"waits": 2}, ["x: waits grew from 1 to 2"]),
        ({"waits": 2}, {"waits": 1}, ["x: waits is better, 1 and not 2: lower the baseline, make guard-baseline"]),
        ({"wal_bytes": 1000}, {"wal_bytes": 1099}, []),
        ({"wal_bytes": 1000}, {"wal_bytes": 1101}, ["x: wal_bytes grew from 1000 to 1101"]),
        ({"hot": 1}, {"hot": 0}, ["x: hot fell from 1 to 0"]),
        ({"hot": 0}, {"hot": 1}, ["x: hot is better, 1 and not 0: lower the baseline, make guard-baseline"]),
        ({"heavy": ["botocore"]}, {"heavy": ["boto3", "botocore"]}, ["x: imports boto3 at start"]),
        (
            {"heavy": ["boto3"]},
            {"heavy": []},
            ["x: no longer imports boto3: lower the baseline, make guard-baseline"],
        ),
    ],
)
def test_what_is_said_of_a_difference(before: dict[str, object], now: dict[str, object], said: list[str]) -> None:
    assert compared({"x": before}, {"x": now}) == said


def test_what_is_new_and_what_is_gone_is_said() -> None:
    assert compared({"old": {}}, {"young": {}}) == ["old: gone; make guard-baseline", "young: new; make guard-baseline"]
