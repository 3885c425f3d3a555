"""What subscriptions must know of the wire to accept a webhook; `deliveries` supplies it at start.

The dependency points the other way (deliveries → subscriptions), so the rules are registered, not imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from subscriptions.models import Webhook


HTTPS: Final = "https"
"""The kind of webhook that calls an endpoint of the merchant's."""
PULL: Final = "pull"
"""The kind that calls nobody: a program of the merchant's fetches its events from its feed."""
HMAC: Final = "hmac"
"""Signatures by a secret that sender and receiver share."""
ED25519: Final = "ed25519"
"""Signatures by a private key, which its public key verifies."""
SECRET_NEEDED: Final = "secret_needed"  # noqa: S105 - the code of an error where a secret would go to a new place
PUBLIC_SETTINGS: Final = frozenset({"source", "scope"})
"""Settings of a destination or a sign-in that don't say where credentials go: they change without them."""


@dataclass(frozen=True, slots=True)
class KindField:
    """A setting or a credential of a kind of webhook; `length_max` in characters. `is_long`: may hold line breaks."""

    name: str
    label: str
    help_text: str
    is_required: bool = True
    length_max: int = 2048
    is_long: bool = False


@dataclass(frozen=True, slots=True)
class CheckedDestination:
    """What is stored of a destination: the address that is called, what may be shown, and what may not.

    `credentials` are None where none were given and the present ones stay.
    """

    url: str
    settings: dict[str, str]
    credentials: dict[str, str] | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class CheckedSignIn:
    """What is stored of a sign-in at an endpoint: what may be shown, what may not, and when its certificate ends.

    `credentials` are None where none were given and the present ones stay.
    """

    settings: dict[str, str]
    credentials: dict[str, str] | None = field(repr=False)
    certificate_ends_at: datetime | None = None


class Kind(Protocol):
    """A kind of webhook, or a way to sign in at an endpoint, as forms and the API's document need it."""

    @property
    def name(self) -> str:
        """What a webhook stores."""

    @property
    def label(self) -> str:
        """What people read."""

    @property
    def settings(self) -> Sequence[KindField]:
        """What may be shown."""

    @property
    def credentials(self) -> Sequence[KindField]:
        """What may not."""


class WireRules(Protocol):
    """The rules of dialects, addresses and retry policies. Each check raises ValueError with the fix."""

    def kinds(self) -> Sequence[Kind]:
        """Return the kinds of webhooks there are, HTTPS first."""

    def check_destination(
        self, kind: str, settings: Mapping[str, Any], credentials: Mapping[str, Any] | None
    ) -> CheckedDestination:
        """Return what is stored of a destination. Raises ValidationError, as `destination.region`."""

    def sign_in_methods(self) -> Sequence[Kind]:
        """Return the ways there are to sign in at an endpoint."""

    def check_sign_in(self, settings: Mapping[str, Any], credentials: Any) -> CheckedSignIn:
        """Return what is stored of a sign-in. Raises ValidationError, as `sign_in.username`."""

    def sends_authorization(self, sign_in: Mapping[str, Any]) -> bool:
        """Tell whether a sign-in sends the header `Authorization`."""

    def describe_destination(self, kind: str, settings: Mapping[str, Any]) -> str:
        """Return where a destination is, in words; empty for HTTPS, whose URL says it. Never an error."""

    def dialects(self) -> list[tuple[str, str]]:
        """Return (name, label) of every dialect."""

    def check_url(self, url: str) -> None:
        """Refuse a URL that must not be called."""

    def check_secret(self, dialect: str, secret: str) -> None:
        """Refuse a secret the dialect can't sign with."""

    def make_secret(self, dialect: str, signature: str = HMAC) -> str:
        """Return a fresh secret for the dialect. Raises ValueError where it doesn't know the signature."""

    def public_key_of(self, secret: str) -> str:
        """Return what receivers verify with where a secret is a private key; empty where they share it."""

    def sends_secret(self, dialect: str) -> bool:
        """Tell whether the dialect's requests carry the secret itself, in clear."""

    def check_policy(self, policy: Mapping[str, Any]) -> dict[str, Any]:
        """Return the retry policy in its stored form."""

    def check_headers(self, headers: Mapping[str, str]) -> None:
        """Refuse custom headers that are malformed or ours."""

    def check_filter(self, expression: str) -> None:
        """Refuse a filter that doesn't parse."""

    def check_transform(self, expression: str) -> None:
        """Refuse a transformation that doesn't parse."""

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
