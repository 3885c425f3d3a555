"""Reasons as data: why the engine tried again, closed or skipped a delivery. `deliveries.sentences` words them.

The database keeps the code and the values, so codes are never renamed: rows of earlier releases hold them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

Value = str | int | float

CODE_MAX: Final = 40
"""Characters of the longest code that the database takes."""
STATUS_ERRORS: Final = frozenset({"http_error", "redirect"})
"""Error classes that only repeat the answer's status; with any other, the error says what happened."""
DISABLED_AS_GONE: Final = "The endpoint answered 410 Gone."
"""The `disabled_reason` of a webhook that the engine disabled. It is stored and compared with: never reword it."""


AUTO_PAUSE: Final = "auto-pause: "
"""How the record of who paused or resumed a webhook begins where nobody did: stored and compared with."""


class ReasonCode(StrEnum):
    """Why. Behind each stand the values it comes with; `rotated_at` (ISO 8601) may come with any decision."""

    # What follows from an attempt's outcome
    DELIVERED = "delivered"
    RETRY_SCHEDULED = "retry_scheduled"  # next: number of the next try of this chain; of: tries the policy allows
    RETRY_AFTER_HONOURED = "retry_after_honoured"  # next, of: as above; the endpoint's Retry-After made the wait
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"  # of: tries the policy allows
    FINAL_STATUS = "final_status"
    ENDPOINT_GONE = "endpoint_gone"
    PERMANENT_FAILURE = "permanent_failure"
    ACKNOWLEDGED = "acknowledged"  # by: who fetched it from the feed
    DELIVERED_LATE = "delivered_late"  # the claim it was sent under had ended, and the log called it interrupted
    SUPERSEDED = "superseded"  # the claim it was sent under had ended

    # What follows from an orphaned attempt
    SENT_AGAIN = "sent_again"
    WORKER_DIED = "worker_died"  # times: in a row
    DELIVERED_EARLIER = "delivered_earlier"

    # Why nothing is sent
    DISABLED_AT_PUBLISH = "disabled_at_publish"  # why: what whoever disabled the webhook said, or empty
    FILTERED = "filtered"  # filter: the expression; result: what it gave, JSON
    FILTER_NOT_EVALUATED = "filter_not_evaluated"  # filter: the expression; why: without a full stop
    DEBOUNCED = "debounced"
    WEBHOOK_DELETED = "webhook_deleted"
    WEBHOOK_DISABLED = "webhook_disabled"  # why: as above
    EXPIRED = "expired"  # age, limit: seconds
    CANCELLED = "cancelled"  # by: a person or an API key
    DISCARDED = "discarded"  # by; note: may be empty
    EXPUNGED = "expunged"  # by

    # What only explanations say, from the rows as they are now; never stored
    ANSWERED_WITH_SUCCESS = "answered_with_success"
    FETCHED = "fetched"
    PAUSED = "paused"  # since: ISO 8601; by: may be empty
    PAUSED_BY_ITSELF = "paused_by_itself"  # since, by: as above
    NEXT_IN_ORDER = "next_in_order"
    BEHIND_ANOTHER = "behind_another"  # ahead: its public id; state: its status, as people read it
    AWAITS_FIRST_ATTEMPT = "awaits_first_attempt"
    AWAITS_RETRY = "awaits_retry"  # attempt: number of the failed one
    AWAITS_AFTER_INTERRUPTION = "awaits_after_interruption"  # attempt: number of the interrupted one
    AWAITS_REPLAY = "awaits_replay"
    AWAITS_FETCH = "awaits_fetch"
    AWAITS_ACKNOWLEDGEMENT = "awaits_acknowledgement"
    BEING_SENT = "being_sent"
    FILTER_ASKED_FOR = "filter_asked_for"  # found: what the filter compared
    WEBHOOK_NEWER = "webhook_newer"
    SUBSCRIBED_LATER = "subscribed_later"  # pattern
    SUBSCRIPTION_ENDED = "subscription_ended"  # pattern
    NOT_SUBSCRIBED = "not_subscribed"  # patterns: what it listened to, may be empty


_CODES: Final = frozenset(ReasonCode)


@dataclass(frozen=True, slots=True)
class Reason:
    """A code with its values. What the attempt's or delivery's row holds anyway (status, error) isn't among them."""

    code: ReasonCode
    values: Mapping[str, Value] = field(default_factory=dict)

    def with_values(self, **more: Value) -> Reason:
        """Return the same reason with further values."""
        return Reason(self.code, {**self.values, **more})


def stored(code: str, values: Mapping[str, Value] | None) -> Reason | None:
    """Return the reason that a row holds; None for none, or for a code that this release doesn't know."""
    return Reason(ReasonCode(code), values or {}) if code in _CODES else None


def columns(reason: Reason | None) -> tuple[str, dict[str, Value] | None]:
    """Return code and values as the database keeps them: an empty code for none, NULL where there are no values."""
    if reason is None:
        return "", None
    return reason.code.value, dict(reason.values) or None


def changes(reason: Reason | None) -> dict[str, Any]:
    """Return the changes of an `update()` that give a delivery this reason, or none."""
    code, values = columns(reason)
    return {"reason_code": code, "reason_values": values}
