"""Settings as people write them in a text box, and back: headers by line, fields by comma, waits like `5s, 2m, 1h`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

_WAIT = re.compile(r"(\d+(?:\.\d+)?)\s*(s|sec|seconds?|m|min|minutes?|h|hours?|d|days?)?", re.IGNORECASE)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def headers_of(text: str) -> dict[str, str]:
    """Read `Name: value` lines. Raises ValueError naming the line that isn't one."""
    headers: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise ValueError(f"Line {number} is not a header. Write it as “X-Shop: 42”.")
        if name.strip() in headers:
            raise ValueError(f"Line {number} repeats {name.strip()}. Keep one of them.")
        headers[name.strip()] = value.strip()
    return headers


def headers_text(headers: Mapping[str, str]) -> str:
    """Write headers a line each."""
    return "\n".join(f"{name}: {value}" for name, value in headers.items())


def words_of(text: str) -> list[str]:
    """Read words separated by commas, spaces or lines, each once."""
    return list(dict.fromkeys(word for word in re.split(r"[\s,]+", text) if word))


def words_text(words: Iterable[str]) -> str:
    """Write words a line each."""
    return "\n".join(words)


def policy_of(text: str) -> dict[str, Any] | None:
    """Read a retry policy: waits such as `5s, 25s, 2m`, or a policy in JSON. Empty means the dialect's own (None).

    Raises ValueError naming the wait that isn't one.
    """
    text = text.strip()
    if not text:
        return None
    if text.startswith("{"):
        try:
            return json.loads(text)
        except ValueError as error:
            raise ValueError(f"This is not JSON: {error}. Write waits like “5s, 25s, 2m” instead.") from None
    return {"delays": [_seconds(part) for part in re.split(r"[,;]", text) if part.strip()]}


def policy_text(policy: Mapping[str, Any] | None) -> str:
    """Write a retry policy as waits where it is nothing more, else as JSON."""
    if policy is None:
        return ""
    rest = {key: value for key, value in policy.items() if key != "delays"}
    plain = {"jitter": 0, "clientErrorsFinal": False, "honorRetryAfter": True}
    if "delays" in policy and all(plain.get(key, ...) == value for key, value in rest.items()):
        return ", ".join(wait_text(delay) for delay in policy["delays"])
    return json.dumps(policy)


def seconds_of(text: str) -> float | None:
    """Read a length of time such as `24h`; None for nothing. Raises ValueError when it isn't one."""
    return _seconds(text) if text.strip() else None


def wait_text(seconds: float) -> str:
    """Write a duration in its largest whole unit: 7200 → `2h`."""
    for unit in ("d", "h", "m"):
        if seconds >= _UNITS[unit] and seconds % _UNITS[unit] == 0:
            return f"{int(seconds // _UNITS[unit])}{unit}"
    return f"{seconds:g}s"


def wait_words(wait: timedelta) -> str:
    """Write a duration in words, in its largest whole unit but never a single day: `24 hours`, `3 days`."""
    seconds = wait.total_seconds()
    for unit, length, least in (("day", 86_400, 2), ("hour", 3600, 1), ("minute", 60, 1)):
        if seconds >= least * length and seconds % length == 0:
            return f"{seconds / length:g} {unit}{'' if seconds == length else 's'}"
    return f"{seconds:g} seconds"


def _seconds(part: str) -> float:
    match = _WAIT.fullmatch(part.strip())
    if match is None:
        raise ValueError(f"“{part.strip()}” is not a wait. Write waits like “5s, 25s, 2m, 1h”, separated by commas.")
    seconds = float(match[1]) * _UNITS[(match[2] or "s")[0].lower()]
    return int(seconds) if seconds.is_integer() else seconds
