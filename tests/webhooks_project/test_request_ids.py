"""A request has an id: the caller's or one of ours, on its answer, in its log lines, and never one that could harm."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from django.test import Client

from tests.support.publishing_web import ORDER, PublishingWeb, publishing_web
from tests.support.web_server import Running, exchange, get, running
from webhooks_project import request_ids

pytestmark = pytest.mark.django_db(transaction=True)
GOOD = ["a", "req-1", "0af7651916cd43dd8448eb211c80319c", "A.b_c:d+e/f=g@h-1", "x" * 128]
BAD = ["", " ", "a b", "x" * 129, "ä", "a\tb", 'a"b', "a,b", "a;b", "{}", "<script>", "%0d%0a", "a'b", "a\\b"]


def named(answer: bytes) -> list[str]:
    head = answer.partition(b"\r\n\r\n")[0].decode("latin-1")
    return re.findall(r"^x-request-id: (\S*)\r?$", head, re.IGNORECASE | re.MULTILINE)


@pytest.fixture(params=["by threads", "by page processes"])
def server(request: pytest.FixtureRequest) -> Iterator[Running]:
    with running(relayed=request.param == "by page processes") as web:
        yield web


@pytest.mark.parametrize("path", ["/health/live", "/nowhere", "/api/v1/webhooks", "/admin/login/", "/static/none"])
def test_every_answer_names_its_request_once(server: Running, path: str) -> None:
    [given] = named(exchange(server, get(path, "X-Request-ID: mine-1", "Connection: close")))
    [first] = named(exchange(server, get(path, "Connection: close")))
    [second] = named(exchange(server, get(path, "Connection: close")))
    assert given == "mine-1"
    assert first != second


@pytest.mark.parametrize("given", GOOD)
def test_a_fit_id_is_taken_over(given: str) -> None:
    assert request_ids.accepted(given) == given
    assert Client().get("/health/live", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", BAD)
def test_an_unfit_id_is_replaced(given: str) -> None:
    made = request_ids.accepted(given)
    assert made != given
    assert request_ids.accepted(made) == made
    assert Client().get("/health/live", headers={"X-Request-ID": given}).headers["X-Request-ID"] != given


@pytest.fixture(params=[True, False], ids=["on the loop", "by views"])
def publishing(request: pytest.FixtureRequest) -> Iterator[PublishingWeb]:
    with publishing_web("ids", on_the_loop=request.param) as web:
        yield web


@pytest.mark.parametrize("body", [ORDER, {"event": "nope"}])
def test_answers_to_requests_to_publish_name_them(publishing: PublishingWeb, body: Any) -> None:
    for given in ("first", "second"):
        assert publishing.post(body, X_Request_ID=given)[1]["x-request-id"] == given


def test_log_lines_of_a_request_have_its_id_and_those_after_it_have_none(settings: Any) -> None:
    seen: list[dict[str, Any]] = []

    def view(_request: Any) -> Any:
        seen.append(structlog.contextvars.get_contextvars())
        return Client().get("/health/live")

    request_ids.RequestIds(view)(type("Request", (), {"META": {"HTTP_X_REQUEST_ID": "abc"}})())
    assert seen == [{"request_id": "abc"}]
    assert structlog.contextvars.get_contextvars() == {}


def test_the_access_log_has_the_id(server: Running, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.WEB_ACCESS_LOG = True
    with caplog.at_level(logging.INFO):
        exchange(server, get("/health/live", "X-Request-ID: seen-1", "Connection: close"))
    assert "seen-1" in caplog.text
