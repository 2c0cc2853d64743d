"""The FIFO queues between those who accept messages and the sender: they carry turns, grouped by conversation.

A turn is the id of a message that may be due. Order and pace are the database's (claim_outbound_v2): a turn that comes
twice, or in the wrong order, sends nothing twice and nothing in the wrong order.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import uuid4

from ventana.snapshot import before_snapshot
from ventana.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

LANES = ("reply", "bulk")
ENTRIES_A_CALL = 10  # as many as SendMessageBatch takes


@dataclass(frozen=True, slots=True)
class Turn:
    """A message that is to be looked at by a sender, in the lane "reply" (people wait for it) or "bulk"."""

    message_id: str
    conversation_id: str
    lane: str = "reply"


class SendQueue:
    """The queues at `urls`, one a lane. A turn put twice under the same ticket within 5 minutes is queued once.

    `call_seconds`: longest wait for one answer of a queue, a second try included. Nobody depends on it: what is not
    queued now, the sweep queues within a minute.
    """

    def __init__(self, urls: Mapping[str, str], call_seconds: float = 6.0) -> None:
        self._urls, self._call_seconds = urls, call_seconds
        before_snapshot(lambda: self._client)

    @cached_property
    def _client(self) -> SQSClient:
        import boto3  # slow to import: only what queues pays for it
        from botocore.config import Config

        quarter = self._call_seconds / 4
        patience = Config(connect_timeout=quarter, read_timeout=quarter, retries={"total_max_attempts": 2})
        return boto3.client("sqs", config=patience)

    def put(self, turns: Sequence[Turn], ticket: str = "first", until: float | None = None) -> list[Turn]:
        """Queue each turn behind what waits in its conversation; returns those that were taken.

        With `until`, a time.monotonic(), nothing is begun that may end later. Raises botocore's errors when the queue
        is away.
        """
        taken: list[Turn] = []
        for lane in LANES:
            waiting = [turn for turn in turns if turn.lane == lane]
            for start in range(0, len(waiting), ENTRIES_A_CALL):
                if until is None or until - time.monotonic() > self._call_seconds:
                    taken += self._put(lane, waiting[start : start + ENTRIES_A_CALL], ticket)
        return taken

    def _put(self, lane: str, turns: Sequence[Turn], ticket: str) -> list[Turn]:
        answer = self._client.send_message_batch(
            QueueUrl=self._urls[lane],
            Entries=[
                {
                    "Id": str(place),
                    "MessageBody": turn.message_id,
                    "MessageGroupId": turn.conversation_id,
                    "MessageDeduplicationId": f"{turn.message_id}:{ticket}",
                }
                for place, turn in enumerate(turns)
            ],
        )
        return [turns[int(entry["Id"])] for entry in answer.get("Successful", [])]

    def put_quietly(self, turns: Sequence[Turn], ticket: str = "first", until: float | None = None) -> list[Turn]:
        """Queue turns if that is possible now; the sweep queues what was not. Returns those that were taken."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return self.put(turns, ticket, until) if turns else []
        except (BotoCoreError, ClientError) as error:
            logger.warning("not_queued", extra={"turns": len(turns), "error": type(error).__name__})
            return []

    def indicate(self, kind: str, message_id: str, conversation_id: str) -> bool:
        """Let a sender show a customer "read" or "typing" at their message; says whether the queue took it.

        It waits for no message, and no message waits for it.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client.send_message(
                QueueUrl=self._urls["reply"],
                MessageBody=f"{kind}:{message_id}",
                MessageGroupId=f"{conversation_id}:indication",
                MessageDeduplicationId=f"{kind}:{message_id}:{uuid4()}",  # "typing" is asked for again and again
            )
        except (BotoCoreError, ClientError) as error:
            logger.warning("not_queued", extra={"kind": kind, "error": type(error).__name__})
            return False
        return True

    def delay(self, lane: str, receipt_handle: str, seconds: int) -> None:
        """Let a received entry come again no earlier than in so many seconds (at most 12 hours)."""
        self._client.change_message_visibility(
            QueueUrl=self._urls[lane], ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
        )
