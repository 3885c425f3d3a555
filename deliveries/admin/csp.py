"""The desk's headers where its pages are the whole admin; a desk of its own site sets them itself."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from subscriptions.desk_headers import add_headers


class ContentSecurityPolicy:
    """Sets the policy on pages of the admin; other pages (the API's documentation) have their own needs."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Add the headers."""
        response = self.get_response(request)
        return add_headers(response) if request.path.startswith("/admin/") else response
