"""pgbouncer in transaction mode, as docs/ops/pgbouncer.ini sets it up: the whole service through it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
import pytest

from tests.faults.stage import Stage, came, doubled
from tests.flows import ground
from tests.support.factories import make_api_key
from tests.support.pooler import Pooler
from tests.support.processes import wait_for
from tests.support.receiver import TestReceiver

pytestmark = pytest.mark.faults

SESSIONS = 6
"""Of PostgreSQL, for each database: far fewer than the service's own, so that each transaction may meet another one."""
WEBHOOKS, EVENTS = 6, 40


@pytest.fixture
def pooled(stage: Stage) -> Iterator[Stage]:
    """A stage whose processes know the database by the pooler only; its server is not in UTC."""
    _in_role(stage, "SET timezone = 'Asia/Kolkata'")
    with Pooler(stage.postgres, sessions=SESSIONS) as pooler:
        stage.pooler = pooler
        stage.elsewhere = {
            "DATABASE_URL": pooler.url(),
            "DATABASE_SESSION_SETTINGS": "false",
            "DATABASE_PREPARED_STATEMENTS": "false",
        }
        yield stage
    _in_role(stage, "RESET timezone")


def _in_role(stage: Stage, change: str) -> None:
    with psycopg.connect(stage.postgres.url, autocommit=True) as session:
        session.execute(f"ALTER ROLE webhooks {change}")


def _web(stage: Stage):
    return stage.web(DATABASE_URL=stage.pooler.url("web"), WEB_STATEMENT_SECONDS=2)


def test_everything_is_published_sent_and_read_through_it(pooled: Stage) -> None:
    key = {"Authorization": f"Bearer {make_api_key(pooled.merchant).text}"}
    with TestReceiver(delay=0.05) as receiver:
        for number in range(WEBHOOKS):
            pooled.webhook(f"{receiver.url}/{number}", window=5, ordering="resource" if number % 2 else "")
        web, beat = _web(pooled), pooled.beat()
        workers = [pooled.worker(), pooled.worker()]
        receiver.fail_next(10)
        for number in range(EVENTS):
            name, data = ("order.paid", {"n": number}) if number % 2 else ("order.created", {"n": number})
            body = {"event": name, "data": data, "id": f"r{number}", "resource_id": f"r{number % 3}"}
            assert web.request("POST", "/api/v1/events", body, key).status == 201
        pooled.publish(EVENTS)
        pooled.publish(EVENTS, batch=False)
        total = WEBHOOKS * EVENTS * 3
        pooled.wait_for_statuses({"delivered": total}, 60)
        for path in ("deliveries", "deliveries?status=delivered", "deliveries?search=order", "events", "stats"):
            answer = web.request("GET", f"/api/v1/{path}", headers=key)
            assert answer.status == 200, (path, answer.content)
        assert web.request("GET", "/health/ready").status == 200
        assert b"webhooks_database_up 1.0" in web.request("GET", "/metrics").content
    assert len(set(came(receiver))) == total
    assert len(came(receiver)) == total + 10, "each refusal was tried again once"
    assert pooled.interrupted() == []
    pooled.log_agrees()
    with psycopg.connect(pooled.postgres.url) as session:
        [(used,)] = session.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%:%' AND pid <> pg_backend_pid()"
        ).fetchall()
        [(late,)] = session.execute(
            "SELECT count(*) FROM webhooks_deliveries_hourcounter"
            " WHERE extract(minute FROM bucket AT TIME ZONE 'UTC') > 0"
        ).fetchall()
    assert used <= 2 * SESSIONS
    assert late == 0, "counters are by the hour and five minutes of UTC"
    for child in (web, *workers, beat):
        assert child.runs, child.tail()
        assert "Traceback" not in child.log, child.tail()


def test_a_database_that_restarts_behind_it_costs_no_event(pooled: Stage) -> None:
    key = {"Authorization": f"Bearer {make_api_key(pooled.merchant).text}"}
    with TestReceiver(delay=0.3) as receiver:
        for number in range(WEBHOOKS):
            pooled.webhook(f"{receiver.url}/{number}", window=20)
        web = _web(pooled)
        workers = [pooled.worker(), pooled.worker()]
        pooled.publish(EVENTS)
        receiver.wait_for(EVENTS)
        pooled.postgres.restart("fast")
        came_back = time.monotonic()
        body = {"event": "order.created", "data": {"n": "after"}, "id": "after"}

        def accepted() -> bool:
            return web.request("POST", "/api/v1/events", body, key).status in {200, 201}

        wait_for(accepted, 10, "an event that is accepted")
        print(f"accepted {time.monotonic() - came_back:.1f} s after the restart")
        pooled.wait_for_statuses({"delivered": WEBHOOKS * (EVENTS + 1)}, 40)
    assert doubled(receiver) == {}
    for child in (web, *workers):
        assert child.runs, child.tail()
        assert "outcome_lost" not in child.log


def test_a_statement_of_a_page_ends_in_time_and_migrations_run(pooled: Stage) -> None:
    """The two things that a session says for itself elsewhere."""
    with psycopg.connect(pooled.pooler.url("web"), prepare_threshold=None) as session:
        assert session.execute("SHOW statement_timeout").fetchone() == ("10s",)
    with psycopg.connect(pooled.pooler.url(), prepare_threshold=None) as session:
        assert session.execute("SHOW statement_timeout").fetchone() == ("0",)
    settings = ground.postgres(pooled.pooler.url()) | {"SESSION_SETTINGS": False, "DISABLE_SERVER_SIDE_CURSORS": True}
    with ground.database(settings | {"ENGINE": "webhooks_project.postgresql"}):
        ground.migrate()
