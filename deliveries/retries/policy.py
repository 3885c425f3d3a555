"""Retry policies as data: how often a failed delivery is tried again, and after which waits.

Two JSON forms, both as the documents print them:

    {"delays": [5, 25, 125], "jitter": 0.1, "clientErrorsFinal": false, "honorRetryAfter": true}
    {"maxAttempts": 5, "backoffMultiplier": 2, "initialDelay": 1000}

The second is Litestore's: `initialDelay` in milliseconds, the wait after the n-th failure
min(initialDelay * backoffMultiplier^n, 30 s), and any answer below 500 that is not a 2xx is final.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

MAX_ATTEMPTS: Final = 20
MAX_DELAY: Final = 7 * 86400.0
"""Seconds; the longest wait before one retry."""
MAX_MULTIPLIER: Final = 100.0
BACKOFF_CEILING: Final = 30.0
"""Seconds; no wait of Litestore's form is longer."""

_OPTIONS: Final = {"jitter", "clientErrorsFinal", "honorRetryAfter"}
_BACKOFF_FIELDS: Final = ("maxAttempts", "backoffMultiplier", "initialDelay")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Litestore's `retryPolicy`; the defaults are its document's."""

    max_attempts: int = 5
    multiplier: float = 2
    initial_delay: float = 1000
    """Milliseconds."""

    def delays(self) -> tuple[float, ...]:
        """Return the seconds to wait after each failure but the last."""
        waits = (self.initial_delay / 1000 * self.multiplier**failures for failures in range(1, self.max_attempts))
        return tuple(min(wait, BACKOFF_CEILING) for wait in waits)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a failed attempt is repeated. Build one from outside data with `from_dict`, which checks everything.

    Attributes:
        delays: Seconds to wait after each failure; one attempt more than delays is made in all.
        jitter: A wait is lengthened by up to this share of it at random, never shortened; 0 to 1.
        client_errors_final: Any answer below 500 that is not a 2xx ends the chain (redirects, 408 and 429 too).
        honor_retry_after: Wait as long as `Retry-After` asks, if that is longer than the schedule's delay.
        backoff: Litestore's form that the delays were computed from, if it was given so.
    """

    delays: tuple[float, ...] = (5.0, 25.0, 125.0)
    jitter: float = 0.0
    client_errors_final: bool = False
    honor_retry_after: bool = True
    backoff: Backoff | None = None

    @property
    def max_attempts(self) -> int:
        """All attempts of a chain, the first included."""
        return len(self.delays) + 1

    @classmethod
    def from_backoff(
        cls, backoff: Backoff, jitter: float = 0.0, client_errors_final: bool = True, honor_retry_after: bool = True
    ) -> Self:
        """Return the policy of Litestore's form."""
        return cls(backoff.delays(), jitter, client_errors_final, honor_retry_after, backoff)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read either JSON form; what is left out has the form's default.

        Raises:
            ValueError: Names the field that makes no sense, and the fix.
        """
        if not isinstance(data, Mapping):
            raise ValueError('retry policy: must be an object, for example {"delays": [5, 25, 125]}.')
        is_backoff = any(field in data for field in _BACKOFF_FIELDS)
        _check_fields(data, is_backoff=is_backoff)
        jitter = _number(data.get("jitter", 0), "jitter", 0, 1, "a share of the delay")
        client_errors_final = _flag(data, "clientErrorsFinal", default=is_backoff)
        honor_retry_after = _flag(data, "honorRetryAfter", default=True)
        if is_backoff:
            return cls.from_backoff(_backoff(data), jitter, client_errors_final, honor_retry_after)
        return cls(_delays(data["delays"]), jitter, client_errors_final, honor_retry_after)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form that `from_dict` reads back to an equal policy."""
        form: dict[str, Any] = {"delays": [_whole(delay) for delay in self.delays]}
        if self.backoff is not None:
            numbers = (self.backoff.max_attempts, self.backoff.multiplier, self.backoff.initial_delay)
            form = dict(zip(_BACKOFF_FIELDS, map(_whole, numbers), strict=True))
        return form | {
            "jitter": _whole(self.jitter),
            "clientErrorsFinal": self.client_errors_final,
            "honorRetryAfter": self.honor_retry_after,
        }

    def timetable(self) -> list[float]:
        """Return the seconds to wait after the first, second, … failure, without jitter."""
        return list(self.delays)

    def describe(self) -> str:
        """Return the policy in plain words, without a full stop."""
        waits = [duration(delay) for delay in self.delays]
        if not waits:
            text = "once, at once; a failure goes to review"
        else:
            each = " and ".join([", ".join(waits[:-1]), waits[-1]]) if len(waits) > 1 else waits[0]
            text = f"at once, then {each} after each failure; then it goes to review"
        if self.jitter and waits:
            text += f"; waits are up to {self.jitter:.0%} longer at random"
        if self.client_errors_final:
            text += "; an answer below 500 that is not a 2xx is final"
        return text


DEFAULT_POLICY: Final = RetryPolicy()
"""5 s, 25 s and 125 s after each failure (Alva's document)."""


def duration(seconds: float) -> str:
    """Write a span of time for people: `2.5 s`, `125 s`, `5 min`, `5 min 18 s`, `24 h`, `3 d 2 h`."""
    if seconds < 10:
        return f"{round(seconds, 3):g} s"
    whole = round(seconds)
    if whole < 300 and whole % 60:
        return f"{whole} s"
    parts, rest = [], whole
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if unit == "d" and whole < 2 * size:
            continue
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts)


def _check_fields(data: Mapping[str, Any], *, is_backoff: bool) -> None:
    if is_backoff and "delays" in data:
        raise ValueError(f"retry policy: give either delays or {', '.join(_BACKOFF_FIELDS)}, not both.")
    if not is_backoff and "delays" not in data:
        raise ValueError('retry policy: delays is missing. Give seconds, for example {"delays": [5, 25, 125]}.')
    known = _OPTIONS | (set(_BACKOFF_FIELDS) if is_backoff else {"delays"})
    for name in data:
        if name not in known:
            raise ValueError(f"retry policy: {name} is not known. Leave it out; known are {', '.join(sorted(known))}.")


def _backoff(data: Mapping[str, Any]) -> Backoff:
    usual = Backoff()
    attempts = data.get("maxAttempts", usual.max_attempts)
    if type(attempts) is not int or not 1 <= attempts <= MAX_ATTEMPTS:
        raise ValueError(f"maxAttempts: must be a whole number from 1 to {MAX_ATTEMPTS}, not {attempts!r}.")
    multiplier = data.get("backoffMultiplier", usual.multiplier)
    initial = data.get("initialDelay", usual.initial_delay)
    return Backoff(
        attempts,
        _number(multiplier, "backoffMultiplier", 1, MAX_MULTIPLIER, "how many times longer each wait is"),
        _number(initial, "initialDelay", 0, BACKOFF_CEILING * 1000, "milliseconds"),
    )


def _delays(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"delays: must be a list of seconds like [5, 25, 125], not {value!r}.")
    if len(value) >= MAX_ATTEMPTS:
        raise ValueError(f"delays: at most {MAX_ATTEMPTS - 1} retries; {len(value)} are too many. Leave some out.")
    return tuple(_number(delay, f"delays[{i}]", 0, MAX_DELAY, "seconds") for i, delay in enumerate(value))


def _number(value: Any, field: str, least: float, most: float, unit: str) -> float:
    if type(value) not in (int, float) or not least <= value <= most:  # NaN lies in no range
        raise ValueError(f"{field}: must be a number from {least:g} to {most:.0f} ({unit}), not {value!r}.")
    return float(value)


def _flag(data: Mapping[str, Any], field: str, *, default: bool) -> bool:
    value = data.get(field, default)
    if not isinstance(value, bool):
        raise ValueError(f"{field}: must be true or false, not {value!r}.")
    return value


def _whole(number: float) -> float:
    return int(number) if number == int(number) else number
