"""Following a list: every row comes once, however late its transaction commits."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connection

from deliveries.api import following
from deliveries.models import Delivery, Event
from subscriptions import services
from subscriptions.models import ApiRates, Merchant, Webhook
from tests.support.api import Client, attrs

pytestmark = pytest.mark.django_db(transaction=True)

EVENTS, DELIVERIES = "/api/v1/events", "/api/v1/deliveries"


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "WAIT_SECONDS", 0.03)


@pytest.fixture
def merchant(transactional_db: None) -> Merchant:
    merchant = services.create_merchant(name="Shop", email="o@shop.example", domain="shop.example").merchant
    ApiRates.objects.create(merchant=merchant, per_hour=100_000, per_minute=100_000)
    return merchant


@pytest.fixture
def api(merchant: Merchant) -> Client:
    return Client(services.create_api_key(merchant=merchant).text)


@pytest.fixture
def sessions() -> Iterator[Callable[[], psycopg.Connection[Any]]]:
    """Makes sessions of other writers, whose transactions stay open until they commit."""
    opened: list[psycopg.Connection[Any]] = []

    def make() -> psycopg.Connection[Any]:
        given = connection.get_connection_params()
        where = {name: given[name] for name in ("dbname", "user", "password", "host", "port") if name in given}
        opened.append(psycopg.connect(**where))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def write(session: psycopg.Connection[Any], merchant: Merchant, name: str) -> None:
    """Store an event in the session's transaction, beginning one where there is none."""
    session.execute(
        "INSERT INTO webhooks_deliveries_event (public_id, merchant_id, type, data, size, occurred_at, created_at)"
        " VALUES (%s, %s, 'order.created', '{}', 2, now(), now())",
        [name, merchant.pk],
    )


class Follower:
    """Asks for the next page again and again."""

    def __init__(self, api: Client, address: str) -> None:
        self.api, self.address, self.seen = api, address, list[str]()

    def ask(self) -> list[str]:
        answer = self.api.get(self.address)
        assert answer.status_code == 200, answer.content
        body = answer.json()
        assert body["previous"] is None
        self.address = body["next"]
        found = [row["id"] for row in body["results"]]
        self.seen += found
        return found


@pytest.mark.parametrize("seed", range(12))
def test_however_transactions_overlap_each_event_comes_once(
    seed: int, api: Client, merchant: Merchant, sessions: Callable[[], psycopg.Connection[Any]]
) -> None:
    dice, written = random.Random(seed), list[str]()
    writers = [sessions() for _ in range(4)]
    follower = Follower(api, f"{EVENTS}?follow=all&limit={dice.choice([1, 2, 3, 200])}")
    for _ in range(60):
        writer = dice.choice(writers)
        match dice.choice(["write", "write", "commit", "roll back", "ask"]):
            case "write":
                written.append(f"e-{len(written)}")
                write(writer, merchant, written[-1])
            case "commit":
                writer.commit()
            case "roll back" if dice.random() < 0.3:
                writer.rollback()
            case "ask":
                follower.ask()
    for writer in writers:
        writer.commit()
    while follower.ask():
        pass

    kept = list(Event.objects.order_by("pk").values_list("public_id", flat=True))
    assert len(kept) > 5
    assert follower.seen == kept


def test_what_commits_late_under_a_smaller_key_is_waited_for(
    api: Client, merchant: Merchant, sessions: Callable[[], psycopg.Connection[Any]]
) -> None:
    late, quick = sessions(), sessions()
    follower = Follower(api, f"{EVENTS}?follow=all")
    assert follower.ask() == []
    write(late, merchant, "late")
    write(quick, merchant, "quick")
    quick.commit()

    assert [row["id"] for row in api.get(EVENTS).json()["results"]] == ["quick"], "the list itself shows what there is"
    assert follower.ask() == []
    late.commit()
    assert follower.ask() == ["late", "quick"]
    assert follower.ask() == []


def test_an_old_open_transaction_holds_up_only_what_came_after_it(
    api: Client, merchant: Merchant, sessions: Callable[[], psycopg.Connection[Any]]
) -> None:
    first, endless, other = sessions(), sessions(), sessions()
    follower = Follower(api, f"{EVENTS}?follow=all")
    write(first, merchant, "before")
    assert follower.ask() == []
    write(endless, merchant, "endless")
    first.commit()
    for number in range(3):  # there is always one open when it asks
        write(other, merchant, f"after-{number}")
        other.commit()
        follower.ask()
    assert follower.seen == ["before"]

    endless.commit()
    while follower.ask():
        pass
    assert follower.seen == ["before", "endless", "after-0", "after-1", "after-2"]


def test_who_only_reads_or_writes_elsewhere_holds_up_nothing(
    api: Client, merchant: Merchant, sessions: Callable[[], psycopg.Connection[Any]]
) -> None:
    reader, elsewhere, writer = sessions(), sessions(), sessions()
    reader.execute("SELECT count(*) FROM webhooks_deliveries_event")
    elsewhere.execute("UPDATE webhooks_subscriptions_merchant SET name = 'x' WHERE id = %s", [merchant.pk])
    write(writer, merchant, "e-1")
    writer.commit()

    assert Follower(api, f"{EVENTS}?follow=all").ask() == ["e-1"]


def test_new_begins_with_what_is_written_from_now_on(api: Client, merchant: Merchant) -> None:
    assert api.post(EVENTS, {"event": "order.created", "data": {}, "id": "old"}).status_code == 201
    follower = Follower(api, f"{EVENTS}?follow=new")
    assert follower.ask() == []
    assert api.post(EVENTS, {"event": "order.created", "data": {}, "id": "new"}).status_code == 201

    assert follower.ask() == ["new"]


def test_deliveries_are_followed_and_filtered_alike(api: Client, merchant: Merchant) -> None:
    made = [api.post("/api/v1/webhooks", {"url": f"http://127.0.0.1:9/{n}", "events": ["*"]}).json() for n in range(2)]
    webhook = Webhook.objects.get(public_id=made[0]["id"])
    follower = Follower(api, f"{DELIVERIES}?follow=all&webhook={webhook.public_id}&limit=2&fields=id")
    for number in range(5):
        assert api.post(EVENTS, {"event": "order.created", "data": {}, "id": f"e-{number}"}).status_code == 201

    assert [len(follower.ask()) for _ in range(4)] == [2, 2, 1, 0]
    assert follower.seen == [one.public_id for one in Delivery.objects.filter(webhook=webhook).order_by("pk")]
    assert "fields=id" in follower.address


@pytest.mark.parametrize(
    "cursor",
    ["f", "f-1", "fx", "f1.", "f1.2", "f1.2.3", "f1.2.3-4.", "f1.2.3-4-5x", "f1.2.3/4", "f" + "9" * 19, "f1.2.٣-4",
     "F1", "f1 "],
)  # fmt: skip
def test_a_cursor_that_is_none_is_refused(api: Client, cursor: str) -> None:
    answer = api.get(EVENTS + "?cursor=" + cursor.replace(" ", "%20"))
    assert answer.status_code == 400, answer.content
    assert list(attrs(answer)) == ["cursor"]


@pytest.mark.parametrize("word", ["true", "1", "ALL", "newest", "all,new"])
def test_follow_takes_its_two_words_only(api: Client, word: str) -> None:
    answer = api.get(f"{EVENTS}?follow={word}")
    assert (answer.status_code, list(attrs(answer))) == (400, ["follow"])


@pytest.mark.parametrize("address", ["/api/v1/dead-letters", "/api/v1/undelivered", "/api/v1/jobs"])
def test_other_lists_are_not_followed(api: Client, address: str) -> None:
    assert api.get(f"{address}?follow=all").status_code == 400
    assert api.get(f"{address}?cursor=f1").status_code == 400


@contextmanager
def many_open(count: int, make: Callable[[], psycopg.Connection[Any]], merchant: Merchant) -> Iterator[None]:
    opened = [make() for _ in range(count)]
    for number, one in enumerate(opened):
        write(one, merchant, f"open-{number}")
    yield
    for one in opened:
        one.commit()


def test_a_cursor_of_many_open_transactions_is_taken_back(
    api: Client, merchant: Merchant, sessions: Callable[[], psycopg.Connection[Any]]
) -> None:
    follower = Follower(api, f"{EVENTS}?follow=all")
    with many_open(12, sessions, merchant):
        assert follower.ask() == []
        assert follower.address.count("-") >= 12
        assert follower.ask() == []
    assert len(follower.ask()) == 12


@pytest.mark.parametrize("order", ["writes before it is asked", "writes after it is asked"])
def test_who_asks_from_the_newest_time_seen_misses_nothing_that_commits_late(
    api: Client, merchant: Merchant, sessions: Callable[[], psycopg.Connection[Any]], order: str
) -> None:
    late, quick = sessions(), sessions()
    seen: set[str] = set()
    newest = "2000-01-01T00:00:00Z"

    def ask() -> None:
        nonlocal newest
        found = api.get(f"{EVENTS}?created_at_min={newest}").json()["results"]
        seen.update(row["id"] for row in found)
        newest = max([newest, *(row["created_at"] for row in found)])

    late.execute("SELECT 1")  # its transaction begins
    if order == "writes before it is asked":
        write(late, merchant, "late")
    write(quick, merchant, "quick")
    quick.commit()
    ask()
    if order == "writes after it is asked":
        write(late, merchant, "late")
    late.commit()
    ask()
    assert seen == {"late", "quick"}
