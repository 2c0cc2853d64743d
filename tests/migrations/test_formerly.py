"""A version that was rewritten for how it runs makes what it made before, and is accepted where the former text ran."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.migrations.test_history import pg_dump, up
from ventana.schema.migrate import FOLDER, Migration, load, run

FORMER = Path(__file__).parent / "formerly"
REWRITTEN = [path.stem for path in sorted(FORMER.glob("*.sql"))]


@pytest.fixture
def former_folder(tmp_path: Path) -> Path:
    """The folder as it was when these versions were released."""
    last = REWRITTEN[-1]
    for path in FOLDER.glob("*.sql"):
        if path.name.split(".")[0] <= last:
            shutil.copy(path, tmp_path)
    for path in FORMER.glob("*.sql"):
        shutil.copy(path, tmp_path)
    return tmp_path


def test_the_former_texts_are_those_that_are_named() -> None:
    former = {migration.version: migration.checksum for migration in load_former()}
    for migration in load(FOLDER):
        expected = {former[migration.version]} if migration.version in former else set()
        assert migration.checksums - {migration.checksum} == expected


def load_former() -> list[Migration]:
    return [Migration(path.stem, path.read_text(), "") for path in sorted(FORMER.glob("*.sql"))]


def test_both_texts_make_the_same_and_the_ledger_takes_either(
    empty_database: str, second_database: str, former_folder: Path
) -> None:
    run("up", empty_database, folder=former_folder, say=lambda line: None)
    up(second_database, REWRITTEN[-1])
    assert pg_dump(empty_database) == pg_dump(second_database)
    up(empty_database)
    up(second_database)
    assert pg_dump(empty_database) == pg_dump(second_database)
    run("verify", empty_database, say=lambda line: None)
