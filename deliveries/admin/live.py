"""What pages ask while they stay open: two queries a refresh, one of them for who asks.

A page carries a ticket, signed and bound to its session. It spares the reads by which Django learns who somebody is;
that the session is still there, that the person is active, has the same password and which merchants are theirs is
asked each time, so that a person who was signed out or shut out sees nothing more.
"""

from __future__ import annotations

import hmac
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.postgres.aggregates import JSONBAgg
from django.contrib.sessions.models import Session
from django.core import signing
from django.db.models import Exists, Q
from django.db.models.functions import JSONObject
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.utils.crypto import salted_hmac

from subscriptions import portal_sessions
from subscriptions.admin.scoping import VIEWER

EVERY: Final = 2.0
"""Seconds between two refreshes of a list or a delivery."""
TICKET_LIFE: Final = 86_400
"""Seconds for which a page that stays open is answered; then it asks to be reloaded."""
_SALT: Final = "deliveries.admin.live"


class NotSignedIn(Exception):
    """The ticket is none of this session, or its person may see nothing any more."""


def ticket(request: HttpRequest) -> str:
    """Return the ticket of a page for the person who opens it; nothing where sessions aren't rows."""
    if settings.SESSION_ENGINE != "django.contrib.sessions.backends.db" or not request.session.session_key:
        return ""
    user: Any = request.user
    return signing.dumps([user.pk, _digest(request.session.session_key), user.get_session_auth_hash()[:32]], salt=_SALT)


def recognise(request: HttpRequest, admin_site: Any) -> None:
    """Set who asks, by the ticket `t` of the address. One query. Raises NotSignedIn."""
    try:
        key, digest, proof = signing.loads(request.GET.get("t", ""), salt=_SALT, max_age=TICKET_LIFE)
    except signing.BadSignature:
        raise NotSignedIn from None
    session = portal_sessions.session_key(request)
    if not hmac.compare_digest(digest, _digest(session)):
        raise NotSignedIn
    is_open = Exists(Session.objects.filter(session_key=session, expire_date__gt=timezone.now()))
    of_each = JSONObject(
        merchant="memberships__merchant_id", role="memberships__role", is_active="memberships__merchant__is_active"
    )
    people: Any = get_user_model()._default_manager.filter(is_open, pk=key, is_active=True)
    user = people.annotate(held=JSONBAgg(of_each, filter=Q(memberships__isnull=False))).first()
    if user is None or not hmac.compare_digest(user.get_session_auth_hash()[:32], proof):
        raise NotSignedIn
    request.user = user
    request._desk_roles = {  # type: ignore[attr-defined]  # as subscriptions.admin.scoping.roles finds them
        each["merchant"]: each["role"] if each["is_active"] else VIEWER for each in user.held or ()
    }
    if not admin_site.has_permission(request):
        raise NotSignedIn


def _digest(session_key: str) -> str:
    """Return what a page may show of its session's key: scripts can read pages, and must not read the cookie."""
    return salted_hmac(_SALT, session_key, algorithm="sha256").hexdigest()


def answer(request: HttpRequest, admin_site: Any, make: Any) -> JsonResponse:
    """Return what `make(request)` says as JSON, uncached; 403 for who isn't signed in."""
    try:
        recognise(request, admin_site)
    except NotSignedIn:
        return JsonResponse({"told": "You are signed out. Reload the page."}, status=403)
    response = JsonResponse(make(request))
    response["Cache-Control"] = "no-store"
    return response
