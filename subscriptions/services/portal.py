"""Portal links: a platform's program asks for one, its merchant's browser opens it, and the admin is signed in.

The session belongs to an account of the merchant's for that role, which has no password and no address: it can do what
a member of the role can, and nothing beside. Owners' rights (members, keys) are not given away by links.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from subscriptions.models import Membership, Merchant, PortalLink

VALID_FOR: Final = timedelta(minutes=10)
"""How long a link can be opened."""
SESSION_SECONDS: Final = 8 * 3600
"""How long the session lasts that a link opens."""
ROLES: Final = (Membership.Role.VIEWER.value, Membership.Role.DEVELOPER.value)
"""Roles that a link may give."""
PERSON_MAX: Final = 100
TARGET_MAX: Final = 500
LINKS_MAX: Final = 1000
"""Links of a merchant that may wait to be opened."""


@dataclass(frozen=True, slots=True)
class NewPortalLink:
    """A link just made, with its token: shown this once."""

    link: PortalLink
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """Who comes in by a link, and where it leads."""

    user: User
    person: str
    target: str


@transaction.atomic
def create_portal_link(*, merchant: Merchant, role: str, person: str, target: str = "/admin/") -> NewPortalLink:
    """Make a link that opens `target`, a page of the admin, once within VALID_FOR.

    Raises ValidationError for another role than ROLES, a target outside the admin, and for one link too many.
    """
    problems: dict[str, list[str]] = {}
    if role not in ROLES:
        problems["role"] = [f"{role!r} is no role of a link. Use one of {', '.join(ROLES)}."]
    if not person.strip() or not person.isprintable():
        problems["person"] = ["Name who will use the link, in one line."]
    if not _is_ours(target):
        problems["target"] = ["The target must be a page of the admin: a path that begins with /admin/."]
    now = timezone.now()
    own = PortalLink.objects.filter(merchant=merchant)
    own.filter(expires_at__lte=now).delete()
    if own.count() >= LINKS_MAX:
        problems["merchant"] = [f"{LINKS_MAX} links wait to be opened. Let them expire first."]
    if problems:
        raise ValidationError(problems)
    token = secrets.token_urlsafe(32)
    link = PortalLink.objects.create(
        merchant=merchant,
        role=role,
        person=person.strip()[:PERSON_MAX],
        target=target,
        digest=_digest(token),
        expires_at=now + VALID_FOR,
    )
    return NewPortalLink(link, token)


@transaction.atomic
def open_portal_link(token: str, *, now: datetime | None = None) -> Entry | None:
    """Use a link up and return who comes in; None for a link that was used, is too old or never was."""
    rows = PortalLink.objects.select_for_update(of=("self",)).select_related("merchant")
    link = rows.filter(digest=_digest(token)).first()
    if link is None:
        return None
    link.delete()
    if link.expires_at <= (now or timezone.now()) or not link.merchant.is_active:
        return None
    return Entry(_account(link.merchant, link.role), link.person, link.target)


def _account(merchant: Merchant, role: str) -> User:
    """Return the merchant's account for a role, made when it is first needed."""
    user, _is_new = User.objects.get_or_create(
        username=f"portal.{merchant.public_id}.{role}", defaults={"is_staff": True, "password": "!"}
    )
    # Whoever changed its role on the members' page: a link gives the role that it was made for.
    _membership, is_member_anew = Membership.objects.update_or_create(
        merchant=merchant, user=user, defaults={"role": role}
    )
    if is_member_anew:  # somebody removed it, and meant the sessions that were open
        user.set_unusable_password()
        user.save(update_fields=["password"])
    return user


def _is_ours(target: str) -> bool:
    parts = urlsplit(target)
    plain = not parts.scheme and not parts.netloc and "\\" not in target and target.isprintable()
    return plain and target.startswith("/admin/") and ".." not in parts.path and len(target) <= TARGET_MAX


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
