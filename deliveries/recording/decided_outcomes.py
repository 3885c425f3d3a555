"""From outcome to decision: what follows an attempt, and when, in the database's time. No statements."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http import HTTPStatus

from deliveries import dialects
from deliveries.db.sessions import clock
from deliveries.reasons import Reason, ReasonCode
from deliveries.recording import decisions
from deliveries.recording.decisions import Dead, Decision, Delivered, Retry, RetryPolicy
from deliveries.sending.sender import Sent

_STATUS = {Delivered: "delivered", Retry: "retrying", Dead: "dead"}
_UNAUTHORIZED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


@dataclass(slots=True)
class DecidedOutcome:
    """An outcome with the decision that follows, in the database's time."""

    sent: Sent
    decision: Decision
    started_at: datetime
    answered_at: datetime
    next_at: datetime | None

    @property
    def delivery_id(self) -> int:
        """The delivery's key."""
        return self.sent.row.delivery_id

    @property
    def status(self) -> str:
        """The status the delivery takes on by it."""
        return _STATUS[type(self.decision)]

    def note_late(self) -> None:
        """Let a success say that the attempt counted as interrupted before, so that it may have been sent again."""
        if isinstance(self.decision, Delivered):
            self.decision = replace(self.decision, reason=Reason(ReasonCode.DELIVERED_LATE))

    def overrule(self) -> None:
        """Let nothing follow: the claim it was sent under is no longer in force, and it is no success."""
        self.decision = replace(self.decision, reason=Reason(ReasonCode.SUPERSEDED))
        self.next_at = None


def decide_outcome(sent: Sent) -> DecidedOutcome:
    """Decide what follows an outcome, and when, by the database's clock."""
    row = sent.row
    decision = decisions.decide(_policy(sent), sent.outcome, row.tries + 1)
    if sent.outcome.status_code in _UNAUTHORIZED and row.webhook.rotated_at:
        rotated_at = row.webhook.rotated_at.isoformat()
        decision = replace(decision, reason=decision.reason.with_values(rotated_at=rotated_at))
    started_at, answered_at = clock.at(sent.started), clock.at(sent.finished)
    next_at = answered_at + timedelta(seconds=decision.delay) if isinstance(decision, Retry) else None
    return DecidedOutcome(sent, decision, started_at, answered_at, next_at)


def _policy(sent: Sent) -> RetryPolicy:
    stored = sent.row.webhook.retry_policy
    if stored:
        return RetryPolicy.from_dict(stored)
    name = sent.row.webhook.dialect
    return dialects.get(name).default_policy if name in dialects.NAMES else decisions.DEFAULT_POLICY
