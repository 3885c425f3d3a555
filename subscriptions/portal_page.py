"""The address that a portal link leads to, and what its session carries."""

from __future__ import annotations

from django.contrib.auth import login
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from subscriptions import services
from subscriptions.acting import PERSON, name_of
from subscriptions.models import PortalLink
from subscriptions.services import portal as portal_links


@never_cache
@require_http_methods(["GET", "POST"])  # HEAD, which previews send, must not use a link up
def portal(request: HttpRequest, token: str) -> HttpResponse:
    """Sign the browser in as the link says, and lead to its page; 410 for a link that opens nothing any more.

    Where somebody else is signed in, GET asks first, and POST does it.
    """
    link = services.find_portal_link(token)
    if link is not None and request.method == "GET" and _is_somebody_else(request, link):
        return render(request, "subscriptions/portal_ask.html", {"link": link, "now": name_of(request)})
    with transaction.atomic():  # a key that is revoked now waits, and then finds the session
        entry = services.open_portal_link(token)
        if entry is None:
            return render(request, "subscriptions/portal.html", status=410)
        request.session.flush()
        login(request, entry.user, backend="django.contrib.auth.backends.ModelBackend")
        request.session[PERSON] = entry.person
        request.session.set_expiry(entry.ends_at)  # whatever is written later
        request.session.save()
        portal_links.note_session(entry, request.session.session_key or "")
    return HttpResponseRedirect(entry.target)


def _is_somebody_else(request: HttpRequest, link: PortalLink) -> bool:
    """Tell whether the link would take a session from another person than the one it is for."""
    if not request.user.is_authenticated:
        return False
    same = request.user.get_username() == portal_links.account_name(link) and request.session.get(PERSON) == link.person
    return not same
