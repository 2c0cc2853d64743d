"""Twilio's webhook: verify, parse, record, acknowledge, all in ventana.webhook."""

from ventana.webhook import webhook

handler = webhook("twilio")
