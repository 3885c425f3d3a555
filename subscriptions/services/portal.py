"""Portal links: a platform's program asks for one, its merchant's browser opens it, and the admin is signed in.

The session belongs to an account of the merchant's for that role, which has no password and no address: it can do what
a member of the role can, and nothing beside. Owners' rights (members, keys) are not given away by links. A link and the
session that it opened end with the key that made it.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib import import_module
from typing import Final
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.urls import Resolver404, resolve
from django.utils import timezone

from subscriptions.models import ApiKey, Membership, Merchant, PortalLink

VALID_FOR: Final = timedelta(minutes=10)
"""How long a link can be opened."""
SESSION_SECONDS: Final = 8 * 3600
"""How long the session lasts that a link opens."""
ROLES: Final = (Membership.Role.VIEWER.value, Membership.Role.DEVELOPER.value)
"""Roles that a link may give."""
PERSON_MAX: Final = 100
TARGET_MAX: Final = 500
_PAGES: Final = re.compile(r"index|app_list|\w+_\w+_(changelist|change|add|history)").fullmatch
"""Names that the admin gives to the addresses of its pages."""
LINKS_MAX: Final = 1000
"""Links of a merchant that may wait to be opened."""


@dataclass(frozen=True, slots=True)
class NewPortalLink:
    """A link just made, with its token: shown this once."""

    link: PortalLink
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """Who comes in by a link, where it leads, and when the session ends."""

    user: User
    person: str
    target: str
    ends_at: datetime
    link: PortalLink


@transaction.atomic
def create_portal_link(
    *, merchant: Merchant, role: str, person: str, target: str = "/admin/", api_key: ApiKey | None = None
) -> NewPortalLink:
    """Make a link that opens `target`, a page of the admin, once within VALID_FOR. It ends with `api_key`, its maker.

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
    if own.filter(session_key="").count() >= LINKS_MAX:
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
        api_key=api_key,
    )
    return NewPortalLink(link, token)


def find_portal_link(token: str, *, now: datetime | None = None) -> PortalLink | None:
    """Return a link that can still be opened; None for one that was used, is too old, or whose key has ended."""
    now = now or timezone.now()
    rows = PortalLink.objects.select_related("merchant", "api_key")
    link = rows.filter(digest=_digest(token), session_key="", expires_at__gt=now, merchant__is_active=True).first()
    is_open = link is not None and (link.api_key is None or link.api_key.is_usable(now))
    return link if is_open else None


@transaction.atomic
def open_portal_link(token: str, *, now: datetime | None = None) -> Entry | None:
    """Use a link up and return who comes in; None for a link that opens nothing, see `find_portal_link`.

    Whoever calls it notes the session (`note_session`) in the same transaction: the link and its key are locked until
    it ends, so that a key revoked at this moment ends the session, too.
    """
    now = now or timezone.now()
    link = find_portal_link(token, now=now)
    if link is None:
        return None
    ApiKey.objects.select_for_update(no_key=True).filter(portal_links=link).first()  # first, as revoking does
    PortalLink.objects.select_for_update(no_key=True).filter(pk=link.pk).first()
    link = find_portal_link(token, now=now)  # as it is now that nobody else changes it
    if link is None:
        return None
    ends = [now + timedelta(seconds=SESSION_SECONDS)]
    if link.api_key is not None and link.api_key.expires_at is not None:
        ends.append(link.api_key.expires_at)
    return Entry(_account(link.merchant, link.role), link.person, link.target, min(ends), link)


def note_session(entry: Entry, session_key: str) -> None:
    """Note which session a link opened; the link opens nothing any more."""
    entry.link.session_key, entry.link.expires_at = session_key, entry.ends_at
    entry.link.save(update_fields=["session_key", "expires_at"])


def end_links_of(api_key: ApiKey) -> None:
    """End the links that a key made, and the sessions that they opened. Within the transaction that ends the key."""
    links = PortalLink.objects.filter(api_key=api_key)
    keys = list(links.exclude(session_key="").values_list("session_key", flat=True))
    links.delete()
    for key in keys:
        import_module(settings.SESSION_ENGINE).SessionStore(key).delete()


def account_name(link: PortalLink) -> str:
    """Return the user name of the account that a link's session belongs to."""
    return _account_name(link.merchant, link.role)


def account_names(merchant: Merchant) -> list[str]:
    """Return the user names of a merchant's accounts for links: nobody's own, and never owners."""
    return [_account_name(merchant, role) for role in ROLES]


def _account_name(merchant: Merchant, role: str) -> str:
    return f"portal.{merchant.public_id}.{role}"


def _account(merchant: Merchant, role: str) -> User:
    """Return the merchant's account for a role, made when it is first needed."""
    user, _is_new = User.objects.get_or_create(
        username=_account_name(merchant, role), defaults={"is_staff": True, "password": "!"}
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
    """Tell whether a browser stays in the admin: it takes `%2e` for a dot, and steps up where two of them stand."""
    parts = urlsplit(target)
    path = unquote(parts.path)
    plain = not parts.scheme and not parts.netloc and "\\" not in unquote(target) and target.isprintable()
    is_inside = plain and target.startswith("/admin/") and ".." not in path.split("/") and len(target) <= TARGET_MAX
    return is_inside and _is_page(path)


def _is_page(path: str) -> bool:
    """Tell whether a path leads to a page that GET reads; what is done there (signing out, pausing) is none."""
    try:
        match = resolve(path if path.endswith("/") else f"{path}/")
    except Resolver404:
        return False
    if match.url_name is None:  # the admin leads from a row's plain address to its page
        return "object_id" in match.kwargs
    return _PAGES(match.url_name) is not None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
