"""What follows an attempt: delivered, tried again, or dead. A pure function of policy, outcome and count.

`RetryPolicy` lives in `deliveries.retries.policy`, where the dialects can reach it too, and is exported here.
"""

import math
import random as _random
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol

from deliveries.retries.policy import DEFAULT_POLICY, Backoff, RetryPolicy, duration

__all__ = [
    "DEFAULT_POLICY",
    "RETRY_AFTER_MAX",
    "Backoff",
    "Dead",
    "Decision",
    "Delivered",
    "Outcome",
    "Retry",
    "RetryPolicy",
    "decide",
    "duration",
]

RETRY_AFTER_MAX: Final = 3600.0
"""Seconds; a longer `Retry-After` is cut to this, though never below the schedule's own delay."""

_WORDS: Final = {
    "dns_failed": "The endpoint's host name could not be resolved",
    "dns_timeout": "The endpoint's host name could not be resolved in time",
    "address_refused": "The endpoint's address is not allowed as a target",
    "connect_refused": "The endpoint refused the connection",
    "connect_timeout": "The endpoint did not accept a connection in time",
    "unreachable": "The endpoint's network could not be reached",
    "tls_failed": "The endpoint's TLS certificate or handshake failed",
    "response_timeout": "The endpoint did not answer in time",
    "connection_reset": "The endpoint closed the connection without an answer",
    "invalid_response": "The endpoint's answer was not valid HTTP",
    "interrupted": "The attempt was interrupted and may have been sent",
    "internal": "The attempt failed on our side",
}
_STATUS_ERRORS: Final = {None, "http_error", "redirect"}  # the status says more than these classes do


class Outcome(Protocol):
    """The part of a transport's outcome that decides."""

    @property
    def status_code(self) -> int | None:
        """The answer's status; None when there was no answer."""

    @property
    def error(self) -> str | None:
        """The error's class; None for a 2xx."""

    @property
    def retry_after(self) -> float | None:
        """Seconds that the endpoint asked us to wait."""

    @property
    def permanent(self) -> bool:
        """The same request cannot succeed until somebody changes the webhook."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The endpoint took it. `reason`: a sentence for the log."""

    reason: str


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again `delay` seconds after the failure. `reason`: a sentence for the log."""

    delay: float
    reason: str


@dataclass(frozen=True, slots=True)
class Dead:
    """No further attempt; review it. `disable_webhook`: the endpoint said it is gone for good (410)."""

    reason: str
    disable_webhook: bool = False


Decision = Delivered | Retry | Dead


def decide(
    policy: RetryPolicy, outcome: Outcome, tries: int, *, random: Callable[[], float] = _random.random
) -> Decision:
    """Return what follows an attempt.

    Args:
        policy: The webhook's policy.
        outcome: What the attempt came to. Delivered means a 2xx without an error.
        tries: Attempts of this chain already made, this one included; from 1.
        random: Gives the jitter, in [0, 1): a wait is its delay * (1 + jitter * random()), so never shorter.

    Raises:
        ValueError: If `tries` is below 1.
    """
    if tries < 1:
        raise ValueError(f"tries counts the attempt just made, so it starts from 1, not {tries}")
    status = outcome.status_code
    answered = outcome.error in _STATUS_ERRORS and status is not None
    happened = f"The endpoint answered {status}" if answered else _failure(outcome)
    if outcome.error is None and status is not None and 200 <= status < 300:
        return Delivered(f"{happened}.")
    if answered and status == HTTPStatus.GONE:
        return Dead(f"{happened}: it wants no more deliveries, so the webhook was disabled.", disable_webhook=True)
    if outcome.permanent:
        return Dead(f"{happened}. Trying again cannot help until the webhook is changed; it waits for review.")
    if answered and policy.client_errors_final and status is not None and status < 500:
        return Dead(f"{happened}, which is final under this webhook's retry policy; it waits for review.")
    if tries >= policy.max_attempts:
        which = "only attempt" if policy.max_attempts == 1 else f"last of {policy.max_attempts} attempts"
        return Dead(f"{happened}. That was the {which}; it waits for review.")
    delay, asked = _delay(policy, outcome, tries, random)
    preference = " as the endpoint asked" if asked else ""
    return Retry(
        delay, f"{happened}; next try in {duration(delay)}{preference} (attempt {tries + 1} of {policy.max_attempts})."
    )


def _delay(policy: RetryPolicy, outcome: Outcome, tries: int, random: Callable[[], float]) -> tuple[float, bool]:
    """Return the seconds to wait, and whether `Retry-After` made them."""
    delay = policy.delays[tries - 1]
    if policy.jitter:
        delay *= 1 + policy.jitter * random()
    asked = outcome.retry_after
    if policy.honor_retry_after and asked is not None and not math.isnan(asked):
        asked = min(asked, RETRY_AFTER_MAX)
        if asked > delay:
            return asked, True
    return delay, False


def _failure(outcome: Outcome) -> str:
    if outcome.error is None:
        return "The endpoint gave no answer"
    error = str(outcome.error)
    return _WORDS.get(error, f"The attempt failed ({error})")
