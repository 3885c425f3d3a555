"""The address that a portal link leads to, and what its session carries."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from subscriptions import services
from subscriptions.acting import PERSON
from subscriptions.services.portal import SESSION_SECONDS


@never_cache
@require_GET  # HEAD, which previews send, must not use a link up
def portal(request: HttpRequest, token: str) -> HttpResponse:
    """Sign the browser in as the link says, and lead to its page; 410 for a link that opens nothing any more."""
    entry = services.open_portal_link(token)
    if entry is None:
        return render(request, "subscriptions/portal.html", status=410)
    request.session.flush()
    login(request, entry.user, backend="django.contrib.auth.backends.ModelBackend")
    request.session[PERSON] = entry.person
    request.session.set_expiry(
        timezone.now() + timedelta(seconds=SESSION_SECONDS)
    )  # from now, whatever is written later
    return HttpResponseRedirect(entry.target)
