"""The migrations folder as a list of versions, each of three texts; and what can be wrong with it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

NO_TRANSACTION = "-- migrate: no-transaction"


class MigrationError(Exception):
    """The database was left as it was; the message says what to do."""


class Drift(MigrationError):
    """The folder, the ledger and the database do not tell the same story."""


class Ahead(Drift):
    """The database has all of this folder and more: a newer release has been here, and migrations only expand."""


class Locked(MigrationError):
    """Another run holds the lock."""


@dataclass(frozen=True)
class Migration:
    """One version: its three texts, with line ends made equal so that a checkout's style is no edit."""

    version: str
    sql: str
    verify: str
    revert: str

    @property
    def checksum(self) -> str:
        """SHA-256 of what `up` runs."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def transactional(self) -> bool:
        """Whether it runs inside a transaction, as all do that do not say otherwise."""
        return not self.sql.startswith(NO_TRANSACTION)


def load(folder: Path) -> list[Migration]:
    """Read the folder in order of version. Raises MigrationError when one of a version's three files is missing."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        if path.name.count(".") > 1:
            continue
        parts = [path, path.with_suffix(".verify.sql"), path.with_suffix(".revert.sql")]
        missing = [part.name for part in parts if not part.exists()]
        if missing:
            raise MigrationError(f"{path.stem}: missing {', '.join(missing)}")
        found.append(Migration(path.stem, *(part.read_text("utf-8").replace("\r\n", "\n") for part in parts)))
    if not found:
        raise MigrationError(f"no migrations in {folder}")
    return found
