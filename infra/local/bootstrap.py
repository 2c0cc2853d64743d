"""A stand-in for AWS's runtime interface client, for machines that it does not exist for (macOS).

It imports nothing but the standard library, and nothing of ours: it runs in the process of a function.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from http.client import HTTPConnection, HTTPResponse
from typing import Any

PREFIX = "/2018-06-01/runtime"


class Context:
    """What a handler is told about its invocation."""

    def __init__(self, headers: HTTPResponse) -> None:
        self.aws_request_id = headers.getheader("Lambda-Runtime-Aws-Request-Id", "")
        self.invoked_function_arn = headers.getheader("Lambda-Runtime-Invoked-Function-Arn", "")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
        self.function_version = "$LATEST"
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME", "")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", "")
        self._deadline = int(headers.getheader("Lambda-Runtime-Deadline-Ms", "0"))

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until this invocation is cut off."""
        return max(0, self._deadline - int(time.time() * 1000))


def main(handler_name: str) -> None:
    """Handle events for ever; ends with 1 when the handler cannot be loaded."""
    try:
        module, _, function = handler_name.rpartition(".")
        handler = getattr(importlib.import_module(module), function)
    except Exception as error:
        traceback.print_exc()
        _call("POST", "/init/error", _described(error))
        sys.exit(1)
    while True:
        _serve_one(handler)


def _serve_one(handler: Callable[[Any, Context], Any]) -> None:
    reply, event = _call("GET", "/invocation/next")
    if reply.status != 200:
        sys.exit(1)
    context = Context(reply)
    try:
        outcome, body = "response", json.dumps(handler(json.loads(event), context)).encode()
    except Exception as error:
        traceback.print_exc()
        outcome, body = "error", _described(error)
    _call("POST", f"/invocation/{context.aws_request_id}/{outcome}", body)


def _call(method: str, path: str, body: bytes | None = None) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        connection.request(method, PREFIX + path, body)
        reply = connection.getresponse()
        return reply, reply.read()
    finally:
        connection.close()


def _described(error: Exception) -> bytes:
    return json.dumps({"errorMessage": str(error), "errorType": type(error).__name__}).encode()


if __name__ == "__main__":
    main(sys.argv[1])
