"""What subscriptions must know of the wire to accept a webhook; `deliveries` supplies it at start.

The dependency points the other way (deliveries → subscriptions), so the rules are registered, not imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from subscriptions.models import Webhook


class WireRules(Protocol):
    """The rules of dialects, addresses and retry policies. Each check raises ValueError with the fix."""

    def dialects(self) -> list[tuple[str, str]]:
        """Return (name, label) of every dialect."""

    def check_url(self, url: str) -> None:
        """Refuse a URL that must not be called."""

    def check_secret(self, dialect: str, secret: str) -> None:
        """Refuse a secret the dialect can't sign with."""

    def make_secret(self, dialect: str) -> str:
        """Return a fresh secret for the dialect."""

    def sends_secret(self, dialect: str) -> bool:
        """Tell whether the dialect's requests carry the secret itself, in clear."""

    def check_policy(self, policy: Mapping[str, Any]) -> dict[str, Any]:
        """Return the retry policy in its stored form."""

    def check_headers(self, headers: Mapping[str, str]) -> None:
        """Refuse custom headers that are malformed or ours."""

    def check_filter(self, expression: str) -> None:
        """Refuse a filter that doesn't parse."""

    def check_fields(self, fields: list[str]) -> None:
        """Refuse field paths that don't parse."""

    def warnings(self, webhook: Webhook) -> list[str]:
        """Return, in sentences, which settings of a stored webhook can't work; never an error."""


_rules: list[WireRules] = []


def register(rules: WireRules) -> None:
    """Make `rules` the ones in force."""
    _rules[:] = [rules]


def rules() -> WireRules:
    """Return the rules in force. Raises RuntimeError when no app registered any."""
    if not _rules:
        raise RuntimeError("no wire rules: is the deliveries app installed?")
    return _rules[0]
