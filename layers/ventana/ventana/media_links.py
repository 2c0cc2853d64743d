"""Links by which a browser has our copy of a file for a few minutes, without a token of its own.

Made here without asking anybody. What is no picture, sound or film is saved and not shown, whatever it says that it is.
"""

from __future__ import annotations

import os
import unicodedata
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlsplit

from ventana.file_types import RUNS, UNKNOWN, bare

if TYPE_CHECKING:
    from collections.abc import Mapping

LIFE = timedelta(minutes=5)
SHOWN = frozenset({"image", "audio", "video"})
LONGEST_NAME = 150


class MediaLinks:
    """Signs links to the objects of one bucket."""

    def __init__(self, bucket: str | None, environment: Mapping[str, str] = os.environ) -> None:
        self.bucket, self._environment = bucket, environment

    @property
    def origin(self) -> str | None:
        """Where the links lead, for those that say where a page may load from; None where no files are kept."""
        if not self.bucket:
            return None
        parts = urlsplit(self._endpoint)
        return (
            f"{parts.scheme}://{parts.netloc}" if self._elsewhere else f"{parts.scheme}://{self.bucket}.{parts.netloc}"
        )

    def holds(self, reference: str) -> bool:
        """Whether a stored reference (s3://bucket/key) is in our bucket."""
        return bool(self.bucket) and reference.startswith(f"s3://{self.bucket}/")

    def link(self, reference: str, content_type: str | None, filename: str | None) -> tuple[str, str, datetime]:
        """The address, the content type that it answers with, and when it expires."""
        found = bare(content_type)
        kind = UNKNOWN if not found or RUNS.fullmatch(found) else found
        how = "inline" if kind.partition("/")[0] in SHOWN else "attachment"
        url: str = self._client.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self.bucket,
                "Key": reference.removeprefix(f"s3://{self.bucket}/"),
                "ResponseContentType": kind,
                "ResponseContentDisposition": disposition(how, filename),
            },
            ExpiresIn=int(LIFE.total_seconds()),
        )
        return url, kind, datetime.now(UTC) + LIFE

    @property
    def _elsewhere(self) -> str | None:
        """Something that stands for S3, where buckets have no names of their own."""
        return self._environment.get("AWS_ENDPOINT_URL_S3") or self._environment.get("AWS_ENDPOINT_URL")

    @property
    def _region(self) -> str:
        return self._environment.get("AWS_REGION") or self._environment.get("AWS_DEFAULT_REGION") or "us-east-1"

    @property
    def _endpoint(self) -> str:
        suffix = "amazonaws.com.cn" if self._region.startswith("cn-") else "amazonaws.com"
        return self._elsewhere or f"https://s3.{self._region}.{suffix}"

    @cached_property
    def _client(self) -> Any:
        import boto3  # slow to import: only who looks at a file pays for it
        from botocore.config import Config

        style: Literal["path", "virtual"] = "path" if self._elsewhere else "virtual"
        options = Config(signature_version="s3v4", s3={"addressing_style": style})
        return boto3.client("s3", region_name=self._region, endpoint_url=self._endpoint, config=options)


def disposition(how: str, filename: str | None) -> str:
    """The header that names a file: without what could end it, or make the name look like another."""
    name = "".join(each for each in (filename or "") if unicodedata.category(each)[0] not in "CZ" or each == " ")
    name = name.replace("/", "_").replace("\\", "_").strip(" .")[-LONGEST_NAME:]
    return f"{how}; filename*=UTF-8''{quote(name, safe='')}" if name else how
