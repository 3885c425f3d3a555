"""The desk's headers where its pages are the whole admin; a desk of its own site sets them itself."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from subscriptions.acting import PERSON
from subscriptions.desk_headers import POLICY, add_headers


def _framed(request: HttpRequest, response: HttpResponseBase) -> str:
    """Return the policy of a page that the platform's own pages may frame; nothing for any other page."""
    origins = settings.PORTAL_ORIGINS
    if not origins or not response.headers.get("Content-Type", "").startswith("text/html"):
        return ""
    if not request.session.get(PERSON):  # a person with a password is never framed
        return ""
    response.xframe_options_exempt = True  # type: ignore[attr-defined]  # that header knows no list of origins
    return POLICY.replace("frame-ancestors 'none'", f"frame-ancestors {' '.join(origins)}")


class PageHeaders:
    """Sets the headers on whatever page is answered, also by a middleware; those that a page set itself stay.

    Stands outside all that may answer a page.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Add the headers."""
        response = self.get_response(request)
        if response.headers.get("Content-Type", "").startswith("text/html"):
            response.headers.setdefault("X-Content-Type-Options", "nosniff")
            add_headers(response)
        return response


class ContentSecurityPolicy:
    """Sets the policy on all answers of the admin and of portal links, and lets the platform frame some."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Add the headers."""
        response = self.get_response(request)
        if not request.path.startswith(("/admin/", "/portal/")):
            return response
        if policy := _framed(request, response):
            response.headers.setdefault("Content-Security-Policy", policy)
        return add_headers(response)
