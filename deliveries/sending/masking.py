"""What people and the log may see of a request and its answer: secrets are masked, signatures stand as sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from urllib.parse import quote

from deliveries.transport import Outcome, Request

MASKED = "••••••"

_CREDENTIAL = re.compile(r"authorization|cookie|token|secret|password|api-?key", re.IGNORECASE)
"""Names under which custom headers carry credentials; ours of such a name, Shopery's, is the secret itself."""


@lru_cache(maxsize=1024)
def _is_credential(name: str) -> bool:
    return _CREDENTIAL.search(name) is not None


def masked(headers: Iterable[tuple[str, str]], secrets: Sequence[str]) -> list[tuple[str, str]]:
    """Return the headers with every value masked that holds one of the webhook's secrets or is a credential by name."""
    return [
        (name, MASKED if _is_credential(name) or any(secret in value for secret in secrets) else value)
        for name, value in headers
    ]


SHORTEST = 6
"""Characters of the shortest value that is looked for in answers: a shorter one stands in any text by chance."""


def without_echo(outcome: Outcome, request: Request, secrets: Sequence[str]) -> Outcome:
    """Return the outcome with every secret masked that the receiver sent back: inspection services echo requests.

    Looked for are the webhook's secrets and what the request carries in headers that are credentials by name, as sent
    and as JSON or a form may write it. A secret that the end of the kept body cuts off is masked as far as it is there.
    """
    carried = [value for name, value in request.headers if _is_credential(name)]
    spellings = _ordered_spellings((*secrets, *carried))
    body = _masked_body(outcome.body, spellings, cut=outcome.body_truncated)
    headers = outcome.headers
    if any(text in value for _name, value in headers for text in spellings):
        headers = tuple((name, _masked_text(value, spellings)) for name, value in headers)
    if body == outcome.body and headers is outcome.headers:
        return outcome
    return replace(outcome, body=body, headers=headers)


@lru_cache(maxsize=1024)
def _ordered_spellings(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """Return what to look for, the longest first: one may hold another, as `Bearer …` does."""
    wanted = {text for secret in secrets if len(secret) >= SHORTEST for text in _spellings(secret)}
    return tuple(sorted(wanted, key=len, reverse=True))


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


def _masked_body(body: bytes, secrets: Sequence[str], *, cut: bool) -> bytes:
    mask = MASKED.encode()
    for secret in map(str.encode, secrets):
        body = body.replace(secret, mask)
        if cut:
            shown = next((n for n in range(len(secret) - 1, SHORTEST - 1, -1) if body.endswith(secret[:n])), 0)
            body = body[: len(body) - shown] + mask if shown else body
    return body
