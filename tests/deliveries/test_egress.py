"""The one way out of a process, kept tidy where nobody sends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deliveries import egress
from deliveries.pacemaker import Scheduler
from deliveries.transport import Request, connections
from tests.hostile import Connection, HostileServer, Stop
from tests.processes import wait_for


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """A transport of the test's own."""
    egress._made.cache_clear()
    yield
    if egress._made.cache_info().currsize:
        egress.transport().close()
    egress._made.cache_clear()


def test_a_pacemaker_closes_connections_that_an_idle_worker_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "KEEP_IDLE_SECONDS", 0.2)
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
        request = Request(server.url, [("webhook-id", "evt_1")], b"{}", 5.0, 10.0)
        assert egress.transport().send(request).delivered
        pacemaker = Scheduler(works=True)
        pacemaker._round()
        assert closed == [], "it is still young"
        wait_for(lambda: pacemaker._round() or closed, 10, "the connection's end")


def test_a_process_that_never_sent_makes_no_transport_for_that() -> None:
    assert egress.close_idle() == 0
    assert egress._made.cache_info().currsize == 0
