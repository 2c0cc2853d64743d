"""What the routes work with: settings, the database and the queue to the sender."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from ventana.schema.connection import Database
from ventana.send_queue import SendQueue
from ventana.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """Made once per container."""

    settings: Settings
    database: Database
    queue: SendQueue

    @property
    def margin(self) -> timedelta:
        """How long before a window shuts free text is refused."""
        return timedelta(seconds=self.settings.window_margin_seconds)
