"""What people and the log may see of a request's headers: secrets are masked, signatures stand as sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

MASKED = "••••••"

_CREDENTIAL = re.compile(r"authorization|cookie|token|secret|password|api-?key", re.IGNORECASE)
"""Names under which custom headers carry credentials; ours of such a name, Shopery's, is the secret itself."""


def masked(headers: Iterable[tuple[str, str]], secrets: Sequence[str]) -> list[tuple[str, str]]:
    """Return the headers with every value masked that holds one of the webhook's secrets or is a credential by name."""
    return [
        (name, MASKED if _CREDENTIAL.search(name) or any(secret in value for secret in secrets) else value)
        for name, value in headers
    ]
