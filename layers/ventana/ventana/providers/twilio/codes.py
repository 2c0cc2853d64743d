"""Twilio's error codes: whether a send may be tried again, and what to tell the people who read it.

Most faults come later, by status callback and often without a text; the phrases serve there too.
A code that is missing here is final when it came with a 4xx, and of unknown outcome with a 5xx.
"""

from __future__ import annotations

from ventana.errors import Rejected, Throttled, Uncertain, Unreachable, WindowShut
from ventana.providers.refusal import Codes

CODES: Codes = {
    # the request was not taken; later it may be
    "20429": (Throttled, "the account has made too many calls at once"),
    "21611": (Throttled, "the sender's queue is full"),
    "30001": (Throttled, "the queue is full"),
    "63017": (Throttled, "the channel has been used too much at once"),
    "63018": (Throttled, "the channel has been used too much at once"),
    "63009": (Unreachable, "the channel answered with an error"),
    "63010": (Unreachable, "an internal error of the channel"),
    "63012": (Unreachable, "an internal error of the channel"),
    # it may have been taken
    "20500": (Uncertain, "an internal error at the provider"),
    "20503": (Uncertain, "the service is temporarily unavailable"),
    "30410": (Uncertain, "the provider behind the channel did not answer in time"),
    # only a template may be sent
    "63016": (WindowShut, "the customer-service window is shut"),
    # this customer, now or ever
    "21211": (Rejected, "the customer's number is not valid"),
    "21408": (Rejected, "the account may not write to this region"),
    "21608": (Rejected, "a trial account may only write to verified numbers"),
    "21610": (Rejected, "the customer has opted out"),
    "21612": (Rejected, "this sender cannot reach this customer"),
    "21614": (Rejected, "the customer's number cannot receive messages"),
    "63003": (Rejected, "the customer was not found on the channel"),
    "63014": (Rejected, "the customer has blocked the message"),
    "63015": (Rejected, "the customer has not joined the sandbox"),
    "63024": (Rejected, "the customer's address is not valid"),
    "63031": (Rejected, "sender and customer are the same"),
    "63032": (Rejected, "WhatsApp does not let us write to this customer"),
    "63033": (Rejected, "the customer has blocked the business"),
    "63049": (Rejected, "the customer has had enough marketing messages for now"),
    # this message
    "21602": (Rejected, "the message is empty"),
    "21617": (Rejected, "the message is too long"),
    "21620": (Rejected, "the media address is not valid"),
    "63005": (Rejected, "the channel did not accept the content"),
    "63006": (Rejected, "the channel could not format the content"),
    "63013": (Rejected, "the content breaks a policy of the channel"),
    "63019": (Rejected, "the media could not be downloaded"),
    "63021": (Rejected, "the channel found the content invalid"),
    "63026": (Rejected, "the message was taken for spam"),
    "63027": (Rejected, "the template does not exist in this language"),
    "63028": (Rejected, "the number of template parameters is wrong"),
    "63034": (Rejected, "the media is too large"),
    "63041": (Rejected, "the template is paused"),
    "63042": (Rejected, "the template is disabled"),
    "21656": (Rejected, "the template's variables are not valid"),
    # our account: an operator must act
    "20003": (Rejected, "the credentials were not accepted"),
    "21212": (Rejected, "the sender's address is not valid"),
    "21606": (Rejected, "the sender does not belong to the account"),
    "30002": (Rejected, "the account is suspended"),
    "63001": (Rejected, "the channel did not accept its credentials"),
    "63007": (Rejected, "no channel has this sender"),
    "63020": (Rejected, "the business account has not accepted the invitation"),
    "63038": (Rejected, "the account has reached its daily limit"),
}
