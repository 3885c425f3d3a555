"""Who asks: the one thing views know of a request's sender, whatever door it came through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from subscriptions.models import ApiKey, Membership, Merchant
from subscriptions.selectors import Action, can, role_of

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractUser

SCOPES_OF_ROLE: Final[dict[str, frozenset[str]]] = {
    Membership.Role.VIEWER: frozenset({"read"}),
    Membership.Role.DEVELOPER: frozenset({"publish", "read", "manage", "receive"}),
    Membership.Role.OWNER: frozenset({"publish", "read", "manage", "receive"}),
}
"""What a person with a token may do over the API, by their role at the tenant they name."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A merchant's program or member.

    `by` names it in records of who did what; `identity` is what rate limits count; `may_manage_keys` guards API keys.
    `key` is the program's, and bounds the keys that it makes.
    """

    merchant: Merchant
    scopes: frozenset[str]
    by: str
    identity: str
    may_manage_keys: bool = False
    user: AbstractUser | None = None
    key: ApiKey | None = None

    @property
    def is_authenticated(self) -> bool:
        """Tell REST framework that somebody asks."""
        return True


def of_key(key: ApiKey) -> Credential:
    """Return what an API key may do."""
    scopes = frozenset(key.scopes)
    return Credential(
        merchant=key.merchant,
        scopes=scopes,
        by=f"API key {key.prefix}…",
        identity=f"key:{key.pk}",
        may_manage_keys="manage" in scopes,
        key=key,
    )


def of_member(user: AbstractUser, merchant: Merchant) -> Credential | None:
    """Return what a person may do at an active merchant they belong to; None for strangers."""
    role = role_of(user, merchant)
    if role is None or not merchant.is_active:
        return None
    return Credential(
        merchant=merchant,
        scopes=SCOPES_OF_ROLE[Membership.Role(role)],
        by=user.get_username(),
        identity=f"user:{user.pk}:{merchant.pk}",
        may_manage_keys=can(user, merchant, Action.MANAGE_KEYS),
        user=user,
    )
