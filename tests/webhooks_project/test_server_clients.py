"""Whose requests count together: those of a merchant with all its credentials, and those of an address without one."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from subscriptions import services
from subscriptions.services import NewMerchant
from tests.support.desk import sign_in
from tests.support.factories import make_api_key, make_member
from tests.support.processes import wait_for
from tests.support.web_server import Running, Wire, exchange, get, running
from webhooks_project.server import clients, relay
from webhooks_project.server.clients import Clients
from webhooks_project.server.messages import Answer, Request
from webhooks_project.server.pages import Pages

pytestmark = pytest.mark.django_db(transaction=True)
DELIVERIES = "/admin/webhooks_deliveries/delivery/"


def asked(path: str = "/api/x", client: str = "192.0.2.1", **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("GET", path, "", named, "1.1", client, asker=None, began=0.0)  # type: ignore[arg-type]


@pytest.fixture(params=[False, True], ids=["threads", "page process"])
def web(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[Running]:
    with running(relayed=request.param) as server:
        yield server


@pytest.fixture
def shop(transactional_db: None) -> NewMerchant:
    return services.create_merchant(name="Shop", email="owner@shop.example", domain="shop.example")


def whose(web: Running, path: str, *headers: str) -> str:
    """Return whose turn a request takes, once one like it was answered."""
    exchange(web, get(path, *headers, "Connection: close"))
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in headers)}
    return web.server.clients.of(asked(path, "127.0.0.1", **fields))


def test_all_credentials_of_a_merchant_are_one_client(web: Running, shop: NewMerchant) -> None:
    own = f"merchant {shop.merchant.pk}"
    other_key = make_api_key(shop.merchant).text
    for key in (shop.api_key, other_key):
        assert whose(web, "/api/v1/webhooks", f"authorization: Bearer {key}") == own
    for role in ("viewer", "owner"):
        session = sign_in(make_member(shop.merchant, role=role)).cookies["sessionid"].value
        assert whose(web, DELIVERIES, f"cookie: sessionid={session}") == own


def test_wrong_credentials_are_their_address(web: Running, shop: NewMerchant) -> None:
    assert whose(web, "/api/v1/webhooks", "authorization: Bearer ak_live_1") == "address 127.0.0.1"
    assert whose(web, DELIVERIES, "cookie: sessionid=1") == "address 127.0.0.1"
    assert whose(web, DELIVERIES) == "address 127.0.0.1"
    wrong = (f"authorization: Bearer {shop.api_key}", "x-tenant-id: mch_1")
    assert whose(web, "/api/v1/nothing", *wrong) == f"merchant {shop.merchant.pk}", "a key needs no tenant"


def test_people_of_several_merchants_are_one_client_of_these(web: Running, shop: NewMerchant) -> None:
    other = services.create_merchant(name="Other", email="o@other.example", domain="other.example").merchant
    found = set()
    for _ in range(2):
        person = make_member(shop.merchant, role="viewer")
        other.memberships.create(user=person, role="viewer")
        found.add(whose(web, DELIVERIES, f"cookie: sessionid={sign_in(person).cookies['sessionid'].value}"))
    assert found == {f"merchant {shop.merchant.pk},{other.pk}"}


def test_a_credential_is_known_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(clients, "time", SimpleNamespace(monotonic=lambda: now))
    known, request = Clients(), asked(authorization="Bearer 1")
    known.note(request, "merchant 1")
    now = clients.KNOWN_SECONDS - 1
    assert known.of(request) == "merchant 1"
    assert known.of(asked(authorization="Bearer 1", x_tenant_id="mch_2")) == "address 192.0.2.1"
    assert known.of(asked("/admin/", authorization="Bearer 1")) == "address 192.0.2.1"
    now += 2
    assert known.of(request) == "address 192.0.2.1"


def test_so_many_credentials_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "KNOWN_MAX", 2)
    known = Clients()
    for number in (1, 2, 1, 3):
        known.note(asked(authorization=f"Bearer {number}"), f"merchant {number}")
    known.note(asked(), "merchant 9")
    assert [known.of(asked(authorization=f"Bearer {number}"))[:4] for number in (1, 2, 3)] == ["merc", "addr", "merc"]


# --- at the page processes --------------------------------------------------------------------------------------------


class Slow:
    """Pages that take until the test lets them end; who has asked for them, by its credential."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.over = threading.Event()
        self.at_work: Counter[str] = Counter()
        monkeypatch.setattr(Pages, "respond", self._respond)

    def _respond(self, request: Request) -> Answer:
        shown = request.headers.get("authorization", "")
        if "ak_live_right" in shown:
            request.owner = shown
        else:
            self.at_work["wrong"] += 1
            self.over.wait(20)
        return Answer(200, [], b"page")


@pytest.mark.parametrize("shown", ["Authorization: Bearer ak_live_{}", "Cookie: sessionid={}"], ids=["keys", "cookies"])
def test_made_up_credentials_leave_threads_and_places_to_those_who_are_known(
    web: Running, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(monkeypatch)
    monkeypatch.setattr(relay, "OPEN_MAX", 16)
    right = get("/api/page", "Authorization: Bearer ak_live_right", "Connection: close")
    assert exchange(web, right).endswith(b"page")
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(web.port)) for _ in range(200)]
        for number, wire in enumerate(wires):
            wire.send(get("/api/slow", shown.format(number), "Connection: close"))
        told: Any = None
        try:
            for _ in range(5):
                told = exchange(web, right)
                assert told.endswith(b"page"), told
            assert slow.at_work["wrong"] <= 2, "half of the threads"
        finally:
            slow.over.set()
        statuses = Counter(wire.rest()[9:12] for wire in wires)
        assert statuses[b"429"] > 0, "what one address may let wait has an end"
        assert set(statuses) == {b"200", b"429"}


def test_when_no_more_may_wait_the_longest_line_is_shortened(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.WEBHOOKS_TRUSTED_PROXIES = 1
    slow = Slow(monkeypatch)
    for name, most in (("OPEN_MAX", 2), ("WAITING_MAX", 8), ("WAITING_OF_CLIENT_MAX", 8)):
        monkeypatch.setattr(relay, name, most)
    with running(relayed=True) as web, contextlib.ExitStack() as stack:
        busy, few = ([stack.enter_context(Wire(web.port)) for _ in range(count)] for count in (9, 2))
        for wires, address, waiting in ((busy, "192.0.2.1", 8), (few, "192.0.2.2", 1)):
            for wire in wires:
                wire.send(get("/x", f"X-Forwarded-For: {address}", "Connection: close"))
            line = partial(web.server._relay._turns.count_of, f"address {address}")
            wait_for(lambda line=line, waiting=waiting: line() == waiting, 5, "requests that wait")
        slow.over.set()
        told = [sorted(wire.rest()[9:12] for wire in wires) for wires in (busy, few)]
        assert told == [[*[b"200"] * 8, b"503"], [b"200"] * 2]
