"""Headers of the desk's pages: everything from this host, nothing from another."""

from __future__ import annotations

from django.http.response import HttpResponseBase

POLICY = "; ".join(
    [
        "default-src 'none'",
        # Alpine, which the theme is made with, compiles the expressions in its attributes.
        "script-src 'self' 'unsafe-eval'",
        # The theme writes its colours into the page and Alpine shows and hides by style attributes.
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
)


def add_headers(response: HttpResponseBase) -> HttpResponseBase:
    """Add a Content-Security-Policy and what it goes with, unless the project set its own."""
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers.setdefault("Referrer-Policy", "same-origin")
    return response
