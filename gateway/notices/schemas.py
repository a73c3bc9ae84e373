"""What a bank that polls gets."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from consent import Told, event_content, event_type


class EventOut(BaseModel):
    event_id: int = Field(description="ever growing; of two events of a consent the greater is the later")
    type: str = Field(description="consent.approved, .approved_in_part, .rejected, .withdrawn, .paused, …")
    at: datetime
    consent_id: UUID
    state: str = Field(description="of the consent after the event")
    by: str = Field(description="enterprise, participant (a bank, that is you) or hub (time or use ended it)")
    valid_until: datetime | None = Field(None, description="with consent.approved and consent.reminded")
    superseded_by: UUID | None = Field(None, description="with consent.superseded")
    set: str = Field(description="the same as a signed Security Event Token (RFC 8417), checked with /jwks")

    @classmethod
    def of(cls, told: Told, token: str) -> "EventOut":
        return cls(
            event_id=told.event_id, type=event_type(told), at=told.at, set=token, **event_content(told)
        )


class EventsOut(BaseModel):
    events: list[EventOut]
    next: int = Field(description="give it as `after` next time")
    more: bool = Field(description="there is more already: ask again at once")

    @classmethod
    def of(cls, told: Sequence[Told], tokens: Sequence[str], *, after: int, limit: int) -> "EventsOut":
        return cls(
            events=[EventOut.of(one, token) for one, token in zip(told, tokens, strict=True)],
            next=told[-1].event_id if told else after,
            more=len(told) == limit,
        )
