"""Is it Twilio who calls? The SDK's own validator over the public URL and the decoded parameters."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from hashlib import sha256

from twilio.request_validator import (  # type: ignore[import-untyped]
    SIGNATURE_SETTINGS_HEADER,
    RequestValidator,
    get_signature_algorithm,
)

from ventana.errors import BadSignature
from ventana.providers.base import RawRequest
from ventana.providers.twilio.form import is_json, pairs, query
from ventana.secrets import ProviderSecrets

HEADER = "x-twilio-signature"
FRAGMENTS = ("", "#rc=3&rp=5xx,ct,rt&rt=4000")
"""What may stand behind the URL where it is set at Twilio: nothing, or the options that README recommends.

It is not known for sure whether Twilio signs the URL with these options or without: they never reach us. Others than
these are named in the secret, as "url_fragments".
"""


class Parameters(dict[str, list[str]]):
    """Parameters as the validator wants them: it asks `getall` for the values of one, because a name may repeat."""

    def __init__(self, given: Iterable[tuple[str, str]]) -> None:
        super().__init__()
        for name, value in given:
            self.setdefault(name, []).append(value)

    def getall(self, name: str) -> list[str]:
        """Every value of this name."""
        return self[name]


def verify(request: RawRequest, secrets: ProviderSecrets) -> None:
    """Raise BadSignature unless an auth token signed the URL, plus the parameters of a form.

    The validator tries the URL with and without its port, and we without and with the options behind it. Sub-accounts
    sign with tokens of their own, so any live token will do and the AccountSid proves nothing. The hash of a JSON body
    is compared over the raw bytes.
    """
    tokens = secrets.every("auth_tokens")
    given = request.headers.get(HEADER, "")
    try:
        signed = Parameters(() if request.method == "GET" or is_json(request) else pairs(request))
        algorithm = get_signature_algorithm(request.headers.get(SIGNATURE_SETTINGS_HEADER.lower()))
        known = any(
            RequestValidator(token).validate(request.url + fragment, signed, given, algorithm)
            for fragment in dict.fromkeys((*FRAGMENTS, *secrets.optional("url_fragments")))
            for token in tokens
        )
    except ValueError:  # a port that is none, more fields than any webhook has, text that no UTF-8 can hold
        known = False
    if not (known and given and _body_matches(request)):
        raise BadSignature("the request is not signed with any auth token")


def _body_matches(request: RawRequest) -> bool:
    if not is_json(request):
        return True
    given = query(request)["bodySHA256"].lower().encode("utf-8", "replace")
    return hmac.compare_digest(given, sha256(request.body).hexdigest().encode())
