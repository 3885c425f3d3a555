"""The client against the API itself, and against servers that fail: what is sent again is stored once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from deliveries.models import Event
from merchant_webhooks import client as module
from merchant_webhooks.client import Client, RequestRefused, ServiceUnreachable
from subscriptions.models import Merchant
from tests.support.factories import make_api_key, make_merchant, make_webhook


@pytest.fixture
def merchant(transactional_db: None) -> Merchant:
    return make_merchant()


@pytest.fixture
def api(live_server: Any, merchant: Merchant) -> Client:
    return Client(f"{live_server.url}/api/v1/", make_api_key(merchant).text)


def test_it_publishes_and_reads_what_became_of_it(api: Client, merchant: Merchant) -> None:
    make_webhook(merchant)
    first = api.publish("order.created", {"order": {"id": "1"}}, id="order-1", resource_id="order-1")
    assert first == {"id": "order-1", "event": "order.created", "deliveries": 1, "duplicate": False}
    again = api.publish("order.created", {"order": {"id": "1"}}, id="order-1", resource_id="order-1")
    assert again["duplicate"]
    many = api.publish_many([{"event": "order.paid", "data": {"order": {"id": str(n)}}} for n in range(3)])
    assert [each["deliveries"] for each in many] == [1, 1, 1]
    assert len({each["id"] for each in many}) == 3
    assert api.get("events/order-1")["resource_id"] == "order-1"


def test_pages_are_walked_to_the_end(api: Client, merchant: Merchant) -> None:
    hooks = {make_webhook(merchant).public_id for _ in range(5)}
    assert {each["id"] for each in api.pages("webhooks", limit=2)} == hooks
    assert list(api.pages("webhooks", limit=2, is_enabled="false")) == []


def test_a_webhook_is_made_changed_and_deleted(api: Client, merchant: Merchant) -> None:
    made = api.post("webhooks", {"url": "http://127.0.0.1:9/hook", "events": ["*"]})
    assert api.patch(f"webhooks/{made['id']}", {"name": "Renamed"})["name"] == "Renamed"
    api.delete(f"webhooks/{made['id']}")
    with pytest.raises(RequestRefused) as refusal:
        api.get(f"webhooks/{made['id']}")
    assert refusal.value.status == 404


def test_what_is_wrong_is_told_with_its_field_and_not_sent_again(api: Client, waits: list[float]) -> None:
    with pytest.raises(RequestRefused) as refusal:
        api.publish("no.such.event", {})
    assert refusal.value.status == 422
    assert refusal.value.errors[0]["attr"] == "event"
    assert "event: " in str(refusal.value)
    assert waits == []
    with pytest.raises(RequestRefused) as refusal:
        Client(api._api, "ak_live_wrong").get("webhooks")
    assert refusal.value.status == 401


# --- what fails on the way ------------------------------------------------------------------------------------------

Answer = tuple[int, dict[str, str], bytes] | None
"""None: the connection ends before an answer."""


@contextmanager
def server(*answers: Answer) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """Answer one after the other, the last one for ever; yield the address and what came."""
    came: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append((dict(self.headers), self.rfile.read(int(self.headers.get("Content-Length", 0)))))
            answer = answers[min(len(came), len(answers)) - 1]
            if answer is None:
                self.close_connection = True
                return
            status, headers, body = answer
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_port}/api/v1", came
    finally:
        running.shutdown()
        running.server_close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What it waits, without waiting."""
    found: list[float] = []
    monkeypatch.setattr(module.time, "sleep", found.append)
    return found


RECEIPT = json.dumps({"id": "x", "event": "order.created", "deliveries": 0, "duplicate": False}).encode()
GOOD: Answer = (201, {}, RECEIPT)
BUSY = json.dumps({"type": "client_error", "errors": [{"code": module.IN_PROGRESS, "detail": "…", "attr": None}]})


@pytest.mark.parametrize(
    "failure",
    [None, (500, {}, b"oops"), (502, {}, b"<html>"), (503, {}, b""), (504, {}, b""), (408, {}, b""), (429, {}, b"{}"),
     (409, {}, BUSY.encode())],
    ids=str,
)  # fmt: skip
def test_what_may_pass_is_sent_again_as_the_same_request(failure: Answer, waits: list[float]) -> None:
    with server(failure, failure, GOOD) as (address, came):
        assert Client(address, "ak_live_x").publish("order.created", {"a": 1})["deliveries"] == 0
    assert len(came) == 3
    assert len({headers["Idempotency-Key"] for headers, _body in came}) == 1
    assert len({body for _headers, body in came}) == 1, "the id made here stays, too"
    assert 0 < waits[0] < waits[1]


@pytest.mark.parametrize("failure", [None, (503, {}, b"away")], ids=str)
def test_after_some_tries_it_says_that_nobody_answers(failure: Answer, waits: list[float]) -> None:
    with server(failure) as (address, came), pytest.raises(ServiceUnreachable):
        Client(address, "ak_live_x").get("webhooks")
    assert len(came) == module.ATTEMPTS
    assert len(waits) == module.ATTEMPTS - 1


def test_nobody_there_is_said_too(waits: list[float]) -> None:
    with pytest.raises(ServiceUnreachable):
        Client("http://127.0.0.1:1/api/v1", "ak_live_x").get("webhooks")


def test_it_waits_as_long_as_it_is_asked_to_and_no_longer_than_it_says(waits: list[float]) -> None:
    with server((429, {"Retry-After": "7"}, b""), GOOD) as (address, _came):
        Client(address, "ak_live_x").publish("order.created", {})
    assert waits == [7.0]
    with server((429, {"Retry-After": "3600"}, b"")) as (address, came), pytest.raises(ServiceUnreachable, match="429"):
        Client(address, "ak_live_x").publish("order.created", {})
    assert len(came) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_with_the_key(status: int, waits: list[float]) -> None:
    with server(GOOD) as (elsewhere, came), server((status, {"Location": elsewhere}, b"")) as (address, _came):
        with pytest.raises(RequestRefused):
            Client(address, "ak_live_x").get("webhooks")
        assert came == []


def test_the_next_page_is_asked_of_the_same_service(waits: list[float]) -> None:
    first = json.dumps({"results": [1], "next": "http://elsewhere.example/api/v1/webhooks?cursor=a7&limit=1"}).encode()
    last = json.dumps({"results": [2], "next": None}).encode()
    with server((200, {}, first), (200, {}, last)) as (address, came):
        assert list(Client(address, "ak_live_x").pages("webhooks")) == [1, 2]
    assert len(came) == 2


@pytest.mark.parametrize("body", [b"<html>not found</html>", b"{}", b"[]", b'{"errors": 7}', b'{"errors": [{}]}', b""])
def test_an_answer_of_something_in_front_is_told_as_it_is(body: bytes, waits: list[float]) -> None:
    with server((404, {}, body)) as (address, _came), pytest.raises(RequestRefused, match="404"):
        Client(address, "ak_live_x").get("webhooks")


@pytest.mark.django_db(transaction=True)
def test_an_event_whose_answer_was_lost_is_stored_once(
    api: Client, merchant: Merchant, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    """The service stored it, and the answer got lost on the way back."""
    ask: Callable[..., Any] = api._session.request
    lost: list[Any] = []

    def lossy(*words: Any, **named: Any) -> Any:
        answer = ask(*words, **named)
        if not lost:
            lost.append(answer)
            raise module.requests.ConnectionError("lost")
        return answer

    monkeypatch.setattr(api._session, "request", lossy)
    api.publish("order.created", {"order": {"id": "1"}})
    assert Event.objects.filter(merchant=merchant).count() == 1
    assert lost[0].status_code == 201
