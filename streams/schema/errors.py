"""Errors, named for the reaction they ask for. Anything else that is raised is a bug: crash, be restarted."""

from __future__ import annotations


class RejectedEvent(Exception):
    """Dead-letter the event and go on.

    reason: one of streams.schema.events.Reason; path: where in the event (``$.zones[2].people``), "" if whole.
    """

    def __init__(self, reason: str, detail: str, path: str = "") -> None:
        super().__init__(f"{reason} at {path}: {detail}" if path else f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.path = path


class RetryLater(Exception):
    """A server is away: pause, lose nothing, try again."""

    def __init__(self, detail: str, retry_after_s: float = 1.0) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class ConfigurationInvalid(Exception):
    """Refuse to start. ``path`` leads into the file or names the variable; ``detail`` says what would be right."""

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(f"{path}: {detail}")
        self.path = path
        self.detail = detail


class IllegalTransition(Exception):
    """Record it, keep the state."""
