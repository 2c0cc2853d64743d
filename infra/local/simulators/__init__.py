"""The three providers as a gateway meets them: they take sends, report what became of them, and write as customers.

Nothing here imports ventana: signatures and payloads are made a second time, from the providers' documentation, so
that a misreading on one side shows.
"""
