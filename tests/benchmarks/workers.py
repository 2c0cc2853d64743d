"""Processes of their own for the load, each at the other end of a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

Work = Callable[[Pipe, int, Path, str], None]


@contextmanager
def started(work: Work, number: int, directory: Path, dsn: str) -> Iterator[Pipe]:
    """A process that does `work(pipe, number, directory, dsn)`, and ends when its pipe does."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, number, directory, dsn), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()  # which ends it, even where we were killed
        process.join(10)
        if process.is_alive():
            process.kill()
            process.join()
