"""A transport that may reach loopback, and a certificate authority."""

import socket
from collections.abc import Callable, Iterator

import pytest

from deliveries.transport import AddressPolicy, Outcome, Request, Transport, pool
from deliveries.transport.resolver import AddrInfo, Lookup
from tests.support.authority import Authority

LOOPBACK = AddressPolicy(require_https=False, allowed_networks=["127.0.0.0/8", "::1/128"])
Post = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def no_rest(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept connections are used again at once, so that tests of other things needn't wait for them to have rested."""
    if not getattr(request.module, "CONNECTIONS_REST", False):
        monkeypatch.setattr(pool, "REST_SECONDS", 0.0)
        monkeypatch.setattr(pool, "PROBATION_SECONDS", 0.0)


@pytest.fixture
def transport() -> Iterator[Transport]:
    transport = Transport(LOOPBACK)
    yield transport
    transport.close()


def send(transport: Transport, url: str, **changes: object) -> Outcome:
    return transport.send(make_request(url, **changes))


def make_request(url: str, **changes: object) -> Request:
    values = {
        "headers": [("webhook-id", "evt_1")], "body": b"{}", "connect_timeout": 5.0, "total_timeout": 10.0,
        "connection_owner": "webhook 1",
    }  # fmt: skip
    return Request(url, **(values | changes))  # type: ignore[arg-type]


def resolving_to(*addresses: str) -> Lookup:
    """A resolver that gives these addresses for every name; none: no name exists."""

    def lookup(host: str, port: int) -> list[AddrInfo]:
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in addresses
        ]

    return lookup


@pytest.fixture
def post(transport: Transport) -> Post:
    """POST to a URL over the fixture's transport; keywords change the request."""
    return lambda url, **changes: send(transport, url, **changes)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))
