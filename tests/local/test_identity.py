"""Who we are at each provider is made once, kept, and completed where it was kept before there was something new."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from infra.local.identity import Identity


def test_it_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    first = Identity.kept(tmp_path / "identity.json")
    assert Identity.kept(tmp_path / "identity.json") == first
    assert (tmp_path / "identity.json").stat().st_mode & 0o077 == 0


def test_one_of_before_gets_a_reading_token_and_keeps_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "identity.json"
    before = asdict(Identity.random())
    del before["reader_token"]
    path.write_text(json.dumps(before))
    found = Identity.kept(path)
    assert len(found.reader_token) >= 43
    assert asdict(found) == {**before, "reader_token": found.reader_token}
    assert Identity.kept(path) == found


def test_one_token_writes_and_the_other_reads() -> None:
    identity = Identity.random()
    claims = identity.claims()
    assert claims[identity.api_token]["scope"].split() == ["read", "write"]
    assert claims[identity.reader_token]["scope"].split() == ["read"]
    assert {identity.api_token, identity.reader_token} == {
        identity.published()["api_token"],
        identity.published()["reader_token"],
    }
