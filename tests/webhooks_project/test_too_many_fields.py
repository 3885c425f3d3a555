"""What Django refuses to read is a 400, whoever asks: in the API's shape where it is the API, and never a 500."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core import exceptions
from django.http.multipartparser import MultiPartParserError
from django.test import Client
from django.urls import URLResolver, get_resolver

from subscriptions.api.base import ApiView
from subscriptions.api.errors import Handler

pytestmark = pytest.mark.django_db

KINDS = [exceptions.SuspiciousOperation, exceptions.BadRequest]
for _kind in KINDS:
    KINDS += _kind.__subclasses__()
PAGES = ("/", "/admin/login/", "/admin/", "/admin/password_reset/", "/admin/webhooks_deliveries/delivery/", "/guide/",
         "/status/", "/api/docs/", "/api/schema/", "/invitations/x/", "/portal/x/", "/health/live", "/metrics",
         "/nowhere", "/download", "/static/x")  # fmt: skip
COUNTS = [1_000, 1_001, 5_000]


def routes(patterns: list[Any], prefix: str = "/") -> list[tuple[str, str]]:
    """Return method and address of all that the API answers."""
    found: list[tuple[str, str]] = []
    for one in patterns:
        if isinstance(one, URLResolver):
            found += routes(one.url_patterns, prefix + str(one.pattern))
        elif issubclass(view := getattr(one.callback, "cls", object), ApiView):
            path = re.sub(r"<[^>]+>", "x", prefix + str(one.pattern))
            path = "/api/v1/nowhere" if "(" in path else path
            found += [
                (name, path) for name in view.http_method_names if hasattr(view, name) or path.endswith("nowhere")
            ]
    return found


ROUTES = routes(get_resolver().url_patterns)


def fields(count: int) -> str:
    return "&".join(f"a{number}=b" for number in range(count))


def test_every_route_is_asked() -> None:
    assert len(ROUTES) > 60
    assert {("post", "/api/v1/events"), ("get", "/api/v1/nowhere"), ("post", "/company/webhooks")} <= set(ROUTES)
    assert len(KINDS) > 10


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_too_many_parameters_are_a_400_in_the_apis_shape(
    method: str, path: str, count: int, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    for answer in (
        getattr(client, method)(f"{path}?{fields(count)}"),
        client.generic(method.upper(), f"{path}?{fields(count)}", b"{}", "application/json"),
    ):
        assert 400 <= answer.status_code < 500
        if method != "head":
            [error] = answer.json()["errors"]
            if count > 1_000:
                assert (answer.status_code, error["code"]) == (400, "parse_error")
                assert "1,000 parameters" in error["detail"]
    assert not any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize(("method", "path"), [one for one in ROUTES if one[0] in {"post", "put", "patch"}])
def test_forms_of_too_many_fields_are_no_errors_of_ours(method: str, path: str, count: int, client: Client) -> None:
    for kind in ("application/x-www-form-urlencoded", "application/json"):
        answer = client.generic(method.upper(), path, fields(count).encode(), kind)
        assert 400 <= answer.status_code < 500
        assert answer.json()["type"] == "client_error"


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("path", PAGES)
def test_pages_answer_as_few_or_with_400(path: str, count: int, client: Client) -> None:
    for answer in (
        client.get(f"{path}?{fields(count)}"),
        client.post(path, fields(count), "application/x-www-form-urlencoded"),
        client.post(f"{path}?{fields(count)}"),
    ):
        assert answer.status_code < 500 or (path, answer.status_code) == ("/status/", 503)  # no worker lives


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_whatever_django_refuses_is_the_clients_error(kind: type[Exception]) -> None:
    answer = Handler(kind("secret words"), {"view": None, "request": None}).run()  # type: ignore[typeddict-item]
    assert answer is not None
    assert answer.status_code == (413 if kind is exceptions.RequestDataTooBig else 400)
    assert answer.data["type"] == "client_error"
    assert "secret" not in str(answer.data)


@pytest.mark.parametrize(
    "path", ["/api/v1/events", "/api/v1/webhooks", "/api/v1/nowhere", "/company/webhooks", "/api/files"]
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_an_unknown_host_is_told_so_in_the_apis_shape(method: str, path: str, client: Client, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["hooks.example.com"]
    answer = getattr(client, method)(path, headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "parse_error"
    assert "evil" not in answer.content.decode()


def test_an_unknown_host_gets_a_page_where_pages_are(client: Client, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["hooks.example.com"]
    answer = client.get("/admin/login/", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert answer.headers["Content-Type"].startswith("text/html")


def test_a_body_that_is_no_form_is_no_error_of_ours(client: Client) -> None:
    assert issubclass(MultiPartParserError, Exception)
    answer = client.post("/admin/login/", b"x", "multipart/form-data; boundary=")
    assert answer.status_code < 500
