"""Meta's error codes: whether a send may be tried again, and what to tell the people who read it.

Meta's own texts name phone numbers at times, and its HTTP status says nothing: throttling comes as a 400.
A code that is missing here is final when it came with a 4xx, and of unknown outcome with a 5xx.
"""

from __future__ import annotations

from ventana.errors import Rejected, Throttled, Uncertain, Unreachable, WindowShut
from ventana.providers.refusal import Codes

CODES: Codes = {
    # the request was not taken; later it may be
    "4": (Throttled, "the app has made too many calls"),
    "80007": (Throttled, "the business account has made too many calls"),
    "130429": (Throttled, "the number has sent too much at once"),
    "131056": (Throttled, "too many messages to this customer at once"),
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
    # this customer, now or ever
    "130472": (Rejected, "the customer is part of an experiment and gets no such messages"),
    "131021": (Rejected, "a number cannot write to itself"),
    "131026": (Rejected, "the customer cannot be reached on WhatsApp"),
    "131030": (Rejected, "a test number may only write to listed recipients"),
    "131048": (Rejected, "sending is restricted after reports of spam"),
    "131049": (Rejected, "the customer has had enough marketing messages for now"),
    "131050": (Rejected, "the customer has stopped marketing messages"),
    "131062": (Rejected, "this template cannot be sent to a user id"),
    "137000": (Rejected, "the customer's identity has changed"),
    # this message
    "100": (Rejected, "the request has a wrong parameter"),
    "131008": (Rejected, "the request lacks a parameter"),
    "131009": (Rejected, "a parameter has a wrong value"),
    "131051": (Rejected, "this type of message is not supported"),
    "131052": (Rejected, "the customer's media could not be fetched"),
    "131053": (Rejected, "the media could not be taken"),
    "132000": (Rejected, "the number of template parameters is wrong"),
    "132001": (Rejected, "the template does not exist in this language"),
    "132005": (Rejected, "the text of the template is too long"),
    "132007": (Rejected, "the template breaks a policy"),
    "132012": (Rejected, "a template parameter has a wrong format"),
    "132015": (Rejected, "the template is paused"),
    "132016": (Rejected, "the template is disabled"),
    # our account: an operator must act
    "0": (Rejected, "the access token was not accepted"),
    "3": (Rejected, "the app lacks a capability"),
    "10": (Rejected, "the app lacks a permission"),
    "190": (Rejected, "the access token has expired"),
    "368": (Rejected, "the account is blocked for breaking a policy"),
    "130497": (Rejected, "the account may not write to this country"),
    "131005": (Rejected, "access was denied"),
    "131031": (Rejected, "the account is locked"),
    "131037": (Rejected, "the number's display name is not approved"),
    "131042": (Rejected, "the account has a problem with its payment method"),
    "131045": (Rejected, "the number is not registered with a certificate"),
    "133010": (Rejected, "the number is not registered"),
    "133016": (Rejected, "the number was registered too often and is locked"),
}
