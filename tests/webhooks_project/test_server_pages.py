"""Django behind the server: what a view sees of a request, and streamed pages that come as they are made."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from django.core.signals import request_finished, request_started
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.test.utils import override_settings
from django.urls import path

from tests.support.processes import wait_for
from tests.support.web_server import Running, Wire, get, post, running

finished: list[str] = []


def echo(request: HttpRequest) -> JsonResponse:
    meta = {name: value for name, value in request.META.items() if isinstance(value, str)}
    return JsonResponse({"meta": meta, "get": request.GET, "body": request.body.decode(), "path": request.path})


def cookies(request: HttpRequest) -> HttpResponse:
    response = HttpResponse("two")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


def export(request: HttpRequest) -> StreamingHttpResponse:
    def rows() -> Iterator[str]:
        try:
            for number in range(int(request.GET["rows"])):
                yield f"{number},{'x' * 90}\n"
        finally:
            finished.append("rows")

    return StreamingHttpResponse(rows(), content_type="text/csv")


def broken(request: HttpRequest) -> HttpResponse:
    raise ValueError("broken")


urlpatterns = [path("api/echo", echo), path("cookies", cookies), path("export", export), path("broken", broken)]


@pytest.fixture(scope="module", params=[False, True], ids=["threads", "page process"])
def web(request: pytest.FixtureRequest) -> Iterator[Running]:
    middleware = ["django.middleware.common.CommonMiddleware"]
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=middleware), running(relayed=request.param) as server:
        yield server


@pytest.fixture(autouse=True)
def nothing_finished() -> None:
    finished.clear()


def exchange(web: Running, data: bytes) -> tuple[bytes, bytes]:
    with Wire(web.port) as wire:
        head, _, body = wire.send(data).rest().partition(b"\r\n\r\n")
    return head, body


def test_a_view_sees_the_request_as_under_wsgi(web: Running):
    headers = ("Content-Type: text/plain", "X-Tenant-ID: mch_1", "Accept: a", "Accept: b", "Connection: close")
    _, body = exchange(web, post("/api/echo?a=%C3%A4&b=", "körper".encode(), *headers))
    seen = json.loads(body)
    assert (seen["body"], seen["path"], seen["get"]) == ("körper", "/api/echo", {"a": "ä", "b": ""})
    meta = seen["meta"]
    assert meta["REQUEST_METHOD"] == "POST"
    assert meta["REMOTE_ADDR"] == "127.0.0.1"
    assert (meta["CONTENT_TYPE"], meta["CONTENT_LENGTH"]) == ("text/plain", "7")
    assert (meta["HTTP_X_TENANT_ID"], meta["HTTP_ACCEPT"]) == ("mch_1", "a,b")
    assert (meta["QUERY_STRING"], meta["SCRIPT_NAME"]) == ("a=%C3%A4&b=", "")
    assert (meta["wsgi.url_scheme"], meta["SERVER_PORT"]) == ("http", str(web.port))


def test_a_proxy_on_this_machine_says_how_it_was_asked(web: Running):
    _, body = exchange(web, get("/api/echo", "X-Forwarded-Proto: https", "Connection: close"))
    assert json.loads(body)["meta"]["wsgi.url_scheme"] == "https"


def test_each_cookie_has_a_line_of_its_own(web: Running):
    head, _ = exchange(web, get("/cookies", "Connection: close"))
    assert head.count(b"\r\nSet-Cookie: ") == 2


def test_a_view_that_fails_is_answered_and_the_connection_goes_on(web: Running):
    with Wire(web.port) as wire:
        assert b"500 Internal Server Error" in wire.send(get("/broken")).until(b"</html>")
        assert b"two" in wire.send(get("/cookies")).until(b"two")


@pytest.mark.parametrize("rows", [0, 10, 50_000])
def test_an_export_comes_whole_however_long(web: Running, rows: int):
    head, body = exchange(web, get(f"/export?rows={rows}", version="1.0"))
    assert b"Content-Type: text/csv" in head
    assert body.count(b"\n") == rows
    assert finished == ["rows"]


def test_an_export_that_nobody_takes_to_its_end_is_closed(web: Running):
    with Wire(web.port, receive_buffer=4096) as wire:
        assert b"200 OK" in wire.send(get("/export?rows=1000000")).read()
    wait_for(lambda: finished, 5, "the end of the rows")


@pytest.mark.parametrize("target", ["/cookies", "/broken", "/export?rows=2000"])
def test_every_request_starts_and_finishes_once_for_django(web: Running, target: str):
    seen: list[str] = []

    def started(**_: object) -> None:
        seen.append("started")

    def ended(**_: object) -> None:
        seen.append("finished")

    request_started.connect(started)
    request_finished.connect(ended)
    try:
        exchange(web, get(target, version="1.0"))
        wait_for(lambda: "finished" in seen, 5, "the signal")
    finally:
        request_started.disconnect(started)
        request_finished.disconnect(ended)
    assert seen == ["started", "finished"]


@pytest.mark.parametrize("size", [0, 1, 60_000, 1_000_000])
def test_a_body_of_any_size_reaches_its_view(web: Running, size: int):
    headers = ("Authorization: Bearer x", "Content-Type: text/plain", "Connection: close")
    _, body = exchange(web, post("/api/echo", b"z" * size, *headers))
    assert json.loads(body)["body"] == "z" * size


def test_requests_on_one_connection_are_answered_in_order(web: Running):
    asked = b"".join(get(f"/api/echo?n={number}") for number in range(20)) + get("/cookies", "Connection: close")
    with Wire(web.port) as wire:
        answers = wire.send(asked).rest()
    places = [answers.index(f'"n": "{number}"'.encode()) for number in range(20)]
    assert places == sorted(places)
    assert answers.endswith(b"two")


def test_a_head_has_no_body_and_the_connection_goes_on(web: Running):
    with Wire(web.port) as wire:
        head = get("/export?rows=50000").replace(b"GET", b"HEAD", 1)
        assert b"two" in wire.send(head + get("/cookies", "Connection: close")).rest().split(b"\r\n\r\n")[-1]
