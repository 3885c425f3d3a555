"""What a page answers instead: 503 where the database is away, Django's own 500, and 403 with who can help."""

from __future__ import annotations

import sys

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.defaults import bad_request, server_error

from deliveries.db.outages import is_outage
from subscriptions.admin.scoping import OWNER, merchants_with, roles
from subscriptions.api.errors import told
from webhooks_project.server import routes

RETRY_AFTER = "5"
"""Seconds."""
TEXT = "The service can't do this at the moment. Try again in a few seconds.\n"


def failed(request: HttpRequest) -> HttpResponse:
    """Answer for an exception that nobody caught, whatever raised it: a view, or a middleware around it."""
    error = sys.exc_info()[1]
    if error is not None and is_outage(error):
        return HttpResponse(TEXT, status=503, headers={"Retry-After": RETRY_AFTER}, content_type="text/plain")
    return server_error(request)


def malformed(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer for what Django refuses before a view is asked, or in a page; the API has its own shape for it."""
    if not request.path.startswith(routes.API):
        return bad_request(request, exception)
    error = {"code": "parse_error", "detail": told(exception), "attr": None}
    answer = {"type": "client_error", "errors": [error]}
    return JsonResponse(answer, status=400, headers={"Cache-Control": "no-store"})


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer for what a person may not do; an owner is never sent to an owner."""
    user = getattr(request, "user", None)
    is_member = user is not None and user.is_authenticated and not user.is_superuser and bool(roles(request))
    asks_owner = is_member and len(merchants_with(request, OWNER) or ()) < len(roles(request))
    return render(request, "403.html", {"asks_owner": asks_owner}, status=403)
