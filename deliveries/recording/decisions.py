"""What follows an attempt: delivered, tried again, or dead. A pure function of policy, outcome and count.

A decision says why as data, a code and its values; `deliveries.sentences` makes the sentence.

`RetryPolicy` lives in `deliveries.retries.policy`, where the dialects can reach it too, and is exported here.
"""

import math
import random as _random
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol

from deliveries.reasons import STATUS_ERRORS, Reason, ReasonCode
from deliveries.retries.policy import DEFAULT_POLICY, Backoff, RetryPolicy

__all__ = [
    "DEFAULT_POLICY",
    "RETRY_AFTER_MAX",
    "Backoff",
    "Dead",
    "Decidable",
    "Decision",
    "Delivered",
    "Retry",
    "RetryPolicy",
    "decide",
]

RETRY_AFTER_MAX: Final = 3600.0
"""Seconds; a longer `Retry-After` is cut to this, though never below the schedule's own delay."""


class Decidable(Protocol):
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
    """The endpoint took it."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again `delay` seconds after the failure."""

    delay: float
    reason: Reason


@dataclass(frozen=True, slots=True)
class Dead:
    """No further attempt; review it. `disable_webhook`: the endpoint said it is gone for good (410)."""

    reason: Reason
    disable_webhook: bool = False


Decision = Delivered | Retry | Dead

_DELIVERED: Final = Delivered(Reason(ReasonCode.DELIVERED))


def decide(
    policy: RetryPolicy, outcome: Decidable, tries: int, *, random: Callable[[], float] = _random.random
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
    answered = status is not None and (outcome.error is None or outcome.error in STATUS_ERRORS)
    if outcome.error is None and status is not None and 200 <= status < 300:
        return _DELIVERED
    if answered and status == HTTPStatus.GONE:
        return Dead(Reason(ReasonCode.ENDPOINT_GONE), disable_webhook=True)
    if outcome.permanent:
        return Dead(Reason(ReasonCode.PERMANENT_FAILURE))
    if answered and policy.client_errors_final and status is not None and status < 500:
        return Dead(Reason(ReasonCode.FINAL_STATUS))
    if tries >= policy.max_attempts:
        return Dead(Reason(ReasonCode.ATTEMPTS_EXHAUSTED, {"of": policy.max_attempts}))
    delay, asked = _delay(policy, outcome, tries, random)
    code = ReasonCode.RETRY_AFTER_HONOURED if asked else ReasonCode.RETRY_SCHEDULED
    return Retry(delay, Reason(code, {"next": tries + 1, "of": policy.max_attempts}))


def _delay(policy: RetryPolicy, outcome: Decidable, tries: int, random: Callable[[], float]) -> tuple[float, bool]:
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
