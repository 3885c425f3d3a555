"""The things that are promised about: webhooks, deliveries, requests on their way, and what endpoints answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from deliveries.reasons import ReasonCode

PENDING, SENDING, RETRYING = "pending", "sending", "retrying"
DELIVERED, DEAD, DISCARDED = "delivered", "dead", "discarded"
SKIPPED, CANCELLED = "skipped", "cancelled"
OPEN = {PENDING, SENDING, RETRYING}
CLOSED = {DELIVERED, DEAD, DISCARDED, SKIPPED, CANCELLED}
ORPHANED_ATTEMPTS_MAX = 3
SECRETS_MAX = 3
HELD = 10**9
"""When a delivery is due that waits in line behind another."""
LONG_BEFORE = 10**6
"""Steps; older than anything is kept, or sent."""
Number = int | str | None
"""What an event's data holds as `n`; None: it holds no `n`."""


def everything(number: Number) -> str:
    """Return why a webhook without a filter doesn't get an event: never."""
    return ""


class Refused(Exception):
    """What was asked for is not allowed now, and must change nothing."""


@dataclass(frozen=True, repr=False)
class Answer:
    """What an endpoint says to a request. `wait`: the steps that its Retry-After asks for."""

    name: str
    delivered: bool = False
    silent: bool = False
    final: bool = False
    gone: bool = False
    wait: int = 0

    def __repr__(self) -> str:
        return self.name


@dataclass
class Hook:
    """A webhook.

    `delays`: steps to wait after each failure. `step_rate`: it is sent one request a step at most. `ordering`: what it
    wants in order, "webhook" or "resource". `refuses`: why its filter keeps an event of this number back, or "".
    `expires`: steps after which nothing is sent any more. `chose`: it gets the number alone, and no repetitions of
    `last_sent`, by resource.
    """

    key: int
    cap: int
    delays: tuple[int, ...]
    step_rate: bool
    ordering: str
    secrets: dict[str, int | None]
    refuses: Callable[[Number], str] = everything
    expires: int | None = None
    chose: bool = False
    last_sent: dict[str, Number] = field(default_factory=dict)
    enabled: bool = True
    paused: bool = False
    deleted: bool = False
    window: int = 1
    blocked_until: int = 0

    def line_of(self, resource: str) -> str | None:
        """Return the line of what concerns a resource; None for what keeps no order."""
        return {"webhook": "", "resource": resource or None}.get(self.ordering)

    def repeats(self, resource: str, number: Number) -> bool:
        """Tell whether what would be sent equals what was sent last; if not, it is from now on."""
        if not self.chose or number is None:
            return False
        if self.last_sent.get(resource) == number:
            return True
        self.last_sent[resource] = number
        return False

    def sends(self, now: int) -> bool:
        return self.enabled and not self.paused and not self.deleted and self.blocked_until <= now

    def signs_with(self, now: int) -> list[str]:
        return [text for text, until in self.secrets.items() if until is None or until > now]


@dataclass(eq=False)
class Row:
    """A delivery.

    `line`: those of its webhook with the same line keep their order. `log`: (attempt's number, result), in any order.
    `dead letters`: how each of its reviews ended. `born`: when it was published. `why`: why it is skipped or cancelled.
    """

    key: int
    event: int
    hook: Hook
    line: str | None
    status: str
    due: int | None
    born: int
    why: str = ""
    token: int | None = None
    tries: int = 0
    attempts: int = 0
    replays: int = 0
    orphaned_attempts: int = 0
    log: list[tuple[int, str]] = field(default_factory=list)
    dead_letters: list[str] = field(default_factory=list)
    closed_long_ago: bool = False

    def close(self, status: str, why: str = "") -> None:
        """Close it. Whatever a claim on it that ran out may have sent stays in the log.

        What is given up unsent is no longer what was sent last.
        """
        if self.token is not None:
            self.interrupted()
        self.status, self.due, self.token, self.why = status, None, None, why
        if status in {CANCELLED, SKIPPED}:
            self.hook.last_sent.clear()
        if status == DEAD:
            self.dead_letters.append("")

    def is_too_old(self, now: int) -> bool:
        """Tell whether it may not be sent any more; what a person replayed always may."""
        limit = self.hook.expires
        return limit is not None and not self.replays and now - self.born > limit

    def expire(self) -> None:
        self.close(CANCELLED, ReasonCode.EXPIRED)

    def interrupted(self) -> None:
        self.attempts += 1
        self.log.append((self.attempts, "interrupted"))

    def told(self, attempt: int, result: str) -> None:
        """Log an outcome, in the place of the line that called the attempt interrupted, if there is one."""
        self.log = [line for line in self.log if line != (attempt, "interrupted")] + [(attempt, result)]

    def resolve(self, resolution: str) -> None:
        self.dead_letters = [each or resolution for each in self.dead_letters]


@dataclass(eq=False, repr=False)
class Flight:
    """A request that a worker was given to make: the product's own `Claimed`, and until when it is the only one."""

    claimed: Any
    row: Row
    token: int
    attempt: int
    tries: int
    window: int
    until: int

    def __repr__(self) -> str:
        return f"attempt {self.attempt} of {self.row.key}"
