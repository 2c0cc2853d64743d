"""Answers by the thousand: customers write through signed webhooks, callers answer over the API, some of them twice."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

import psycopg

from infra.local.client import Client
from tests.local.customers import PROVIDERS

CALLERS = 4
TRIES = 20
PAUSE_SECONDS = 0.2
WROTE_SECONDS_AGO = 3600  # what was written before an answer shows a list of messages to be complete
REPEATED = 10  # of so many requests one is sent again, as after an answer that was lost
FOUND = """
select provider_message_id, conversation_id::text from kommo_messages where provider_message_id = any(%s)
"""


@dataclass(frozen=True)
class Customer:
    """Somebody who wrote: how a caller names them."""

    provider: str
    phone: str
    conversation_id: str


@dataclass(frozen=True)
class Answer:
    """One that was accepted: the `place`-th to its customer; nobody else is sent this text."""

    customer: Customer
    place: int
    lane: str
    text: str
    message_id: str
    accepted_at: float


@dataclass
class Acceptance:
    """All that was accepted, and how long that took; how many requests came again, and got another id by that."""

    answers: list[Answer]
    seconds: float
    repeated: int
    told_twice: int


def customers_write(simulators: Client, dsn: str, count: int) -> list[Customer]:
    """So many customers, the same share at each provider, each with one message that every answer may follow."""
    written = [
        (PROVIDERS[number % len(PROVIDERS)], f"+52556{PROVIDERS.index(PROVIDERS[number % len(PROVIDERS)])}{number:06}")
        for number in range(count)
    ]

    def write(who: tuple[str, str]) -> str:
        order = {"provider": who[0], "from": who[1], "text": "¿Hola?", "age_seconds": WROTE_SECONDS_AGO}
        for _ in range(TRIES):
            _, told = simulators.call("POST", "/customer", order)
            if told["status"] == 200:
                return str(told["message_id"])
            time.sleep(PAUSE_SECONDS)
        raise AssertionError(f"the webhook is answered with {told}")

    with ThreadPoolExecutor(CALLERS) as pool:
        ids = list(pool.map(write, written))
    with psycopg.connect(dsn) as connection:
        conversations: dict[str, str] = dict(connection.execute(FOUND, [ids]).fetchall())
    return [Customer(*who, conversations[each]) for who, each in zip(written, ids, strict=True)]


def answer_all(runtime: Mapping[str, Any], customers: list[Customer], sends: int) -> Acceptance:
    """Answer them in turn, each customer's answers one after the other, so that their order is known."""
    began = time.monotonic()
    with ThreadPoolExecutor(CALLERS) as pool:
        parts = list(pool.map(lambda n: _Caller(runtime, customers, sends, n).answer(), range(CALLERS)))
    return Acceptance(
        [answer for part in parts for answer in part.answers],
        time.monotonic() - began,
        sum(part.repeated for part in parts),
        sum(part.told_twice for part in parts),
    )


class _Caller:
    """Answers every CALLERS-th customer, over a connection that it keeps."""

    def __init__(self, runtime: Mapping[str, Any], customers: list[Customer], sends: int, number: int) -> None:
        self._host, self._token = urlsplit(runtime["base_url"]).netloc, runtime["api_token"]
        self._customers, self._sends, self._number = customers, sends, number
        self._connection = HTTPConnection(self._host, timeout=30)
        self._done = Acceptance([], 0.0, 0, 0)

    def answer(self) -> Acceptance:
        """All that is this caller's to send."""
        for number, customer in self._mine():
            place = number // len(self._customers)
            lane = "bulk" if (number // len(PROVIDERS) + place) % 3 == 0 else "reply"
            text = f"answer {place} to {customer.phone}"
            message_id = self._send(f"key-{number}", customer, lane, text)
            self._done.answers.append(Answer(customer, place, lane, text, message_id, time.time()))
            if number % REPEATED == 0:
                self._done.repeated += 1
                self._done.told_twice += self._send(f"key-{number}", customer, lane, text) != message_id
        self._connection.close()
        return self._done

    def _mine(self) -> Iterator[tuple[int, Customer]]:
        for number in range(self._sends):
            place = number % len(self._customers)
            if place % CALLERS == self._number:
                yield number, self._customers[place]

    def _send(self, key: str, customer: Customer, lane: str, text: str) -> str:
        """The id of the message; what is not answered is asked for again, with the same key."""
        by_phone = {"provider": customer.provider, "to": customer.phone}  # which not every hook tells
        to = {"conversation_id": customer.conversation_id} if customer.provider == "kommo" else by_phone
        body = json.dumps({**to, "lane": lane, "type": "text", "text": {"body": text}})
        headers = {
            "authorization": f"Bearer {self._token}",
            "content-type": "application/json",
            "idempotency-key": key,
        }
        told: Any = None
        for _ in range(TRIES):
            with suppress(OSError, HTTPException):
                self._connection.request("POST", "/v1/messages", body, headers)
                reply = self._connection.getresponse()
                told = reply.status, json.loads(reply.read())
                if reply.status == 202:
                    return str(told[1]["id"])
            self._connection.close()
            time.sleep(PAUSE_SECONDS)
        raise AssertionError(f"the API answers {told}")
