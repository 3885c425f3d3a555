"""What the server knows of the product's routes: how large a body may be, and who must not wait behind pages."""

from __future__ import annotations

from subscriptions.conf import settings
from webhooks_project.server.messages import Request

API = ("/api/", "/company/")
"""Routes that take bodies up to WEBHOOKS_REQUEST_BODY_MAX, with credentials."""
FORMS = "/admin/"
"""Pages that take bodies up to FORM_MAX, with a cookie."""
FORM_MAX = 1024 * 1024
"""Bytes of a form."""
SMALL = 64 * 1024
"""Bytes that any other request may have: pages that read, health, static files, and whoever names no credentials."""
PROBES = ("/health/live", "/health/ready", "/metrics")
"""Routes of load balancers and Prometheus. Each has a thread of its own, so that they are answered under any load."""
_PUBLISH = frozenset({"/api/v1/events", "/api/v1/events/batch"})


def body_limit(request: Request) -> int:
    """Return the bytes that a request's body may have, before any is read.

    Nobody knows yet whether credentials are right; who gives none at all has nothing large to say.
    """
    if request.path.startswith(API) and "authorization" in request.headers:
        return int(settings.WEBHOOKS_REQUEST_BODY_MAX)
    return FORM_MAX if request.path.startswith(FORMS) and "cookie" in request.headers else SMALL


def route_of(method: str, path: str) -> str:
    """Return what a request counts as in `deliveries.meters.RESPONSES`."""
    if path in _PUBLISH and method == "POST":
        return "publish"
    if path.startswith(API):
        return "api"
    if path.startswith(FORMS):
        return "admin"
    return "health" if path.startswith(PROBES) else "other"
