"""Secrets Manager for functions in processes of their own: on loopback, one answer, at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from tests.functions.loopback import Quiet, serving
from tests.providers.case_table import signing_of


class _GetSecretValue(Quiet):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        name = asked["SecretId"]
        answer = json.dumps({"Name": name, "SecretString": json.dumps(signing_of(name).SECRETS)}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/x-amz-json-1.1")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


@contextmanager
def keeping_secrets() -> Iterator[dict[str, str]]:
    """Serve the providers' credentials; the environment that leads an AWS SDK there."""
    with serving(_GetSecretValue) as url:
        yield {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
