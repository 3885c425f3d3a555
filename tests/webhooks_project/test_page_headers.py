"""Every page, whoever answers it, says what it may load and that nobody frames it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import Client
from django.urls import URLPattern, get_resolver

from subscriptions import services
from tests.support.desk import make_shop, sign_in
from tests.support.factories import make_merchant
from webhooks_project.outside import pages

pytestmark = pytest.mark.django_db


def addresses(patterns: Any, before: str = "/") -> Iterator[str]:
    """Yield an address for each pattern that a path without regular expression gives, but for the API's."""
    for pattern in patterns:
        part = str(pattern.pattern)
        for name in pattern.pattern.converters:
            part = "".join(f"{p.rpartition('<')[0]}1" if name in p else p for p in part.split(">"))
        if part.startswith(("^", "api/v1")):
            continue
        if isinstance(pattern, URLPattern):
            yield before + part
        else:
            yield from addresses(pattern.url_patterns, before + part)


def lacking(answer: Any) -> list[str]:
    """Return the headers that a page should have and has not."""
    if not answer.headers.get("Content-Type", "").startswith("text/html") or 300 <= answer.status_code < 400:
        return []
    headers = answer.headers
    is_right = {
        "Content-Security-Policy": "default-src 'none'" in headers.get("Content-Security-Policy", ""),
        "frame-ancestors": "frame-ancestors 'none'" in headers.get("Content-Security-Policy", ""),
        "X-Content-Type-Options": headers.get("X-Content-Type-Options") == "nosniff",
        "Referrer-Policy": headers.get("Referrer-Policy") == "same-origin",
    }
    return [name for name, is_so in is_right.items() if not is_so]


def test_every_page_of_the_url_configuration_has_the_headers() -> None:
    browser = sign_in(make_shop("aster").people["owner"])
    walked = sorted(set(addresses(get_resolver().url_patterns)))
    assert {"/admin/login/", "/admin/password_reset/", "/status/", "/guide/1/", "/invitations/1/", "/api/docs/"} <= set(
        walked
    )
    for client in (Client(raise_request_exception=False), browser):
        for address in walked:
            if "logout" not in address:
                assert not lacking(client.get(address)), address


def test_links_of_mails_and_platforms_have_them(client: Client) -> None:
    _made, token = services.invite(merchant=make_merchant(), email="new@mail.example", role="viewer")
    answer = client.get(f"/invitations/{token}/")
    assert answer.status_code == 200
    assert not lacking(answer)
    assert not lacking(client.get("/portal/x/"))


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_pages_of_errors_have_them(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError

    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    monkeypatch.setattr(pages, "html", broken)
    answer = {
        400: lambda: client.get("/admin/", headers={"host": "other.example"}),
        403: lambda: client.post("/admin/login/"),
        404: lambda: client.get("/nothing/"),
        500: lambda: client.get("/status/"),
    }[status]()
    assert answer.status_code == status
    assert not lacking(answer)
