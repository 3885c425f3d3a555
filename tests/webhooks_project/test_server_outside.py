"""Promise 5 in the web process: whoever waits for an endpoint or a name keeps no thread from the others."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.cookies import SimpleCookie
from types import SimpleNamespace

import pytest

from deliveries.sending import test_sends
from deliveries.transport import urls
from deliveries.transport.resolver import AddrInfo, Resolver
from subscriptions import services
from subscriptions.services import NewMerchant
from tests.support.desk import sign_in
from tests.support.factories import make_member
from tests.support.hostile import Connection, HostileServer, answers
from tests.support.processes import wait_for
from tests.support.web_server import Running, Wire, get, post, running

pytestmark = pytest.mark.django_db(transaction=True)
SECONDS = 1.0
"""What a page may take on a busy machine; those that wait for an endpoint take TIMEOUT."""
TIMEOUT = 4.0
FORM = "Content-Type: application/x-www-form-urlencoded"


@pytest.fixture
def web() -> Iterator[Running]:
    with running() as server:
        yield server


@pytest.fixture
def shops() -> list[NewMerchant]:
    return [services.create_merchant(name=f"s{n}", email=f"s{n}@shop.example", domain="x.example") for n in range(5)]


def is_silent(connection: Connection) -> None:
    connection.read_request()
    connection.sleep(60)


def hook(shop: NewMerchant, url: str) -> str:
    made = services.create_webhook(merchant=shop.merchant, url=url, events=["order.*"], timeout=TIMEOUT)
    return made.webhook.public_id


def ask(web: Running, data: bytes) -> tuple[int, bytes, float]:
    """Return status, body and seconds."""
    began = time.monotonic()
    with Wire(web.port, timeout=30) as wire:
        head, _, body = wire.send(data).rest().partition(b"\r\n\r\n")
    return int(head.split()[1]), body, time.monotonic() - began


def bearer(shop: NewMerchant) -> str:
    return f"Authorization: Bearer {shop.api_key}"


def api(shop: NewMerchant, path: str, body: object = None) -> bytes:
    lines = (bearer(shop), "Connection: close", "Content-Type: application/json")
    return get(path, *lines) if body is None else post(path, json.dumps(body).encode(), *lines)


def assert_served(web: Running, shop: NewMerchant) -> None:
    """Assert that health, the API and a page answer at once."""
    for asked in (
        get("/health/live", "Connection: close"),
        api(shop, "/api/v1/webhooks"),
        get("/admin/login/", "Connection: close"),
    ):
        status, _, seconds = ask(web, asked)
        assert (status, seconds < SECONDS) == (200, True), seconds


def test_test_sends_to_a_silent_endpoint_hold_up_nobody(web: Running, shops: list[NewMerchant]) -> None:
    with HostileServer(is_silent) as silent, ThreadPoolExecutor(16) as pool:
        paths = [(shop, f"/api/v1/webhooks/{hook(shop, silent.url)}/test") for shop in shops]
        waiting = [pool.submit(ask, web, api(shop, path, {})) for shop, path in paths[:4] * 4]
        wait_for(lambda: len(silent.requests) == 16, 10, "the requests")
        assert_served(web, shops[0])
        told = [each.result() for each in waiting]
    assert {status for status, _, _ in told} == {200}
    assert {json.loads(body)["error"] for _, body, _ in told} == {"response_timeout"}
    assert all(TIMEOUT <= seconds < TIMEOUT + 2 for _, _, seconds in told)


def test_test_sends_of_the_admin_hold_up_nobody(web: Running, shops: list[NewMerchant]) -> None:
    with HostileServer(is_silent) as silent, ThreadPoolExecutor(16) as pool:
        forms = []
        for shop in shops:
            browser = sign_in(make_member(shop.merchant))
            browser.get("/admin/")
            cookies = SimpleCookie({name: morsel.value for name, morsel in browser.cookies.items()})
            token = cookies.setdefault("csrftoken", "a" * 32)
            token = getattr(token, "value", token)
            line = "; ".join(f"{name}={getattr(m, 'value', m)}" for name, m in cookies.items())
            form = f"url={silent.url}&dialect=standard&merchant={shop.merchant.pk}&timeout={TIMEOUT}&sample=order.paid"
            headers = (FORM, f"Cookie: {line}", f"X-CSRFToken: {token}", "Connection: close")
            forms.append(post("/admin/webhooks_subscriptions/webhook/new/test/", form.encode(), *headers))
        waiting = [pool.submit(ask, web, form) for form in forms[:4] * 4]
        wait_for(lambda: len(silent.requests) == 16, 10, "the requests")
        assert_served(web, shops[0])
        told = [each.result() for each in waiting]
    assert {status for status, _, _ in told} == {200}
    assert all(b"data-diagnosis" in body for _, body, _ in told)


def test_a_test_answers_as_it_does_without_the_server(web: Running, shops: list[NewMerchant]) -> None:
    with HostileServer(answers()) as server:
        status, body, _ = ask(web, api(shops[0], f"/api/v1/webhooks/{hook(shops[0], server.url)}/test", {}))
    shown = json.loads(body)
    assert (status, shown["delivered"], shown["response"]["body"]) == (200, True, "ok")


def test_an_idempotent_test_is_kept_although_nobody_waits_on_a_thread(web: Running, shops: list[NewMerchant]) -> None:
    with HostileServer(answers()) as server:
        path = f"/api/v1/webhooks/{hook(shops[0], server.url)}/test"
        asked = post(path, b"{}", bearer(shops[0]), "Connection: close", "Content-Type: application/json",
                     "Idempotency-Key: t-1")  # fmt: skip
        first, second = ask(web, asked), ask(web, asked)
        assert len(server.requests) == 1
    assert json.loads(first[1]) == json.loads(second[1])


def test_a_merchant_has_so_many_test_sends_at_once_and_no_more(web: Running, shops: list[NewMerchant]) -> None:
    limit = test_sends.OF_MERCHANT_MAX
    with HostileServer(is_silent) as silent, ThreadPoolExecutor(limit) as pool:
        path = f"/api/v1/webhooks/{hook(shops[0], silent.url)}/test"
        waiting = [pool.submit(ask, web, api(shops[0], path, {})) for _ in range(limit)]
        wait_for(lambda: len(silent.requests) == limit, 10, "the requests")
        status, body, seconds = ask(web, api(shops[0], path, {}))
        assert status == 429
        assert str(limit) in json.loads(body)["errors"][0]["detail"]
        assert seconds < SECONDS
        other = f"/api/v1/webhooks/{hook(shops[1], silent.url)}/test"
        neighbour = pool.submit(ask, web, api(shops[1], other, {}))
        assert {each.result()[0] for each in [*waiting, neighbour]} == {200}
        again = pool.submit(ask, web, api(shops[0], path, {}))
        assert again.result()[0] == 200, "a place is free again once a test has ended"


def test_a_process_has_so_many_test_sends_at_once_and_no_more(
    web: Running, shops: list[NewMerchant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(test_sends, "OPEN_MAX", 2)
    with HostileServer(is_silent) as silent, ThreadPoolExecutor(2) as pool:
        paths = [f"/api/v1/webhooks/{hook(shop, silent.url)}/test" for shop in shops]
        waiting = [pool.submit(ask, web, api(shops[n], paths[n], {})) for n in range(2)]
        wait_for(lambda: len(silent.requests) == 2, 10, "the requests")
        assert ask(web, api(shops[2], paths[2], {}))[0] == 429
        assert {each.result()[0] for each in waiting} == {200}


def test_names_that_never_answer_hold_up_nobody_who_saves(
    web: Running, shops: list[NewMerchant], monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def lookup(host: str, port: int) -> list[AddrInfo]:
        over.wait(20)
        return []

    for shop in shops:  # from now on their keys are known; others share the turns of their address
        assert ask(web, api(shop, "/api/v1/webhooks"))[0] == 200
    resolver = Resolver(lookup, threads=2)
    monkeypatch.setattr(urls, "_saving_resolver", lambda: resolver)
    monkeypatch.setattr(urls, "_rest", SimpleNamespace(until=0.0))  # for this test alone
    with ThreadPoolExecutor(16) as pool:
        bodies = [{"url": f"http://slow{n}.example.com/h", "events": ["order.*"]} for n in range(16)]
        waiting = [pool.submit(ask, web, api(shops[n % 4], "/api/v1/webhooks", body)) for n, body in enumerate(bodies)]
        time.sleep(0.3)
        assert_served(web, shops[4])
        told = [each.result() for each in waiting]
        over.set()
    assert {status for status, _, _ in told} == {201}
    assert sum(seconds > urls.CHECK_RESOLVE_SECONDS for _, _, seconds in told) < 16, "some are saved without a wait"
