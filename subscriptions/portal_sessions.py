"""Sessions of portal links have a cookie of their own, the only one that browsers send from inside other sites' pages.

So that such a session in a frame neither loosens the cookie of somebody who signed in with a password, nor takes its
place unasked. Where a browser sends both, the person's own counts.
"""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from subscriptions.acting import PERSON

COOKIE: Final = "portal_sessionid"


def session_key(request: HttpRequest) -> str:
    """Return the key of the session that a request's cookies name; nothing where none does."""
    return request.COOKIES.get(settings.SESSION_COOKIE_NAME) or request.COOKIES.get(COOKIE) or ""


class PortalSessions(SessionMiddleware):
    """Django's sessions, those of portal links in a cookie of their own."""

    def process_request(self, request: HttpRequest) -> None:
        """Give the request its session."""
        request.session = self.SessionStore(session_key(request) or None)

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> Any:
        """Send the session's cookie back, where it has one."""
        response = super().process_response(request, response)  # type: ignore[arg-type]
        if request.session.accessed and request.session.get(PERSON):  # what nobody has asked for isn't read for this
            self._move(request, response)
        elif COOKIE in request.COOKIES and request.session.is_empty():  # signed out, of both
            response.delete_cookie(COOKIE, settings.SESSION_COOKIE_PATH, settings.SESSION_COOKIE_DOMAIN)
        return response

    def _move(self, request: HttpRequest, response: HttpResponseBase) -> None:
        """Put the session in its own cookie; let all cookies of its pages into frames, if those may be framed."""
        own = settings.SESSION_COOKIE_NAME
        if own in response.cookies:
            sent = response.cookies.pop(own)
            response.cookies[COOKIE] = sent.value
            response.cookies[COOKIE].update(sent)
            if own in request.COOKIES:  # the person agreed to its end
                response.delete_cookie(own, settings.SESSION_COOKIE_PATH, settings.SESSION_COOKIE_DOMAIN)
        for name, cookie in response.cookies.items():
            if settings.PORTAL_ORIGINS and name != own:
                cookie["samesite"], cookie["secure"] = "None", True
