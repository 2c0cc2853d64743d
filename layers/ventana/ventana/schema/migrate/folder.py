"""The migrations folder as a list of versions, each of steps; and what can be wrong with it.

A version is two files. `<version>.sql` is what `up` runs, in steps that begin with a line `-- step: <what it does>`; a
file without such lines is one step. `<version>.revert.sql` takes it back. Where rows have to be moved out of the way of
a revert, `<version>.archive.sql` does it when asked, and `<version>.restore.sql` brings them back. A revert names by
`-- anew: <table>, …` what needs not be kept: the next `up` makes those rows again, of others.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

STEP = re.compile(r"^-- step: (.+)$", re.MULTILINE)
FORMERLY = re.compile(r"^-- formerly: ([0-9a-f]{64})$", re.MULTILINE)
ANEW = re.compile(r"^-- anew: ([a-z_, ]+)$", re.MULTILINE)
COMMENT = re.compile(r"--[^\n]*")
CONCURRENTLY = re.compile(r"\bindex\s+concurrently\s+(?:if\s+not\s+exists\s+)?(\w+)", re.IGNORECASE)
COMPANIONS = (".revert.sql", ".archive.sql", ".restore.sql")


class MigrationError(Exception):
    """The database was left as it was; the message says what to do."""


class Drift(MigrationError):
    """The folder, the ledger and the database do not tell the same story."""


class Ahead(Drift):
    """The database has all of this folder and more: a newer release has been here, and migrations only expand."""


class Locked(MigrationError):
    """Another run holds the lock."""


class Unfinished(MigrationError):
    """The time was over before the work was; what was begun goes on, and the next run takes it up."""


@dataclass(frozen=True)
class Step:
    """What is done at once: one transaction, or one statement that may not run in a transaction."""

    name: str
    sql: str

    @property
    def index(self) -> str | None:
        """The index that this step builds beside running writers; such a step runs without a transaction."""
        found = CONCURRENTLY.search(self.sql)
        return found.group(1) if found else None


@dataclass(frozen=True)
class Migration:
    """One version: its texts, with line ends made equal so that a checkout's style is no edit."""

    version: str
    sql: str
    revert: str
    archive: str | None = None
    restore: str | None = None

    @property
    def checksum(self) -> str:
        """SHA-256 of what `up` runs."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def checksums(self) -> set[str]:
        """Of this text, and of those that it says it was before: they made the same in another way."""
        return {self.checksum, *FORMERLY.findall(self.sql)}

    @property
    def anew(self) -> set[str]:
        """Tables whose rows `up` makes of others."""
        return {table.strip() for names in ANEW.findall(self.revert) for table in names.split(",")}

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The steps in order."""
        first, *rest = STEP.split(self.sql)
        if not rest:
            return (Step(self.version.split("_", 1)[-1].replace("_", " "), first),)
        return tuple(Step(name, sql.strip()) for name, sql in zip(rest[::2], rest[1::2], strict=True))


def load(folder: Path) -> list[Migration]:
    """Read the folder in order of version. Raises MigrationError when a version cannot be taken back, or run."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        if path.name.endswith(COMPANIONS):
            continue
        revert = path.with_suffix(".revert.sql")
        if not revert.exists():
            raise MigrationError(f"{path.stem}: missing {revert.name}")
        migration = Migration(
            path.stem,
            _text(path),
            _text(revert),
            *(_text(path.with_suffix(end)) if path.with_suffix(end).exists() else None for end in COMPANIONS[1:]),
        )
        for step in migration.steps:
            if step.index and COMMENT.sub("", step.sql).strip().rstrip(";").count(";"):
                raise MigrationError(f"{path.stem}: the step '{step.name}' builds an index concurrently and does more")
        found.append(migration)
    if not found:
        raise MigrationError(f"no migrations in {folder}")
    return found


def _text(path: Path) -> str:
    return path.read_text("utf-8").replace("\r\n", "\n")
