"""What the server knows of the product's routes: how large a body may be, and who must not wait behind pages."""

from __future__ import annotations

from django.conf import settings

BODIES = ("/api/", "/company/", "/admin/")
"""Routes that take bodies up to WEBHOOKS_REQUEST_BODY_MAX."""
SMALL = 64 * 1024
"""Bytes that any other route takes: pages that read, health, static files."""
PROBES = ("/health/", "/metrics")
"""Routes of load balancers and Prometheus. Each has a thread of its own, so that they are answered under any load."""


def body_limit(path: str) -> int:
    """Return the bytes that a request's body may have."""
    return settings.WEBHOOKS_REQUEST_BODY_MAX if path.startswith(BODIES) else SMALL
