"""What Lambda hands to a handler beside the event."""

from __future__ import annotations


class Context:
    """As much of it as our functions and Powertools ask for."""

    function_name = "function"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:function"
    aws_request_id = "request"

    def __init__(self, remaining: int = 30_000) -> None:
        self.remaining = remaining

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining
