"""Names: looked up within the deadline, vetted as a whole, and the vetted address is the one connected to."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from deliveries.transport import AddressPolicy, ErrorClass, Transport
from deliveries.transport.outcome import Fault
from deliveries.transport.resolver import Resolver
from tests.deliveries.transport.conftest import LOOPBACK, send
from tests.support.hostile import HostileServer, answers, black_hole


def answer(*addresses: str):
    """A resolver that gives these addresses for every name."""
    return lambda host, port: [(family(a), socket.SOCK_STREAM, 6, "", (a, port)) for a in addresses]


def family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer(answers()) as server:
        yield server


def test_the_host_header_names_the_host_while_the_vetted_address_is_connected_to(server: HostileServer):
    transport = Transport(LOOPBACK, lookup=answer("127.0.0.1"))
    outcome = send(transport, f"http://receiver.example:{server.port}/")
    transport.close()
    assert outcome.delivered
    assert outcome.remote_address == "127.0.0.1"
    assert outcome.dns_ms is not None
    assert server.requests[0].headers["host"] == f"receiver.example:{server.port}"


def test_a_name_is_looked_up_once_a_connection_so_nothing_can_change_in_between(server: HostileServer):
    asked = []

    def changing(host: str, port: int):
        asked.append(host)
        return answer("127.0.0.1" if len(asked) == 1 else "10.0.0.1")(host, port)

    transport = Transport(LOOPBACK, lookup=changing)
    url = f"http://receiver.example:{server.port}/"
    assert send(transport, url).delivered
    assert send(transport, url).reused_connection
    assert asked == ["receiver.example"]
    transport.close()
    outcome = send(transport, url)  # a new connection: looked up and vetted again
    assert outcome.error is ErrorClass.ADDRESS_REFUSED
    assert asked == ["receiver.example"] * 2
    assert server.connections == 1


@pytest.mark.parametrize("order", [("127.0.0.1", "10.0.0.1"), ("10.0.0.1", "127.0.0.1"), ("127.0.0.1", "fe80::1")])
def test_a_name_with_one_refused_address_among_several_is_refused(server: HostileServer, order: tuple[str, str]):
    transport = Transport(LOOPBACK, lookup=answer(*order))
    outcome = send(transport, f"http://receiver.example:{server.port}/")
    assert outcome.error is ErrorClass.ADDRESS_REFUSED
    assert server.connections == 0


def test_the_next_address_is_tried_when_one_does_not_answer(server: HostileServer):
    with socket.socket() as taken:
        taken.bind(("127.0.0.2", server.port))  # bound and not listening: refuses
        transport = Transport(LOOPBACK, lookup=answer("127.0.0.2", "127.0.0.1"))
        outcome = send(transport, f"http://receiver.example:{server.port}/")
        transport.close()
    assert outcome.delivered
    assert outcome.remote_address == "127.0.0.1"


def test_a_black_hole_among_the_addresses_leaves_time_for_the_others():
    with black_hole() as port, HostileServer(answers()) as server:
        addresses = [
            (socket.AF_INET, 1, 6, "", ("127.0.0.1", port)),
            (socket.AF_INET, 1, 6, "", ("127.0.0.1", server.port)),
        ]
        transport = Transport(LOOPBACK, lookup=lambda *_: addresses)
        outcome = send(transport, "http://receiver.example/", connect_timeout=2.0)
        transport.close()
    assert outcome.delivered
    assert 900 < outcome.connect_ms < 2000


def test_only_so_many_addresses_are_tried():
    addresses = [f"127.0.9.{number}" for number in range(1, 200)]
    transport = Transport(LOOPBACK, lookup=answer(*addresses))
    outcome = send(transport, "http://receiver.example:9/")
    assert outcome.error is ErrorClass.CONNECT_REFUSED
    assert outcome.remote_address == "127.0.9.4"


def test_a_name_that_does_not_exist_is_a_dns_failure():
    def nothing(host: str, port: int):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    outcome = send(Transport(LOOPBACK, lookup=nothing), "http://nowhere.example/")
    assert outcome.error is ErrorClass.DNS_FAILED
    assert "nowhere.example does not exist" in outcome.detail


def test_a_name_server_in_trouble_and_an_empty_answer_are_dns_failures_too():
    def trouble(host: str, port: int):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    for lookup in (trouble, lambda *_: [], lambda *_: [(socket.AF_UNIX, 1, 0, "", ("x",))]):
        assert send(Transport(LOOPBACK, lookup=lookup), "http://a.example/").error is ErrorClass.DNS_FAILED


def test_a_slow_resolver_is_a_dns_timeout_within_the_connect_deadline():
    release = threading.Event()

    def slow(host: str, port: int):
        release.wait(20)
        return []

    outcome = send(Transport(LOOPBACK, lookup=slow), "http://slow.example/", connect_timeout=0.4)
    release.set()
    assert outcome.error is ErrorClass.DNS_TIMEOUT
    assert 390 <= outcome.total_ms < 3000


def test_time_spent_on_the_name_is_taken_from_the_connect():
    def slow(host: str, port: int):
        time.sleep(0.4)
        return answer("127.0.0.1")(host, port)

    with black_hole() as port:
        outcome = send(Transport(LOOPBACK, lookup=slow), f"http://slow.example:{port}/", connect_timeout=0.8)
    assert outcome.error is ErrorClass.CONNECT_TIMEOUT
    assert outcome.dns_ms >= 390
    assert 790 <= outcome.total_ms < 3000


def test_a_slow_name_does_not_hold_up_others_and_is_asked_for_once(server: HostileServer):
    release = threading.Event()
    asked = []

    def lookup(host: str, port: int):
        asked.append(host)
        if host == "slow.example":
            release.wait(20)
        return answer("127.0.0.1")(host, port)

    transport = Transport(LOOPBACK, lookup=lookup, resolver_threads=2)
    outcomes = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(send(transport, f"http://slow.example:{server.port}/")))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for number in range(20):
        assert send(transport, f"http://quick{number}.example:{server.port}/").delivered
    release.set()
    for thread in threads:
        thread.join()
    assert all(outcome.delivered for outcome in outcomes)
    assert asked.count("slow.example") == 1
    transport.close()


def test_a_resolver_with_all_threads_stuck_times_out_instead_of_growing():
    release = threading.Event()

    def stuck(host: str, port: int):
        release.wait(20)
        return []

    before = threading.active_count()
    transport = Transport(LOOPBACK, lookup=stuck, resolver_threads=2)
    outcomes = [send(transport, f"http://name{n}.example/", connect_timeout=0.1) for n in range(6)]
    assert {outcome.error for outcome in outcomes} == {ErrorClass.DNS_TIMEOUT}
    assert threading.active_count() - before <= 3  # with the transport's own
    release.set()


def test_localhost_is_resolved_by_the_system_where_development_allows_it(server: HostileServer):
    transport = Transport(LOOPBACK)
    assert send(transport, f"http://localhost:{server.port}/").delivered
    transport.close()
    strict = Transport(AddressPolicy(require_https=False))
    assert send(strict, f"http://localhost:{server.port}/").error is ErrorClass.ADDRESS_REFUSED


def test_ipv6_addresses_are_connected_to(transport: Transport):
    def serve(listener: socket.socket) -> None:
        sock, _ = listener.accept()
        with sock:
            received.append(sock.recv(65536))
            sock.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    received: list[bytes] = []
    with listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        port = listener.getsockname()[1]
        outcome = send(transport, f"http://[::1]:{port}/")
        thread.join()
    assert outcome.delivered
    assert outcome.remote_address == "::1"
    assert f"Host: [::1]:{port}\r\n".encode() in received[0]


def test_many_names_that_hang_do_not_stop_the_lookups_of_others_for_long():
    """The first looks find out which names are slow; from then on those queue among themselves."""
    release = threading.Event()

    def lookup(host: str, port: int):
        if host.startswith("slow"):
            release.wait(20)
        return answer("127.0.0.1")(host, port)

    resolver = Resolver(lookup, threads=4)
    slow = [f"slow{number}.example" for number in range(4)]

    def ask_all():
        threads = [threading.Thread(target=timed_out, args=(resolver, name)) for name in slow]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    ask_all()
    release.set()  # those that hold a thread end; what nobody waits for any more is dropped
    time.sleep(0.3)
    release.clear()
    asked = threading.Thread(target=ask_all)
    asked.start()
    time.sleep(0.1)
    endpoints = resolver.resolve("quick.example", 80, LOOPBACK, 5)
    assert [str(endpoint.address) for endpoint in endpoints] == ["127.0.0.1"]
    assert asked.is_alive()
    release.set()
    asked.join()


def timed_out(resolver: Resolver, host: str) -> None:
    with contextlib.suppress(Fault):
        resolver.resolve(host, 80, LOOPBACK, 1.0)
