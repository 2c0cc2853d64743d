"""Twilio's error codes: whether a send may be tried again, and what to tell the people who read it.

Most faults come later, by status callback and often without a text; the phrases serve there too.
A code that is missing here is final when it came with a 4xx, and of unknown outcome with a 5xx.
"""

from __future__ import annotations

from ventana.errors import BadContent, Misconfigured, OptedOut, Rejected, Throttled, Uncertain, Unreachable, WindowShut
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
    "21610": (OptedOut, "the customer has opted out"),
    "21211": (Rejected, "the customer's number is not valid"),
    "21408": (Rejected, "the account may not write to this region"),
    "21608": (Rejected, "a trial account may only write to verified numbers"),
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
    "21602": (BadContent, "the message is empty"),
    "21617": (BadContent, "the message is too long"),
    "21620": (BadContent, "the media address is not valid"),
    "21623": (BadContent, "the message has too many files"),
    "63005": (BadContent, "the channel did not accept the content"),
    "63006": (BadContent, "the channel could not format the content"),
    "63013": (BadContent, "the content breaks a policy of the channel"),
    "63019": (BadContent, "the media could not be downloaded"),
    "63021": (BadContent, "the channel found the content invalid"),
    "63026": (BadContent, "the message was taken for spam"),
    "63030": (BadContent, "the channel does not know a parameter of the message"),
    "63034": (BadContent, "the media is too large"),
    # this template
    "21654": (BadContent, "the template was not found"),
    "21655": (BadContent, "the template's id is not valid"),
    "21656": (BadContent, "the template's variables are not valid"),
    "63027": (BadContent, "the template does not exist in this language"),
    "63028": (BadContent, "the number of template parameters is wrong"),
    "63029": (BadContent, "the customer's phone could not show the template"),
    "63040": (BadContent, "the template was not approved"),
    "63041": (BadContent, "the template is paused"),
    "63042": (BadContent, "the template is disabled"),
    # our account: an operator must act
    "20003": (Misconfigured, "the credentials were not accepted"),
    "21212": (Misconfigured, "the sender's address is not valid"),
    "21606": (Misconfigured, "the sender does not belong to the account"),
    "30002": (Misconfigured, "the account is suspended"),
    "63001": (Misconfigured, "the channel did not accept its credentials"),
    "63002": (Misconfigured, "the channel does not know the sender"),
    "63007": (Misconfigured, "no channel has this sender"),
    "63008": (Misconfigured, "the channel is not set up as it should be"),
    "63020": (Misconfigured, "the business account has not accepted the invitation"),
    "63022": (Misconfigured, "the sender's certificate is not valid"),
    "63038": (Misconfigured, "the account has reached its daily limit"),
    "63062": (Misconfigured, "the account has not accepted the terms for marketing messages"),
}
