"""Everything that can go wrong, and who may do something about it.

VentanaError
├── BadSignature            403  nobody we know sent this webhook
├── NotConfigured           503  a secret or setting is missing; an operator must add it
├── StorageUnavailable      503  the database did not answer; the caller may repeat the request
│   └── RefusedByDatabase   503  it refused a value; the same request ends the same way
├── BadRequest              400  the caller must change the request
│   ├── NotFound            404  no such row
│   ├── UnsupportedByProvider 422  this provider cannot do this
│   └── OverLimit           422  this provider takes no more
├── Conflict                409  not in the state that things are in
│   └── WindowClosed        409  only a template may be sent now
├── ListingFailed           502  a provider did not list its messages; the next run asks again
├── FetchError              502  a file or a contact could not be had from a provider
│   ├── Unavailable         502  it may be there later: try again
│   │   └── AskedTooMuch    502  nothing of this account should be asked for now: pause, and try again
│   └── Unacceptable        502  it is gone, too large, or not what was announced: final
└── SendError                    a provider did not take a message
    ├── Throttled                it asked us to slow its address down: retry
    │   └── PairThrottled        it asked us to slow down for this customer: retry
    ├── Unreachable              it was never reached: retry
    ├── Misconfigured            our account or address there is not in order: stop the address until it is
    ├── Rejected                 it said no, and why: final
    │   ├── WindowShut           the customer-service window is shut: ours shuts too, and a template may go instead
    │   ├── OptedOut             the customer wants no such messages: remembered
    │   └── BadContent           the message itself must be changed
    └── Uncertain                it may have been sent: never retry blindly

Messages never hold a secret, a phone number, a message text or an expected signature: they end in logs and answers.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar


class VentanaError(Exception):
    """Base of all our errors; `code` is stable and meant for programs, `http_status` for whoever called us."""

    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong on our side"
    http_status: ClassVar[int] = 500


class BadSignature(VentanaError):
    """The webhook was not signed with any secret that we hold, or is meant for another account."""

    code = "bad_signature"
    title = "The request is not signed by the provider"
    http_status = 403


class NotConfigured(VentanaError):
    """A setting or secret that this call needs is missing; the message names which."""

    code = "not_configured"
    title = "This provider is not configured"
    http_status = 503


class StorageUnavailable(VentanaError):
    """Nothing was stored; the same request may be sent again without a double row."""

    code = "storage_unavailable"
    title = "The database did not answer"
    http_status = 503


class RefusedByDatabase(StorageUnavailable):
    """Nothing was stored because of a value that was to be stored: the same request ends the same way."""

    code = "refused_by_database"
    title = "The database refused a value"


class BadRequest(VentanaError):
    """The caller's request cannot be accepted as it is; the message says what to change."""

    code = "bad_request"
    title = "The request cannot be accepted as it is"
    http_status = 400


class NotFound(BadRequest):
    """No row has this id."""

    code = "not_found"
    title = "No such thing"
    http_status = 404


class UnsupportedByProvider(BadRequest):
    """The provider cannot do what was asked for; `field` is what asks for it."""

    code = "unsupported_by_provider"
    title = "This provider cannot do this"
    http_status = 422

    def __init__(self, field: str, text: str) -> None:
        self.field = field
        super().__init__(text)


class OverLimit(BadRequest):
    """A `field` breaks a limit of the provider; `limit` is the greatest number that it takes."""

    code = "limit_exceeded"
    title = "The message breaks a limit of the provider"
    http_status = 422

    def __init__(self, field: str, limit: int, text: str) -> None:
        self.field, self.limit = field, limit
        super().__init__(text)


class Conflict(VentanaError):
    """What was asked for does not go with the state that things are in; `code` and text say which."""

    code = "conflict"
    title = "This cannot be done as things are now"
    http_status = 409

    def __init__(self, code: str, text: str) -> None:
        self.code = code  # type: ignore[misc]
        super().__init__(text)


class WindowClosed(Conflict):
    """The 24-hour customer-service window is shut, so free text may not be sent."""

    code = "window_closed"
    title = "The 24-hour window is closed; only a template may be sent"

    def __init__(self, closed_at: datetime | None, conversation_id: str | None = None) -> None:
        self.closed_at = closed_at
        self.conversation_id = conversation_id
        super().__init__(
            "window_closed",
            f"the window closed at {closed_at.isoformat()}" if closed_at else "the customer has never written here",
        )


class ListingFailed(VentanaError):
    """A provider did not tell which messages it took for us; the same question is asked again later."""

    code = "listing_failed"
    title = "The provider did not list its messages"
    http_status = 502

    def __init__(self, text: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(text)


class FetchError(VentanaError):
    """A file or a contact could not be had from a provider."""

    code = "fetch_failed"
    title = "The provider did not give what was asked for"
    http_status = 502


class Unavailable(FetchError):
    """It could not be had now; later it may."""

    code = "unavailable"


class AskedTooMuch(Unavailable):
    """The provider wants to be left alone: nothing of this account should be asked for before `pause` is over."""

    code = "asked_too_much"

    def __init__(self, text: str, pause: timedelta = timedelta(seconds=30)) -> None:
        self.pause = pause
        super().__init__(text)


class Unacceptable(FetchError):
    """It is gone, or must not be kept: too large, refused, or not what was announced."""

    code = "unacceptable"


class SendError(VentanaError):
    """A provider did not take the message. `provider_code` is the provider's own error code, `retryable` ours."""

    code = "send_failed"
    title = "The provider did not take the message"
    http_status = 502
    retryable: ClassVar[bool] = False

    def __init__(self, text: str, provider_code: str | None = None) -> None:
        self.provider_code = provider_code
        super().__init__(text)


class Throttled(SendError):
    """The provider asked us to slow down; the message was not taken."""

    code = "throttled"
    retryable = True


class PairThrottled(Throttled):
    """The provider asked us to slow down towards this customer; the message was not taken."""

    code = "pair_throttled"


class Unreachable(SendError):
    """The provider was never reached, or said that it took nothing: sending again is safe."""

    code = "unreachable"
    retryable = True


class Misconfigured(SendError):
    """Nothing was taken, nor will be, until an operator puts our account there in order (token, registration)."""

    code = "misconfigured"


class Rejected(SendError):
    """The provider refused the message for good."""

    code = "rejected"


class WindowShut(Rejected):
    """The provider says that the window is shut (131047, 63016): its clock wins over ours."""

    code = "window_shut"


class OptedOut(Rejected):
    """The customer has told the provider that they want no such messages."""

    code = "opted_out"


class BadContent(Rejected):
    """The provider does not take this content; the caller must change it."""

    code = "content_refused"


class Uncertain(SendError):
    """The request was written and no clear answer came back: it may have been sent."""

    code = "uncertain"
