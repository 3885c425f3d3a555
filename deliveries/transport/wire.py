"""Sockets that know when their send must be over.

A socket timeout restarts with every byte, so a receiver that drips one byte a second holds a client for ever (timeout 2
took 26 s on a dripped header). These sockets set their timeout to what is left of the *total* before every wait, count
what comes in, and raise a `Fault` that says which phase went wrong. The send they work for is the calling thread's:
pooled connections outlive a send, so the deadline can't be a property of the socket.
"""

import socket
import ssl
import threading
import time
from typing import Any

from .addresses import AddressPolicy
from .outcome import READ_BYTES, ErrorClass, Fault
from .resolver import Resolver
from .urls import Target

HEAD_BYTES = 64 * 1024
"""A response head (status line, headers, interim 1xx answers) may have so many bytes."""
BODY_WIRE_BYTES = 2 * READ_BYTES
"""So many bytes may arrive for `READ_BYTES` of body: room for the framing of chunks, not for padding without end."""


class Exchange:
    """One send: its deadlines, its byte allowance and what it measured. Times are `time.monotonic` seconds."""

    __slots__ = (
        "address", "allowance", "body_phase", "connect_by", "connect_ms", "deadline", "dns_ms", "first_byte", "fresh",
        "opened", "policy", "received", "resent", "resolver", "sent", "started", "target", "tls", "tls_ms", "total",
    )  # fmt: skip

    def __init__(
        self,
        target: Target,
        connect_timeout: float,
        total_timeout: float,
        *,
        policy: AddressPolicy,
        resolver: Resolver,
        tls: ssl.SSLContext,
        started: float,
    ) -> None:
        self.target = target
        self.policy = policy
        self.resolver = resolver
        self.tls = tls
        self.started = started
        self.total = total_timeout
        self.deadline = started + total_timeout
        self.connect_by = started + min(connect_timeout, total_timeout)
        self.resent = False
        self.fresh = False
        self.restart()

    def restart(self) -> None:
        """Forget what the first try measured; the deadlines stay."""
        self.allowance = HEAD_BYTES
        self.received = 0
        self.body_phase = False
        self.opened = False
        self.address: str | None = None
        self.dns_ms: float | None = None
        self.connect_ms: float | None = None
        self.tls_ms: float | None = None
        self.sent: float | None = None
        self.first_byte: float | None = None

    def left(self) -> float:
        """Seconds left of the total.

        Raises:
            Fault: Nothing is left.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise self.out_of_time()
        return left

    def out_of_time(self) -> Fault:
        """Say what was being waited for when the total deadline passed."""
        if self.sent is None:
            waiting = "taking the request"
        elif self.first_byte is None:
            waiting = "answering"
        else:
            waiting = "finishing its answer"
        return Fault(ErrorClass.RESPONSE_TIMEOUT, f"The receiver was not done {waiting} within {self.total:.3g} s.")

    def took(self, count: int) -> None:
        """Account for bytes that arrived; 0 means that the receiver closed its side.

        Raises:
            Fault: More than the allowance, or closed before the head was complete (http.client would take a head
                cut anywhere after its status line for a whole one).
        """
        if not count:
            if self.body_phase:
                return
            raise broken_off(self)
        if self.first_byte is None:
            self.first_byte = time.monotonic()
        self.received += count
        if self.received > self.allowance:
            raise Fault(ErrorClass.INVALID_RESPONSE, f"The answer's headers are larger than {HEAD_BYTES // 1024} KiB.")


class _Active(threading.local):
    exchange: Exchange


active = _Active()
"""The exchange of the calling thread; set by `Transport.send` for as long as it runs."""


class DeadlineSocket(socket.socket):
    """A plain TCP socket held to its send's deadline."""

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Receive within what is left of the total deadline."""
        exchange = active.exchange
        self.settimeout(exchange.left())
        try:
            count = super().recv_into(buffer, nbytes, flags)
        except TimeoutError:
            raise exchange.out_of_time() from None
        except OSError as error:
            raise broken_off(exchange) from error
        exchange.took(count)
        return count

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send within what is left of the total deadline (CPython counts one timeout for the whole of `data`)."""
        exchange = active.exchange
        self.settimeout(exchange.left())
        try:
            super().sendall(data, flags)
        except TimeoutError:
            raise exchange.out_of_time() from None
        except (BrokenPipeError, ConnectionResetError):
            raise  # urllib3 goes on to read the answer that may have come before the receiver closed
        except OSError as error:
            raise broken_off(exchange) from error


class DeadlineTLSSocket(ssl.SSLSocket):
    """A TLS socket held to its send's deadline. CPython applies one timeout to each handshake, read and write."""

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands within what is left of the total deadline."""
        self.settimeout(active.exchange.left())
        super().do_handshake(block)

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """Receive within what is left of the total deadline."""
        exchange = active.exchange
        self.settimeout(exchange.left())
        try:
            count = super().recv_into(buffer, nbytes, flags)
        except TimeoutError:
            raise exchange.out_of_time() from None
        except OSError as error:  # ssl.SSLError among them
            raise broken_off(exchange) from error
        exchange.took(count)
        return count

    def send(self, data: Any, flags: int = 0) -> int:
        """Send within what is left of the total deadline; `sendall` calls this until all is sent."""
        exchange = active.exchange
        self.settimeout(exchange.left())
        try:
            return super().send(data, flags)
        except TimeoutError:
            raise exchange.out_of_time() from None
        except (BrokenPipeError, ConnectionResetError):
            raise  # as above
        except OSError as error:  # ssl.SSLError among them
            raise broken_off(exchange) from error


def broken_off(exchange: Exchange) -> Fault:
    """Say at which point the receiver broke the connection."""
    if exchange.first_byte is None:
        return Fault(ErrorClass.CONNECTION_RESET, "The receiver closed the connection without answering.")
    return Fault(ErrorClass.CONNECTION_RESET, "The receiver broke the connection in the middle of its answer.")
