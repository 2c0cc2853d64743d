"""Meta's error codes: whether a send may be tried again, and what to tell the people who read it.

Meta's own texts name phone numbers at times, and its HTTP status says nothing: throttling comes as a 400.
A code that is missing here is final when it came with a 4xx, and of unknown outcome with a 5xx.

https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes
"""

from __future__ import annotations

from ventana.errors import (
    BadContent,
    Misconfigured,
    OptedOut,
    PairThrottled,
    Rejected,
    Throttled,
    Uncertain,
    Unreachable,
    WindowShut,
)
from ventana.providers.refusal import Codes

NO_SUCH_NUMBER = "100/33"
"""A code with its subcode: alone, 100 is about a parameter of the message."""

CODES: Codes = {
    # the request was not taken; later it may be
    "4": (Throttled, "the app has made too many calls"),
    "80007": (Throttled, "the business account has made too many calls"),
    "130429": (Throttled, "the number has sent too much at once"),
    "131056": (PairThrottled, "too many messages to this customer at once"),
    "131057": (Unreachable, "the number is under maintenance"),
    "133004": (Unreachable, "the server is temporarily unavailable"),
    # it may have been taken
    "1": (Uncertain, "an unknown error at the provider"),
    "2": (Uncertain, "the service is temporarily unavailable"),
    "131000": (Uncertain, "something went wrong at the provider"),
    "131016": (Uncertain, "the service is overloaded"),
    "135000": (Uncertain, "an unknown error with the request"),
    # only a template may be sent
    "131047": (WindowShut, "the customer-service window is shut"),
    # the customer has decided
    "131050": (OptedOut, "the customer has stopped marketing messages"),
    # this customer, now or ever: nothing is wrong with other customers' messages
    "130472": (Rejected, "the customer is part of an experiment and gets no such messages"),
    "130497": (Rejected, "the account may not write to this country"),
    "131021": (Rejected, "a number cannot write to itself"),
    "131026": (Rejected, "the customer cannot be reached on WhatsApp"),
    "131030": (Rejected, "a test number may only write to listed recipients"),
    "131049": (Rejected, "the customer has had enough marketing messages for now"),
    "131064": (Rejected, "the message cannot be delivered to the customer now"),
    "134101": (Rejected, "the message cannot be delivered to the customer now"),
    "137000": (Rejected, "the customer's identity has changed"),
    # not now, and later only if people complain less: trying again would make it worse
    "131048": (Rejected, "sending is restricted after reports of spam"),
    # this message
    "100": (BadContent, "the request has a wrong parameter"),
    "131008": (BadContent, "the request lacks a parameter"),
    "131009": (BadContent, "a parameter has a wrong value"),
    "131051": (BadContent, "this type of message is not supported"),
    "131052": (BadContent, "the media could not be fetched"),
    "131053": (BadContent, "the media could not be taken"),
    "131062": (BadContent, "this template cannot be sent to a user id"),
    "131063": (BadContent, "this message cannot be sent as it is"),
    "132000": (BadContent, "the number of template parameters is wrong"),
    "132001": (BadContent, "the template does not exist in this language"),
    "132005": (BadContent, "the text of the template is too long"),
    "132007": (BadContent, "the template breaks a policy"),
    "132008": (BadContent, "a template parameter breaks a policy"),
    "132012": (BadContent, "a template parameter has a wrong format"),
    "132015": (BadContent, "the template is paused"),
    "132016": (BadContent, "the template is disabled"),
    "132018": (BadContent, "a template parameter holds a line break, a tab or too many spaces"),
    "132068": (BadContent, "the flow is blocked"),
    "132069": (BadContent, "the flow is sent too often"),
    # our account or number: an operator must act, and no message of the number goes until then
    **{str(code): (Misconfigured, "the access token lacks a permission") for code in range(200, 300)},
    "0": (Misconfigured, "the access token was not accepted"),
    "3": (Misconfigured, "the app lacks a capability"),
    "10": (Misconfigured, "the app lacks a permission"),
    "33": (Misconfigured, "the number does not exist any more"),
    NO_SUCH_NUMBER: (Misconfigured, "the number does not exist, or the access token may not use it"),
    "190": (Misconfigured, "the access token has expired"),
    "368": (Misconfigured, "the account is blocked for breaking a policy"),
    "131005": (Misconfigured, "access was denied"),
    "131031": (Misconfigured, "the account is locked"),
    "131037": (Misconfigured, "the number's display name is not approved"),
    "131042": (Misconfigured, "the account has a problem with its payment method"),
    "131045": (Misconfigured, "the number is not registered with a certificate"),
    "133010": (Misconfigured, "the number is not registered"),
    "133016": (Misconfigured, "the number was registered too often and is locked"),
}
