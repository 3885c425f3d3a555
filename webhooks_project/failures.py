"""What a page answers when something broke: 503 where the database is away, else Django's own 500."""

from __future__ import annotations

import sys

from django.http import HttpRequest, HttpResponse
from django.views.defaults import server_error

from deliveries.db.outages import is_outage

RETRY_AFTER = "5"
"""Seconds."""
TEXT = "The service can't do this at the moment. Try again in a few seconds.\n"


def failed(request: HttpRequest) -> HttpResponse:
    """Answer for an exception that nobody caught, whatever raised it: a view, or a middleware around it."""
    error = sys.exc_info()[1]
    if error is not None and is_outage(error):
        return HttpResponse(TEXT, status=503, headers={"Retry-After": RETRY_AFTER}, content_type="text/plain")
    return server_error(request)
