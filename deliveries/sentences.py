"""What people read of the engine's reasons: one table, code → sentence, for pages, API, notifications and explanations.

Rows hold codes (`deliveries.reasons`), and their sentences are made when they are read. A code or a value that this
release does not know, written by a newer one beside it, is still worded, if less well.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from typing import Any, Final

from deliveries.reasons import STATUS_ERRORS, ReasonCode
from deliveries.retries.policy import duration

SENTENCES: Final[Mapping[str, str]] = {
    ReasonCode.DELIVERED: "{happened}.",
    ReasonCode.RETRY_SCHEDULED: "{happened}; next try in {delay} (attempt {next} of {of}).",
    ReasonCode.RETRY_AFTER_HONOURED: "{happened}; next try in {delay} as your endpoint asked (attempt {next} of {of}).",
    ReasonCode.ATTEMPTS_EXHAUSTED: "{happened}. That was the {last}; it waits for review.",
    ReasonCode.FINAL_STATUS: "{happened}, which is final under this webhook's retry policy; it waits for review.",
    ReasonCode.ENDPOINT_GONE: "{happened}: it wants no more deliveries, so the webhook was disabled.",
    ReasonCode.PERMANENT_FAILURE: (
        "{happened}. Trying again cannot help until the webhook is changed; it waits for review."
    ),
    ReasonCode.ACKNOWLEDGED: "It was fetched from the feed and acknowledged by {by}.",
    ReasonCode.DELIVERED_LATE: (
        "{happened}. This was recorded after the attempt had counted as interrupted, so it may have been sent again."
    ),
    ReasonCode.SUPERSEDED: "It ended after the delivery had been taken over or closed, so nothing followed from it.",
    ReasonCode.SENT_AGAIN: "It is sent again now.",
    ReasonCode.WORKER_DIED: "Its worker died {times} times in a row while sending it; it waits for review.",
    ReasonCode.DELIVERED_EARLIER: "It is delivered: an earlier attempt's success was recorded late.",
    ReasonCode.DISABLED_AT_PUBLISH: "The webhook was disabled when the event was published{because}.",
    ReasonCode.FILTERED: "Filtered out: the filter {filter!r} is {result} for this event.",
    ReasonCode.FILTER_NOT_EVALUATED: "Skipped: the filter {filter!r} can't be evaluated for this event: {reason}.",
    ReasonCode.DEBOUNCED: (
        "Debounced: the chosen fields equal those of the last event sent. "
        "Choose a field that always changes, such as updated_at, to receive every event."
    ),
    ReasonCode.WEBHOOK_DELETED: "The webhook was deleted before this could be delivered.",
    ReasonCode.WEBHOOK_DISABLED: "The webhook was disabled before this could be delivered.{why}",
    ReasonCode.EXPIRED: (
        "Expired: it was {age} old when its turn came; what is older than {limit} is not sent to this webhook."
    ),
    ReasonCode.CANCELLED: "Cancelled by {by}.",
    ReasonCode.DISCARDED: "Discarded by {by}.{note}",
    ReasonCode.EXPUNGED: "The event's payload was expunged by {by}.",
    ReasonCode.ANSWERED_WITH_SUCCESS: "Delivered; your endpoint answered {status}.",
    ReasonCode.FETCHED: "Delivered; it was fetched from the feed and acknowledged.",
    ReasonCode.PAUSED: "The webhook was paused on {since}{actor}; the event is sent when somebody resumes it.",
    ReasonCode.PAUSED_BY_ITSELF: (
        "The webhook was paused on {since}{actor}; from time to time a delivery is tried, and the event is sent as "
        "soon as one succeeds or somebody resumes it."
    ),
    ReasonCode.NEXT_IN_ORDER: "It is the next in its line and is sent in a moment.",
    ReasonCode.BEHIND_ANOTHER: "It waits in line behind {ahead}, which is {state}.",
    ReasonCode.AWAITS_FIRST_ATTEMPT: "It waits for its first attempt.",
    ReasonCode.AWAITS_RETRY: "Attempt {attempt} failed ({failure}); the next one follows.",
    ReasonCode.AWAITS_AFTER_INTERRUPTION: (
        "Attempt {attempt} was interrupted and may have been sent; it is sent again under the same message id."
    ),
    ReasonCode.AWAITS_REPLAY: "It was asked for again and is sent in a moment.",
    ReasonCode.AWAITS_FETCH: "It waits in the feed to be fetched.",
    ReasonCode.AWAITS_ACKNOWLEDGEMENT: (
        "It was fetched from the feed; the next request with a cursor behind it acknowledges it."
    ),
    ReasonCode.BEING_SENT: "It is being sent right now.",
    ReasonCode.FILTER_ASKED_FOR: "Filtered: {found}.",
    ReasonCode.WEBHOOK_NEWER: "The webhook was made after the event.",
    ReasonCode.SUBSCRIBED_LATER: "It listens to {pattern} only since after the event.",
    ReasonCode.SUBSCRIPTION_ENDED: "It stopped listening to {pattern} before the event.",
    ReasonCode.NOT_SUBSCRIBED: "Not subscribed: it listened to {patterns}.",
}
ROTATED: Final = (
    "The webhook's secret was rotated on {:%d %B %Y at %H:%M} UTC: does your endpoint know the one in force?"
)

ERRORS: Final[Mapping[str, str]] = {
    "dns_failed": "Your endpoint's host name could not be resolved",
    "dns_timeout": "Your endpoint's host name could not be resolved in time",
    "address_refused": "Your endpoint's address is not allowed as a target",
    "connect_refused": "Your endpoint refused the connection",
    "connect_timeout": "Your endpoint did not accept a connection in time",
    "unreachable": "Your endpoint's network could not be reached",
    "tls_failed": "Your endpoint's TLS certificate or handshake failed",
    "response_timeout": "Your endpoint did not answer in time",
    "connection_reset": "Your endpoint closed the connection without an answer",
    "invalid_response": "Your endpoint's answer was not valid HTTP",
    "certificate_refused": "Your endpoint did not accept the client certificate",
    "certificate_expired": "The client certificate has expired",
    "token_unavailable": "The token server gave no token",
    "token_refused": "The token server refused a token",
    "transformation_failed": "The webhook's transformation gave no message",
    "destination_missing": "There is no such bus, queue or topic",
    "access_denied": "The destination denied access",
    "throttled": "The destination takes no more messages at the moment",
    "too_large": "The message is larger than the destination takes",
    "destination_refused": "The destination refused the message",
    "destination_failed": "The destination failed to take the message",
    "interrupted": "The attempt was interrupted and may have been sent",
    "internal": "The attempt failed on our side",
}

_DIED = (
    "The worker that was sending this died or lost the database before the answer was recorded; "
    "the request may have reached your endpoint. "
)
_ORPHANED: Final[Mapping[str, str]] = {
    ReasonCode.SENT_AGAIN: f"{_DIED}It is sent again under the same message id.",
    ReasonCode.DELIVERED_EARLIER: (
        "It was being sent again when the success of an earlier attempt, delayed by an outage, was recorded; "
        "the request may have reached your endpoint."
    ),
}
_ABANDONED: Final = f"{_DIED}It is not sent again."

UNKNOWN: Final = "…"
"""Stands for a value that the row doesn't hold."""


def sentence(
    code: str,
    values: Mapping[str, Any] | None = None,
    *,
    status_code: int | None = None,
    error: str = "",
    delay: float | None = None,
) -> str:
    """Return a reason as people read it; empty for an empty code.

    Args:
        code: The reason's code, as the row holds it.
        values: Its values, as the row holds them.
        status_code: The answer's status; None when there was no answer.
        error: The attempt's error class; empty for none.
        delay: Seconds until the next attempt.
    """
    if not code:
        return ""
    values = values or {}
    template = SENTENCES.get(code, "{code}.")
    fields = _Fields(
        values,
        code=code.replace("_", " ").capitalize(),
        happened=_happened(status_code, error),
        failure=status_code or error.replace("_", " "),
        status=status_code,
        last="only attempt" if values.get("of") == 1 else f"last of {values.get('of', UNKNOWN)} attempts",
        patterns=values.get("patterns") or "nothing",
        actor=f" by {values['by']}" if values.get("by") else "",
        why=f" {values['why']}" if values.get("why") else "",
        reason=values.get("why") or UNKNOWN,
        because=f": {str(values['why']).rstrip('.')}" if values.get("why") else "",
        note=f" {values['note']}" if values.get("note") else "",
    )
    for name in ("age", "limit"):
        if name in values:
            fields[name] = duration(values[name])
    if delay is not None:
        fields["delay"] = duration(delay)
    if "since" in values:
        fields["since"] = f"{datetime.fromisoformat(values['since']).astimezone(UTC):%-d %B at %H:%M} UTC"
    text = template.format_map(fields)
    if "rotated_at" in values:
        text += " " + ROTATED.format(datetime.fromisoformat(values["rotated_at"]).astimezone(UTC))
    return text


@cache
def answered(status_code: int) -> str:
    """Return what an endpoint answered, in our words and never in its own: they go into logs and pages."""
    try:
        phrase = f"{status_code} {HTTPStatus(status_code).phrase}"
    except ValueError:
        phrase = str(status_code)
    return f"Your endpoint answered {phrase}."


def orphaned(code: str) -> str:
    """Return what happened to an attempt whose worker died, by the code of what follows from it."""
    return _ORPHANED.get(code, _ABANDONED)


class _Fields(dict[str, Any]):
    """What a template may name; anything else is written as UNKNOWN."""

    def __missing__(self, _name: str) -> str:
        return UNKNOWN


def _happened(status_code: int | None, error: str) -> str:
    """Return what came of the attempt, without a full stop."""
    if status_code is not None and (not error or error in STATUS_ERRORS):
        return f"Your endpoint answered {status_code}"
    if not error:
        return "Your endpoint gave no answer"
    return ERRORS.get(error, f"The attempt failed ({error})")


def counted(number: int, noun: str, many: str = "") -> str:
    """Return a number with its noun: `1 attempt`, `2,000 attempts`; `many` is the plural of one that takes no s."""
    return f"{number:,} {noun if number == 1 else many or noun + 's'}"
