"""Showing a customer that their message was read, or that an answer is being written.

https://developers.facebook.com/docs/whatsapp/cloud-api/typing-indicators
"""

from __future__ import annotations

from ventana.http import Transport
from ventana.providers.meta.send import posted, refused
from ventana.providers.reading import Object
from ventana.secrets import ProviderSecrets

KINDS = frozenset({"read", "typing"})
"""Meta shows writing as a part of the read mark, for 25 seconds or until the answer comes."""


def indicate(
    kind: str, provider_message_id: str, business_address: str, secrets: ProviderSecrets, http: Transport
) -> None:
    """Show it at this message of the customer. Raises SendError; nothing is ever lost by that."""
    body: Object = {"messaging_product": "whatsapp", "status": "read", "message_id": provider_message_id}
    if kind == "typing":
        body["typing_indicator"] = {"type": "text"}
    reply = http(posted(body, business_address, secrets))
    if not 200 <= reply.status < 300:
        raise refused(reply)
