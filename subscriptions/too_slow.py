"""Statements that took longer than somebody waits for a page: the database ended them, and people are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from psycopg.errors import QueryCanceled

TOLD: Final = "This took too long and was stopped. Ask for less: a shorter time, one webhook, or another filter."


def is_too_slow(error: BaseException) -> bool:
    """Tell whether an error means that a statement was ended for its time."""
    return isinstance(error, OperationalError) and isinstance(error.__cause__, QueryCanceled)


class TooSlow:
    """Middleware that answers 503 with what to do where a page's statement took too long."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Hand the request on."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return the page that says so."""
        if not is_too_slow(exception):
            return None
        return HttpResponse(render_to_string("subscriptions/too_slow.html", {"told": TOLD}), status=503)
