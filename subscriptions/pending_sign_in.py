"""A sign-in between its two steps: the password was right, the code of the second factor is still to come."""

from __future__ import annotations

import time
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

from subscriptions import desk

PASSED: Final = "second_factor_passed"
"""Member of a session whose person gave a code."""
_KEY: Final = "second_factor_pending"
LIFE: Final = 300
"""Seconds in which the code must come."""


def keep(request: HttpRequest, user: Any) -> None:
    """Note in the session whose password was right, and which page was asked for."""
    target = request.POST.get("next") or request.GET.get("next") or ""
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure()):
        target = ""
    request.session.cycle_key()
    request.session[_KEY] = [user.pk, user.get_session_auth_hash(), int(time.time()), target]


def person(request: HttpRequest) -> Any:
    """Return whose password was right, minutes ago at most and the same since; None where nobody's was."""
    key, proof, at, _target = request.session.get(_KEY) or (None, "", 0, "")
    if key is None or time.time() - at > LIFE:
        return None
    user = get_user_model()._default_manager.filter(pk=key, is_active=True).first()
    return user if user is not None and user.get_session_auth_hash() == proof else None


def target(request: HttpRequest) -> str:
    """Return the page to go on to."""
    return (request.session.get(_KEY) or (None, "", 0, ""))[3] or desk.reverse("index")


def forget(request: HttpRequest) -> None:
    """Forget the step that was taken."""
    request.session.pop(_KEY, None)
