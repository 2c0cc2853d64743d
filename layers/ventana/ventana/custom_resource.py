"""Answers CloudFormation, which waits until a custom resource's function has told how it went.

    answer = answered(event, "ventana-schema", work)     # what `work` returns is the resource's Data

Delete does nothing and succeeds: a stack that goes away, or rolls back, never takes anything with it. Whatever `work`
raises is answered as FAILED with its text as the reason, cut until CloudFormation takes it.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from ventana.telemetry import logger

Answer = dict[str, Any]
Result = TypeVar("Result")
ANSWER_BYTES = 4096  # CloudFormation takes no more
REASON_LENGTH = 1000


def answered(
    event: Answer, physical_id: str, work: Callable[[], Answer], reason: Callable[[Exception], str] = str
) -> Answer:
    """Do the work unless the resource is deleted, and tell CloudFormation; returns what it was told."""
    answer = {
        "Status": "SUCCESS",
        "PhysicalResourceId": event.get("PhysicalResourceId") or physical_id,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
    }
    try:
        if event.get("RequestType") != "Delete":
            answer["Data"] = work()
    except Exception as error:  # whatever it is, CloudFormation must hear of it, or it waits for the time-out
        text = reason(error).strip() or type(error).__name__
        logger.error("custom_resource_failed", extra={"error": type(error).__name__, "reason": text})
        answer |= {"Status": "FAILED", "Reason": text}
    _put(event["ResponseURL"], answer)
    return answer


def within(seconds: float, work: Callable[[], Result], late: Exception) -> Result:
    """What `work` returns or raises. One that hangs, as with a server that is there and silent, is left behind.

    Then `late` is raised.
    """
    result: Future[Result] = Future()

    def do() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=do, daemon=True).start()
    try:
        return result.result(max(0.0, seconds))
    except TimeoutError:
        if result.done():
            raise
        raise late from None


def _put(url: str, answer: Answer) -> None:
    import urllib3  # of all invocations, only CloudFormation's needs it

    retries = urllib3.Retry(3, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504])
    urllib3.request("PUT", url, body=_body(answer), headers={"content-type": ""}, timeout=5.0, retries=retries)


def _body(answer: Answer) -> bytes:
    """The answer as CloudFormation takes it: the reason is cut until it fits, whatever its letters weigh."""
    for length in range(REASON_LENGTH, 0, -50):
        body = json.dumps(answer | ({"Reason": answer["Reason"][:length]} if "Reason" in answer else {})).encode()
        if len(body) <= ANSWER_BYTES:
            break
    return body
