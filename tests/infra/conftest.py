from __future__ import annotations

import pytest

from tests.infra.stack import Stack, read_stack


@pytest.fixture(scope="session")
def stack() -> Stack:
    """The expanded template; read it, never change it."""
    return read_stack()
