"""No delivery is ever recorded with an answer to another, whatever an endpoint writes on its connections."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from deliveries.transport import Outcome, Transport, pool
from tests.deliveries.transport.conftest import LOOPBACK, Authority, make_request, send
from tests.support.hostile import Connection, Handler, HostileServer, Stop

CONNECTIONS_REST = True
FORGED = b"HTTP/1.1 500 Forged\r\nContent-Length: 6\r\n\r\nforged"


@pytest.fixture
def transport() -> Iterator[Transport]:
    transport = Transport(LOOPBACK)
    yield transport
    transport.close()


def echoes(then: Callable[[Connection], None] = lambda _: None) -> Handler:
    """Answers each request with its body, then does something more to requests for /bad."""

    def handler(connection: Connection) -> None:
        while True:
            received = connection.read_request()
            connection.answer(body=received.body)
            if "/bad" in received.line:
                then(connection)

    return handler


def in_turn(count: int, side_by_side: int, post: Callable[[int], Outcome]) -> list[tuple[int, Outcome]]:
    """Post so many, on so many threads, each the next as soon as its last has ended."""
    outcomes: list[tuple[int, Outcome]] = []
    numbers = iter(range(count))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            outcomes.append((number, post(number)))

    threads = [threading.Thread(target=work) for _ in range(side_by_side)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def later(seconds: float, data: bytes = FORGED) -> Callable[[Connection], None]:
    def send(connection: Connection) -> None:
        with suppress(Stop):  # closed meanwhile
            connection.send(data)

    def write(connection: Connection) -> None:
        timer = threading.Timer(seconds, send, [connection])
        timer.daemon = True
        timer.start()

    return write


def at_once(data: bytes) -> Callable[[Connection], None]:
    return lambda connection: connection.send(data)


BAD_HABITS = {
    "a second answer after 5 ms": later(0.005),
    "a second answer at once": at_once(FORGED),
    "a second answer after 30 ms": later(0.030),
    "a stray line break": at_once(b"\r\n"),
    "a stray page after 5 ms": later(0.005, b"<html>oops</html>\n"),
    "a good second answer after 5 ms": later(0.005, b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"),
}


@pytest.mark.parametrize("habit", BAD_HABITS)
@pytest.mark.parametrize("side_by_side", [1, 8])
def test_every_outcome_is_its_own_beside_and_at_an_endpoint_that_writes_too_much(
    transport: Transport, habit: str, side_by_side: int
):
    """The two webhooks share an origin; the bench has 2,000 deliveries to each."""
    with HostileServer(echoes(BAD_HABITS[habit])) as server:
        base = server.url.removesuffix("/hook")

        def post(number: int) -> Outcome:
            name = "bad" if number % 2 else "good"
            return send(transport, f"{base}/{name}", body=f"{number}".encode(), connection_owner=name)

        outcomes = in_turn(200, side_by_side, post)
    assert len(outcomes) == 200
    wrong = [(number, outcome) for number, outcome in outcomes if outcome.body != f"{number}".encode()]
    assert wrong == []
    assert all(outcome.status_code == 200 for _, outcome in outcomes)


def test_a_204_with_a_body_gives_nobody_else_an_answer(transport: Transport):
    def handler(connection: Connection) -> None:
        while True:
            connection.read_request()
            connection.send(b"HTTP/1.1 204 No Content\r\nContent-Length: 72\r\n\r\n" + FORGED)

    with HostileServer(handler) as server:
        assert [send(transport, server.url).status_code for _ in range(30)] == [204] * 30


@pytest.mark.parametrize("together", [True, False])
def test_a_second_answer_in_tls_records_of_its_own_is_not_taken_for_the_next(authority: Authority, together: bool):
    """What lies half read inside the TLS library can't be seen on the socket."""

    def handler(connection: Connection) -> None:
        while True:
            received = connection.read_request()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, together)
            connection.answer(body=received.body)
            connection.send(FORGED)
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)

    transport = Transport(LOOPBACK, ca_file=authority.ca_file)
    with HostileServer(handler, tls=authority.server("127.0.0.1")) as server:
        for number in range(12):
            outcome = send(transport, server.url, body=f"{number}".encode())
            assert (outcome.status_code, outcome.body) == (200, f"{number}".encode())
            time.sleep(0.3 if number % 4 == 0 else 0.0)
    transport.close()


def test_tls_connections_are_kept_where_nothing_more_comes(authority: Authority):
    transport = Transport(LOOPBACK, ca_file=authority.ca_file)
    with HostileServer(echoes(), tls=authority.server("127.0.0.1")) as server:
        for number in range(4):
            outcome = send(transport, server.url)
            assert outcome.reused_connection == (number > 0)
            time.sleep(pool.PROBATION_SECONDS + 0.05)
    transport.close()


def test_webhooks_never_share_a_connection_even_to_one_origin(transport: Transport):
    seen: list[tuple[int, str]] = []

    def handler(connection: Connection) -> None:
        while True:
            received = connection.read_request()
            seen.append((connection.number, received.body.decode()))
            connection.answer()

    with HostileServer(handler) as server:
        for _ in range(4):
            for owner in ("one", "two", "three"):
                assert send(transport, server.url, body=owner.encode(), connection_owner=owner).delivered
            time.sleep(pool.PROBATION_SECONDS + 0.05)
        assert server.connections == 3, "kept ones are used again"
    users = {number: {owner for other, owner in seen if other == number} for number, _ in seen}
    assert all(len(owners) == 1 for owners in users.values())


def test_without_an_owner_a_connection_is_used_once(transport: Transport):
    with HostileServer(echoes()) as server:
        for _ in range(3):
            assert not send(transport, server.url, connection_owner=None).reused_connection
            time.sleep(pool.PROBATION_SECONDS + 0.05)
        assert server.connections == 3


def test_a_connection_rests_before_it_is_used_again(transport: Transport):
    with HostileServer(echoes()) as server:
        send(transport, server.url)
        assert not send(transport, server.url).reused_connection, "a new webhook is on probation"
        time.sleep(pool.PROBATION_SECONDS + 0.05)
        assert send(transport, server.url).reused_connection
        assert send(transport, server.url).reused_connection, "there are two"
        assert not send(transport, server.url).reused_connection, "both rest"
        time.sleep(pool.REST_SECONDS + 0.05)
        assert send(transport, server.url).reused_connection, "its habits are known, so the rest is short"


def test_a_webhook_whose_endpoint_wrote_too_much_gets_a_connection_for_each_request_for_a_while(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pool, "DISTRUST_SECONDS", 1.0)
    strays = [b"\r\n"]

    def stray(connection: Connection) -> None:
        if strays:
            later(0.02, strays.pop())(connection)

    with HostileServer(echoes(stray)) as server:
        url = server.url.replace("/hook", "/bad")
        send(transport, url)
        for _ in range(3):
            time.sleep(pool.PROBATION_SECONDS + 0.05)
            assert not send(transport, url).reused_connection
        time.sleep(1.0)
        send(transport, url)
        time.sleep(pool.PROBATION_SECONDS + 0.05)
        assert send(transport, url).reused_connection, "it is given another chance"


def test_a_busy_webhook_waits_for_its_connections_rather_than_opening_one_for_each_request(transport: Transport):
    with HostileServer(echoes()) as server:
        in_turn(30, 15, lambda number: send(transport, server.url))
        time.sleep(pool.PROBATION_SECONDS + 0.05)
        before = server.connections
        outcomes = in_turn(600, 20, lambda number: send(transport, server.url, body=f"{number}".encode()))
        assert server.connections - before < 60
    assert all(outcome.body == f"{number}".encode() for number, outcome in outcomes)
    reused = Counter(outcome.reused_connection for _, outcome in outcomes)
    assert reused[True] > 500


def test_an_exchange_whose_reserved_connection_ends_goes_on_over_a_new_one(transport: Transport):
    """The endpoint closes each connection 20 ms after its second answer, while a request waits for it to rest."""

    def handler(connection: Connection) -> None:
        for _ in range(2):
            received = connection.read_request()
            connection.answer(body=received.body)
        connection.sleep(0.02)

    with HostileServer(handler) as server:
        in_turn(30, 30, lambda number: send(transport, server.url))
        time.sleep(pool.PROBATION_SECONDS + 0.05)
        outcomes = in_turn(200, 30, lambda number: send(transport, server.url, body=f"{number}".encode()))
    assert all(outcome.body == f"{number}".encode() for number, outcome in outcomes)


def test_a_request_of_many_is_answered_by_its_own_answer_on_kept_connections(transport: Transport):
    outcomes: list[tuple[int, Outcome]] = []
    over = threading.Event()

    def done(number: int, outcome: Outcome) -> None:
        outcomes.append((number, outcome))
        if len(outcomes) == 400:
            over.set()

    with HostileServer(echoes()) as server:
        for number in range(400):
            request = make_request(server.url, body=f"{number}".encode(), connection_owner=number % 7)
            transport.submit(request, lambda outcome, number=number: done(number, outcome))
            if number % 40 == 39:
                time.sleep(0.1)
        assert over.wait(20)
    assert all(outcome.body == f"{number}".encode() for number, outcome in outcomes)


def test_a_new_webhook_that_is_busy_comes_to_use_its_connections_again(transport: Transport):
    """More answers than connections are kept come within the first rest: the oldest must live to have rested."""
    with HostileServer(echoes()) as server:
        outcomes = in_turn(1500, 8, lambda number: send(transport, server.url, body=f"{number}".encode()))
        assert sum(outcome.reused_connection for _, outcome in outcomes) > 300
    assert all(outcome.body == f"{number}".encode() for number, outcome in outcomes)
