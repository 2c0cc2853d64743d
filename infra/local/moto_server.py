"""moto's server, with queues that bear several callers at once, and with the roles of functions.

Its threads share a queue's list of messages: while one rebuilds the list without what it deletes, what another deletes
comes back, and what another adds is lost. And who waits spins where the messages that are there may not be given out.

    python -m infra.local.moto_server FOLDER [arguments of moto]

Roles are read from FOLDER (permissions.py); until they are there, everybody may do everything.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterable
from functools import partial, wraps
from pathlib import Path
from typing import Any, TypeAlias

import moto.server
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.sqs.models import Queue

from infra.local import permissions
from infra.local.aws_requests import Call, Environ, bucket_of, caller_of, calls_in, drain, refusal

LOOK_AGAIN_SECONDS = 0.02
ACCOUNT = "123456789012"

StartResponse: TypeAlias = Callable[..., Any]
Application: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]
delete = Queue.delete_message


@wraps(delete)
def delete_alone(self: Queue, receipt_handle: str) -> None:
    """Delete a message while nobody else changes the list."""
    with self._messages_lock:
        delete(self, receipt_handle)


def wait_a_little(self: Queue, timeout: int) -> None:
    """Wait for a new message, or until one may have become visible again."""
    with self._messages_lock:
        self._messages_lock.wait(min(timeout, LOOK_AGAIN_SECONDS))


Queue.delete_message = delete_alone  # type: ignore[method-assign]
Queue.wait_for_messages = wait_a_little  # type: ignore[method-assign]


class Guard:
    """Stands before the application: lets functions do what their roles allow, and writes down what each asked for."""

    def __init__(self, folder: Path, application: Application) -> None:
        self._folder, self._application, self._lock = folder, application, threading.Lock()
        self._policies: permissions.Policies | None = None
        self._names: dict[str, str] = {}
        self._decided: dict[tuple[str, Call], bool] = {}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        key = caller_of(environ)[0]
        if not key.startswith(permissions.KEY) or not self._knows():
            return self._application(environ, start_response)
        function = key.removeprefix(permissions.KEY)
        for call in (calls := calls_in(environ, ACCOUNT)):
            if not self._allows(function, call):
                drain(environ)
                return _refuse(environ, start_response, function, call)
        if calls[0].action == "s3:GetObject":
            return self._object(environ, start_response, function, bucket_of(calls[0]))
        return self._application(environ, start_response)

    def _object(self, environ: Environ, start_response: StartResponse, function: str, listing: Call) -> Iterable[bytes]:
        """S3 tells that an object is not there only to those who may list what is."""
        begun: list[Any] = []
        body = self._application(environ, lambda *arguments: begun.extend(arguments))
        if str(begun[0]).startswith("404") and not self._allows(function, listing):
            return _refuse(environ, start_response, function, listing)
        start_response(*begun)
        return body

    def _knows(self) -> bool:
        if self._policies is None:
            with self._lock:
                found = permissions.read(self._folder)
                if found:
                    self._policies, self._names = found
        return self._policies is not None

    def _allows(self, function: str, call: Call) -> bool:
        known = self._decided.get((function, call))
        return self._decide(function, call) if known is None else known

    def _decide(self, function: str, call: Call) -> bool:
        with self._lock:
            if (function, call) in self._decided:
                return self._decided[function, call]
            statements = (self._policies or {}).get(function, ())
            verdict = permissions.allowed(statements, call.action, call.resource)
            name = permissions.logical_name(call.resource, self._names)
            told = {"function": function, "action": call.action, "resource": call.resource, "name": name}
            with (self._folder / permissions.CALLS).open("a", encoding="utf-8") as file:
                file.write(json.dumps(told if verdict else {**told, "denied": True}) + "\n")
            if not verdict:
                what = f"{call.action} on {name} ({call.resource})"
                print(f"denied: the role of {function} does not allow {what}", file=sys.stderr, flush=True)
            self._decided[function, call] = verdict
            return verdict


def _refuse(environ: Environ, start_response: StartResponse, function: str, call: Call) -> Iterable[bytes]:
    who = f"arn:aws:sts::{ACCOUNT}:assumed-role/{function}Role/{function}"
    why = f"because no identity-based policy allows the {call.action} action"
    text = f"User: {who} is not authorized to perform: {call.action} on resource: {call.resource} {why}"
    status, headers, body = refusal(environ, text)
    start_response(status, headers)
    return [body]


def _guarded(folder: Path, create: Any) -> Guard:
    return Guard(folder, DomainDispatcherApplication(create))


if __name__ == "__main__":
    moto.server.DomainDispatcherApplication = partial(_guarded, Path(sys.argv[1]))  # type: ignore
    moto.server.main(sys.argv[2:])
