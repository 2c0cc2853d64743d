"""What a request to AWS asks for, in IAM's words, and how each service says no."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import escape

Environ = dict[str, Any]
SIGNED = "X-Amz-"
"""What the names begin with under which a link carries its signature."""
UNKNOWN = "NotUnderstood"
"""An operation for which nobody can have a permission."""
OBJECTS = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
BUCKETS = {"GET": "ListBucket", "HEAD": "ListBucket"}
HARMLESS = {
    "list-type",
    "prefix",
    "delimiter",
    "max-keys",
    "continuation-token",
    "start-after",
    "encoding-type",
    "x-id",
    "response-content-type",
    "response-content-disposition",
}
"""Of an S3 request's query, what makes it no other action; a name not here may."""
PARTS = {
    ("POST", "uploads"): "PutObject",
    ("POST", "uploadId"): "PutObject",
    ("PUT", "uploadId"): "PutObject",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("GET", "uploadId"): "ListMultipartUploadParts",
}


@dataclass(frozen=True)
class Call:
    """An action on a resource: "sqs:SendMessage" on an ARN."""

    action: str
    resource: str


def caller_of(environ: Mapping[str, Any]) -> tuple[str, str, str]:
    """Access key, region and service that the request, or the link that it follows, is signed for; empty where not."""
    _, found, credential = str(environ.get("HTTP_AUTHORIZATION", "")).partition("Credential=")
    if not found:
        credential = found = dict(parse_qsl(environ.get("QUERY_STRING", ""))).get(f"{SIGNED}Credential", "")
    parts = credential.partition(",")[0].split("/")
    return (parts[0], parts[2], parts[3]) if found and len(parts) == 5 else ("", "", "")


def calls_in(environ: Environ, account: str) -> list[Call]:
    """What has to be allowed for the request; its body can be read again afterwards."""
    _, region, service = caller_of(environ)
    if service == "s3":
        return [_s3(environ)]
    operation = str(environ.get("HTTP_X_AMZ_TARGET", UNKNOWN)).rpartition(".")[2].removesuffix("Batch")
    resources = RESOURCES.get(service, _anything)(_body(environ), f"{region}:{account}")
    return [Call(f"{service}:{operation}", resource) for resource in resources]


def bucket_of(call: Call) -> Call:
    """The call that S3 asks permission for as well before it says that an object is not there."""
    return Call("s3:ListBucket", call.resource.partition("/")[0])


def _s3(environ: Environ) -> Call:
    bucket, _, key = unquote(environ["PATH_INFO"]).lstrip("/").partition("/")
    method, query = environ["REQUEST_METHOD"], dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    operation = (OBJECTS if key else BUCKETS).get(method, UNKNOWN)
    for name in {name for name in query if not name.startswith(SIGNED)} - HARMLESS - {"partNumber"}:
        operation = PARTS.get((method, name), UNKNOWN)
    if "HTTP_X_AMZ_COPY_SOURCE" in environ:  # which reads another object
        operation = UNKNOWN
    return Call(f"s3:{operation}", f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}")


def _sqs(body: Mapping[str, Any], place: str) -> Iterable[str]:
    return [f"arn:aws:sqs:{place}:{body['QueueUrl'].rpartition('/')[2]}"] if "QueueUrl" in body else ["*"]


def _secrets(body: Mapping[str, Any], place: str) -> Iterable[str]:
    return [str(body.get("SecretId", "*"))]  # by its name, IAM's ARN of it cannot be known


def _events(body: Mapping[str, Any], place: str) -> Iterable[str]:
    buses = sorted({str(entry.get("EventBusName", "default")) for entry in body.get("Entries", [])})
    return [bus if bus.startswith("arn:") else f"arn:aws:events:{place}:event-bus/{bus}" for bus in buses] or ["*"]


def _anything(body: Mapping[str, Any], place: str) -> Iterable[str]:
    return ["*"]


RESOURCES: dict[str, Callable[[Mapping[str, Any], str], Iterable[str]]] = {
    "sqs": _sqs,
    "secretsmanager": _secrets,
    "events": _events,
}


def drain(environ: Environ) -> bytes:
    """The whole body; a connection whose request was not read to its end is not good for another."""
    return bytes(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))


def _body(environ: Environ) -> dict[str, Any]:
    content = drain(environ)
    environ["wsgi.input"] = io.BytesIO(content)
    try:
        body = json.loads(content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def refusal(environ: Environ, text: str) -> tuple[str, list[tuple[str, str]], bytes]:
    """Status line, headers and body with which the service that is asked says AccessDenied."""
    service = caller_of(environ)[2]
    if service == "s3":
        error = f"<Error><Code>AccessDenied</Code><Message>{escape(text)}</Message></Error>"
        body = b"" if environ["REQUEST_METHOD"] == "HEAD" else f'<?xml version="1.0"?>{error}'.encode()
        return "403 Forbidden", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))], body
    body = json.dumps({"__type": "AccessDeniedException", "message": text, "Message": text}).encode()
    headers = [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(body)))]
    if service != "sqs":
        return "400 Bad Request", headers, body
    # SQS still tells what it told before it spoke JSON.
    return "403 Forbidden", [*headers, ("x-amzn-query-error", "AccessDenied;Sender")], body
