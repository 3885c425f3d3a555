"""A replica for lists: read where it is near enough, left alone where it isn't, and never asked by the engine."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from django.conf import settings as project
from django.contrib.auth import get_user_model
from django.db import connections
from django.test import Client, override_settings

from deliveries.db import replica
from deliveries.models import Delivery
from tests.faults.stage import Stage
from tests.flows import ground
from tests.support.desk import make_dead
from tests.support.factories import make_member
from tests.support.processes import Web, wait_for
from tests.support.receiver import TestReceiver
from tests.support.standby import Standby

pytestmark = pytest.mark.faults

LIST = "/admin/webhooks_deliveries/delivery/"
EXPORT = LIST + "export/csv/?all=true"


@pytest.fixture
def standby(stage: Stage) -> Iterator[Standby]:
    with Standby(stage.postgres) as server:
        yield server


class Person:
    """Somebody who has signed in to the admin."""

    def __init__(self, web: Web, stage: Stage) -> None:
        self._web, self._cookies = web, {}
        user = make_member(stage.merchant)
        form = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get("/admin/login/"))
        body = urlencode({"csrfmiddlewaretoken": form[1], "username": user.username, "password": "password"})
        self._ask("POST", "/admin/login/", body)
        assert "sessionid" in self._cookies

    def get(self, path: str) -> str:
        return self._ask("GET", path)

    def _ask(self, method: str, path: str, body: str | None = None) -> str:
        connection = HTTPConnection("127.0.0.1", self._web.port, timeout=30)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        secure = {"X-Forwarded-Proto": "https", "Host": "localhost", "Referer": "https://localhost/"}
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request(method, path, body, headers | secure | kind)
        answer = connection.getresponse()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                self._cookies |= {key: morsel.value for key, morsel in SimpleCookie(value).items()}
        text = answer.read().decode()
        connection.close()
        assert answer.status in {200, 302}, text
        return text


def _rows(person: Person) -> tuple[int, int]:
    """Return how many deliveries the list and the export show."""
    return person.get(LIST).count('name="_selected_action"'), person.get(EXPORT).count("dlv_")


def test_lists_are_read_there_while_it_is_near_and_from_the_database_while_it_is_not(
    stage: Stage, standby: Standby
) -> None:
    with TestReceiver() as receiver:
        stage.webhook(receiver.url)
        web = stage.web(DATABASE_REPLICA_URL=standby.url)
        person = Person(web, stage)
        stage.worker(DATABASE_REPLICA_URL=standby.url)
        stage.publish(3)
        stage.wait_for_statuses({"delivered": 3}, 20)
        wait_for(lambda: _rows(person) == (3, 3), 5, "the replica's rows")

        with psycopg.connect(standby.url, autocommit=True) as session:
            session.execute("SELECT pg_wal_replay_pause()")
            paused = time.monotonic()
            stage.publish(2)
            stage.wait_for_statuses({"delivered": 5}, 20)
            assert time.monotonic() - paused < replica.LAG_SECONDS - 3, "this machine is too slow for this test"
            assert _rows(person) == (3, 3), "what the replica has"
            wait_for(lambda: _rows(person) == (5, 5), replica.LAG_SECONDS + 5, "what the database has", pause=0.5)
            session.execute("SELECT pg_wal_replay_resume()")

        wait_for(lambda: _reads(standby, person), replica.REST_SECONDS + 10, "the replica to be read again", pause=1)
        standby.end()
        assert _rows(person) == (5, 5)
        assert "replica_left_alone" in web.log
        stage.publish(1)
        stage.wait_for_statuses({"delivered": 6}, 20)
        assert _rows(person) == (6, 6)


def _reads(standby: Standby, person: Person) -> bool:
    """Tell whether the list is read from the replica: a session of web's ran a statement there."""
    person.get(LIST)
    with psycopg.connect(standby.url, autocommit=True) as session:
        [(count,)] = session.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%webhooks_deliveries_%'"
            " AND pid <> pg_backend_pid() AND state_change > clock_timestamp() - interval '5 s'"
        ).fetchall()
    return count > 0


@pytest.fixture
def replica_here(standby: Standby, monkeypatch: pytest.MonkeyPatch) -> Iterator[Standby]:
    """The standby as this process' replica."""
    monkeypatch.setattr(replica, "_known", replica._Known())
    monkeypatch.setitem(connections.settings, "replica", ground.postgres(standby.url))
    with override_settings(MERCHANT_WEBHOOKS=project.MERCHANT_WEBHOOKS | {"REPLICA": "replica"}):
        yield standby
    connections["replica"].close()
    del connections["replica"]


@pytest.mark.parametrize("path", ["delivery/", "deadletter/", "event/"])
def test_a_list_is_shown_though_the_replica_fails_after_its_rows(
    path: str, stage: Stage, replica_here: Standby, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.webhook("https://shop.example.com/hooks")
    stage.publish(2)
    for delivery in Delivery.objects.all():
        make_dead(delivery)
    read, aliases = replica.read, []

    def read_and_end(work: Any, seconds: float | None = None) -> Any:
        def noted(alias: str) -> Any:
            aliases.append(alias)
            return work(alias)

        rows = read(noted, seconds)
        replica_here.end()
        return rows

    browser = Client()
    browser.force_login(get_user_model().objects.create_superuser("root"))
    with psycopg.connect(stage.postgres.url, autocommit=True) as session:
        wait_for(lambda: _is_level(session), 10, "the replica to have it all")
    monkeypatch.setattr(replica, "read", read_and_end)
    answer = browser.get(f"/admin/webhooks_deliveries/{path}", secure=True)
    assert (answer.status_code, aliases) == (200, ["replica"])
    assert answer.context["cl"].result_count == 2


def _is_level(session: psycopg.Connection[Any]) -> bool:
    [(level,)] = session.execute(
        "SELECT coalesce(bool_and(replay_lsn = pg_current_wal_lsn()), false) FROM pg_stat_replication"
    ).fetchall()
    return bool(level)
