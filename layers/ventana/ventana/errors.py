"""Everything that can go wrong, and who may do something about it.

VentanaError
├── BadSignature            403  nobody we know sent this webhook
├── NotConfigured           503  a secret or setting is missing; an operator must add it
├── StorageUnavailable      503  the database did not answer; the caller may repeat the request
├── BadRequest              400  the caller must change the request
│   └── NotFound            404  no such row
├── WindowClosed            409  only a template may be sent now
├── ListingFailed           502  a provider did not list its messages; the next run asks again
├── FetchError              502  a file or a contact could not be had from a provider
│   ├── Unavailable         502  it may be there later: try again
│   │   └── AskedTooMuch    502  nothing of this account should be asked for now: pause, and try again
│   └── Unacceptable        502  it is gone, too large, or not what was announced: final
└── SendError                    a provider did not take a message
    ├── Throttled                it asked us to slow down: retry
    ├── Unreachable              it was never reached: retry
    ├── Rejected                 it said no, and why: final
    │   └── WindowShut           it said that the customer-service window is shut: final, and ours shuts too
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


class WindowClosed(VentanaError):
    """The 24-hour customer-service window is shut, so free text may not be sent."""

    code = "window_closed"
    title = "The 24-hour window is closed; only a template may be sent"
    http_status = 409

    def __init__(self, closed_at: datetime | None, conversation_id: str | None = None) -> None:
        self.closed_at = closed_at
        self.conversation_id = conversation_id
        super().__init__(
            f"the window closed at {closed_at.isoformat()}" if closed_at else "the customer has never written here"
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


class Unreachable(SendError):
    """The provider was never reached, or said that it took nothing: sending again is safe."""

    code = "unreachable"
    retryable = True


class Rejected(SendError):
    """The provider refused the message for good."""

    code = "rejected"


class WindowShut(Rejected):
    """The provider says that the window is shut (131047, 63016): its clock wins over ours."""

    code = "window_shut"


class Uncertain(SendError):
    """The request was written and no clear answer came back: it may have been sent."""

    code = "uncertain"
