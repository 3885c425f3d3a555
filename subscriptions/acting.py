"""Who acts: the person or key whose request is being answered, for the record of changes.

Services take what they change and record who did it; a request's middleware says who that is, so that no service need
hand it on. Outside a request (commands, workers) nobody acts: the platform itself does.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

PERSON: Final = "portal_person"
"""Member of a session that a portal link opened: who uses it."""
NAME_MAX: Final = 150
"""Characters kept of a name."""

_request: ContextVar[HttpRequest | None] = ContextVar("request", default=None)


class Acting:
    """Middleware that makes a request's person or key known while the request is answered."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request."""
        token = _request.set(request)
        try:
            return self.get_response(request)
        finally:
            _request.reset(token)


def act_as(request: HttpRequest, name: str) -> None:
    """Say who asks, where it isn't a person with a session: an API key."""
    request.actor_name = name  # type: ignore[attr-defined]


def actor() -> str:
    """Return the name of who acts; nothing where it is the platform itself."""
    request = _request.get()
    if request is None:
        return ""
    if name := getattr(request, "actor_name", ""):
        return str(name)[:NAME_MAX]
    user = getattr(request, "user", None)
    return name_of(request) if user is not None and user.is_authenticated else ""


def name_of(request: HttpRequest) -> str:
    """Return how records name the signed-in person: by their account, or as the link that let them in says."""
    person = request.session.get(PERSON, "") if hasattr(request, "session") else ""
    return (f"{person} (portal)" if person else str(request.user.get_username()))[:NAME_MAX]
