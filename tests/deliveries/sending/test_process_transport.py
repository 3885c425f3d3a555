"""The one way out of a process, kept tidy where nobody sends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from deliveries.sending import process_transport
from deliveries.transport import Request, pool
from deliveries.worker.scheduler import Scheduler
from tests.support.hostile import Connection, HostileServer, Stop, answers
from tests.support.processes import wait_for


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """A transport of the test's own."""
    process_transport._made.cache_clear()
    yield
    if process_transport._made.cache_info().currsize:
        process_transport.transport().close()
    process_transport._made.cache_clear()


def test_a_scheduler_closes_connections_that_an_idle_worker_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "KEEP_IDLE_SECONDS", 0.2)
    closed: list[int] = []

    def answers_and_notes_the_end(connection: Connection) -> None:
        connection.read_request()
        connection.answer()
        try:
            connection.read_request()
        except Stop:
            closed.append(connection.number)
            raise

    with HostileServer(answers_and_notes_the_end) as server:
        request = Request(server.url, [("webhook-id", "evt_1")], b"{}", 5.0, 10.0, connection_owner=1)
        assert process_transport.transport().send(request).delivered
        scheduler = Scheduler(works=True)
        scheduler._round()
        assert closed == [], "it is still young"
        wait_for(lambda: scheduler._round() or closed, 10, "the connection's end")


def test_a_process_that_never_sent_makes_no_transport_for_that() -> None:
    assert process_transport.close_idle() == 0
    assert process_transport._made.cache_info().currsize == 0


def test_platform_code_gets_a_session_that_goes_nowhere_a_delivery_could_not() -> None:
    with HostileServer(answers()) as server:
        assert process_transport.session().post(server.url, json={"a": 1}).text == "ok"
    with pytest.raises(requests.exceptions.InvalidURL, match="not a public address"):
        process_transport.session().get("http://10.0.0.1/")
