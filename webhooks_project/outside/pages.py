"""What the pages have in common: no script, nothing from another host, and links to each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse

POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        "frame-ancestors 'none'",
        "form-action 'none'",
        "base-uri 'none'",
    ]
)


def links() -> list[tuple[str, str]]:
    """Return name and address of each page, as the desk and these pages show them."""
    return [
        ("Guide", settings.GUIDE_URL or reverse("guide")),
        ("API reference", reverse("docs")),
        ("Service status", settings.STATUS_URL or reverse("status")),
    ]


def page(request: HttpRequest, template: str, content: Mapping[str, Any], status: int = 200) -> HttpResponse:
    """Return a page with its headers."""
    return framed(HttpResponse(html(request.path, template, content), status=status))


def html(path: str, template: str, content: Mapping[str, Any]) -> str:
    """Return a page's text, the same for everybody who reads it at `path`."""
    return render_to_string(f"outside/{template}.html", {**content, "links": links(), "path": path})


def framed(response: HttpResponse) -> HttpResponse:
    """Add the headers of these pages to an answer."""
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Referrer-Policy"] = "same-origin"
    return response
