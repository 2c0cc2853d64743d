"""Ventana: WhatsApp support conversations of three providers, in one schema, answered inside the 24-hour window."""
