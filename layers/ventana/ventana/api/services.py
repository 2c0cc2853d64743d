"""What the operations work with: settings, the database and the queues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from ventana.dead_letters import DeadLetters
from ventana.errors import VentanaError
from ventana.schema.connection import Database
from ventana.schema.outbound import mark_queued
from ventana.send_queue import SendQueue, Turn
from ventana.settings import Settings
from ventana.telemetry import logger


@dataclass(frozen=True, slots=True)
class Services:
    """Made once per container."""

    settings: Settings
    database: Database
    queue: SendQueue
    dead_letters: DeadLetters = field(default_factory=lambda: DeadLetters({}))

    @property
    def margin(self) -> timedelta:
        """How long before a window shuts free text is refused."""
        return timedelta(seconds=self.settings.window_margin_seconds)

    @property
    def settle_after(self) -> timedelta:
        """How long after it was given to a provider an uncertain send waits for its status."""
        return timedelta(seconds=self.settings.settle_after_seconds)

    def queue_turns(self, turns: Sequence[Turn], ticket: str = "first") -> None:
        """Let senders look at these now; what cannot be queued, or noted as queued, the sweep takes care of."""
        taken = self.queue.put_quietly(turns, ticket)
        if not taken:
            return
        try:
            mark_queued(self.database, [turn.message_id for turn in taken])
        except VentanaError as error:  # they are ours all the same, and a turn counts without the mark
            logger.warning("not_marked", extra={"error": type(error).__name__})
