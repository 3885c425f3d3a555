"""What people and the log may see of a request and its answer: secrets are masked, signatures stand as sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

from deliveries.dialects.headers import is_reserved
from deliveries.transport import Outcome, Request

MASKED = "••••••"

_CREDENTIAL = re.compile(r"authorization|cookie|token|secret|password|api-?key", re.IGNORECASE)
"""Names under which custom headers carry credentials; ours of such a name, Shopery's, is the secret itself."""


@lru_cache(maxsize=1024)
def _credentials(names: tuple[str, ...]) -> tuple[int, ...]:
    """Return the places of the names that are credentials."""
    return tuple(place for place, name in enumerate(names) if _CREDENTIAL.search(name))


def masked(headers: Sequence[tuple[str, str]], secrets: Sequence[str]) -> Sequence[tuple[str, str]]:
    """Return the headers with every value masked that holds one of the webhook's secrets or is a credential by name."""
    names, values = _split(headers)
    hidden = set(_credentials(names))
    if _hold_any(values, secrets):
        hidden |= {place for place, value in enumerate(values) if any(secret in value for secret in secrets)}
    if not hidden:
        return headers
    return [(name, MASKED if place in hidden else value) for place, (name, value) in enumerate(headers)]


def _split(headers: Sequence[tuple[str, str]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names, values = zip(*headers, strict=True) if headers else ((), ())
    return names, values


def _hold_any(values: Sequence[str], texts: Iterable[str]) -> bool:
    """Tell whether one of the texts stands in one of the values; seldom, so it is asked of all values at once."""
    together = "\n".join(values)
    return any(text in together for text in texts)


def without_custom(headers: Iterable[Sequence[str]]) -> list[list[str]]:
    """Return a logged request's headers with the values of custom ones masked: they are for who may change them."""
    return [[name, value if is_reserved(name) else MASKED] for name, value in headers]


SHORTEST = 6
"""Characters of the shortest value that is looked for in answers: a shorter one stands in any text by chance."""


def without_echo(outcome: Outcome, request: Request, secrets: Sequence[str]) -> Outcome:
    """Return the outcome with every secret masked that the receiver sent back: inspection services echo requests.

    Looked for are the webhook's secrets and what the request carries in headers that are credentials by name, as sent
    and as JSON or a form may write it. A secret that the end of the kept body cuts off is masked as far as it is there.
    """
    names, values = _split(request.headers)
    spellings = _ordered_spellings((*secrets, *[values[place] for place in _credentials(names)]))
    body = outcome.body
    if outcome.body_truncated or any(each in body for each in spellings.as_bytes):
        body = _masked_body(body, spellings.as_bytes, cut=outcome.body_truncated)
    headers = outcome.headers
    if _hold_any(_split(headers)[1], spellings.texts):
        headers = tuple((name, _masked_text(value, spellings.texts)) for name, value in headers)
    if body == outcome.body and headers is outcome.headers:
        return outcome
    return replace(outcome, body=body, headers=headers)


class _Spellings(NamedTuple):
    """What to look for in an answer's headers, and in its body."""

    texts: tuple[str, ...]
    as_bytes: tuple[bytes, ...]


@lru_cache(maxsize=1024)
def _ordered_spellings(secrets: tuple[str, ...]) -> _Spellings:
    """Return what to look for, the longest first: one may hold another, as `Bearer …` does."""
    wanted = {text for secret in secrets if len(secret) >= SHORTEST for text in _spellings(secret)}
    texts = tuple(sorted(wanted, key=len, reverse=True))
    return _Spellings(texts, tuple(map(str.encode, texts)))


def _spellings(secret: str) -> set[str]:
    last_word = secret.rpartition(" ")[2]  # of `Bearer abc`
    # Without the padding of base64, which Gson writes as \u003d and forms as %3D.
    words = {word for word in (secret, last_word, secret.rstrip("="), last_word.rstrip("=")) if len(word) >= SHORTEST}
    escaped = {word.replace("/", "\\/") for word in words} | {word.replace("+", "\\u002B") for word in words}
    return words | escaped | {quote(word, safe="") for word in words}


def _masked_text(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, MASKED)
    return text


def _masked_body(body: bytes, secrets: Sequence[bytes], *, cut: bool) -> bytes:
    mask = MASKED.encode()
    for secret in secrets:
        body = body.replace(secret, mask)
        if cut:
            shown = next((n for n in range(len(secret) - 1, SHORTEST - 1, -1) if body.endswith(secret[:n])), 0)
            body = body[: len(body) - shown] + mask if shown else body
    return body
