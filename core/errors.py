"""One error tree for every room, without HTTP numbers (gateway/problems.py gives them those).

HubError
├── InvalidInput            the caller sent something that cannot be read or is not allowed
│   └── InvalidUSCC         (core/identifiers.py)
├── NotAuthenticated        who asks is not proven
│   └── ProofReplayed       a one-time proof came twice
├── Refused                 understood, and the answer is no; ``reason`` is a stable word
├── NotFound                no such thing, or not the caller's
├── Conflict                it contradicts what is already there
├── TooManyRequests         ask again after ``retry_after_seconds``
└── Unavailable             a part of the hub or of the outside world is away; nothing was recorded
"""


class HubError(Exception):
    """An expected failure. ``reason`` is a stable word for machines, the message is for people."""

    def __init__(self, reason: str, message: str = "", **facts: object) -> None:
        super().__init__(message or reason)
        self.reason = reason
        self.facts = facts


class InvalidInput(HubError):
    pass


class NotAuthenticated(HubError):
    pass


class ProofReplayed(NotAuthenticated):
    pass


class Refused(HubError):
    pass


class NotFound(HubError):
    pass


class Conflict(HubError):
    pass


class TooManyRequests(HubError):
    def __init__(self, reason: str, retry_after_seconds: float) -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(HubError):
    pass
