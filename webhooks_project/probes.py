"""Probes, answered before anything else of the site: by IP address, without a proxy's headers, whatever its settings.

Load balancers, orchestrators and Prometheus ask a process at its own address, where no proxy says that it was asked
over https and where the address is no name of ALLOWED_HOSTS. These answers depend on neither.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from webhooks_project import health

VIEWS: Final[dict[str, Callable[[HttpRequest], HttpResponseBase]]] = {
    "/health/live": health.live,
    "/health/ready": health.ready,
    "/metrics": health.metrics,
}


class Probes:
    """A middleware before all others that look at the request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a probe; leave the rest to the site."""
        view = VIEWS.get(request.path_info)
        if view is None:
            return self._get_response(request)
        response = view(request)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        return response
