"""What the site's middleware puts on every answer, found out from the middleware itself."""

from __future__ import annotations

from typing import Final

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.urls import set_script_prefix

from webhooks_project.server.messages import Headers, Request
from webhooks_project.server.pages import LOOPBACK, Pages

REMEMBERED_MAX: Final = 1000
_OURS: Final = 299
"""A status that no middleware uses, so that its answer can be told from our view's."""
_LOOKED_AT: Final = frozenset({"host", "x-forwarded-proto"})
_OF_THE_VIEW: Final = frozenset({"content-length", "content-type", "x-request-id"})


class SiteHeaders(Pages):
    """Django's handler around a view that says nothing."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self._remembered: dict[tuple[str, str, bool], Headers | None] = {}

    def of(self, request: Request) -> Headers | None:
        """Return the headers that middleware sets on an API's answer to a request; None where it answers itself.

        It may look at the host and at how a proxy was asked, nothing else (the request has no cookies), so each of
        these is looked at once.
        """
        headers = request.headers
        proxied = headers.get("x-forwarded-proto", "")
        key = headers.get("host", ""), proxied, request.client in LOOPBACK
        if key not in self._remembered:
            if len(self._remembered) >= REMEMBERED_MAX:
                self._remembered.clear()
            self._remembered[key] = self._ask(request)
        return self._remembered[key]

    def _ask(self, request: Request) -> Headers | None:
        looked_at = {name: value for name, value in request.headers.items() if name in _LOOKED_AT}
        bare = Request(
            method=request.method,
            path=request.path,
            query="",
            headers=looked_at,
            version=request.version,
            client=request.client,
            asker=request.asker,
            began=request.began,
        )
        set_script_prefix("/")
        response = self.get_response(WSGIRequest(self.environ(bare)))
        if response.status_code != _OURS or response.cookies:
            return None
        return [(name, value) for name, value in response.items() if name.lower() not in _OF_THE_VIEW]

    def _get_response(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(status=_OURS, content_type="application/json")  # a page gets headers that no other needs
