"""`Transport`: the one place from which HTTP leaves the house."""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from requests import PreparedRequest, RequestException, Response
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util import Retry, Timeout

from .addresses import AddressPolicy
from .answers import describe, failed
from .outcome import ErrorClass, Fault, Outcome, Request
from .pools import Pools
from .resolver import RESOLVER_THREADS, Lookup, Resolver, system_lookup
from .tls import make_context
from .urls import Target, UrlRefused, read_url
from .wire import Exchange, active

log = logging.getLogger(__name__)

USER_AGENT = "Merchant-Webhooks/1"
MAX_POOLS = 512
"""Origins whose connections are kept; the least recently used goes first."""
RESEND_WITHIN_SECONDS = 1.0
"""A kept connection that breaks later than this after the request was not the keep-alive race."""
REAP_SECONDS = 5.0
"""So often a send looks for idle connections to close."""
RESENT = "The request left twice: the endpoint closed the kept connection just as it was used again."
_NO_URLLIB3_TIMEOUT: Any = Timeout(connect=None, read=None)  # the sockets hold the deadlines


class _Adapter(HTTPAdapter):
    """requests' adapter on our pools. What it would look up, parse or collect for a Session is left out."""

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        self.poolmanager = Pools(connections, maxsize)

    def get_connection_with_tls_context(self, request: Any, verify: Any, proxies: Any = None, cert: Any = None) -> Any:
        target = active.exchange.target
        return self.poolmanager.get(target.scheme, target.host, target.port)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leave the pool alone: the context of `tls.make_context` verifies, always."""

    def request_url(self, request: Any, proxies: Any) -> str:
        return active.exchange.target.path

    def build_response(self, req: Any, resp: Any) -> Response:
        response = Response()  # without cookies, encodings and history
        response.status_code = resp.status
        response.raw = resp
        return response


class Transport:
    """Sends requests over kept connections. One instance a process, shared by its threads; make it after forking.

    Args:
        policy: Decides URLs and addresses, at every send and every connect.
        pool_maxsize: Idle connections kept for one origin (scheme, host, port).
        max_pools: Origins with kept connections.
        ca_file: PEM file of authorities trusted besides the public ones.
        resolver_threads: Different names looked up at once.
        lookup: Replaces the system's resolver, `(host, port)` to `getaddrinfo` tuples.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        pool_maxsize: int = 16,
        max_pools: int = MAX_POOLS,
        ca_file: str | None = None,
        resolver_threads: int = RESOLVER_THREADS,
        lookup: Lookup = system_lookup,
    ) -> None:
        self._policy = policy
        self._resolver = Resolver(lookup, resolver_threads)
        self._tls = make_context(ca_file)
        # total=False: urllib3 raises what happened instead of wrapping it in a MaxRetryError.
        self._adapter = _Adapter(max_pools, pool_maxsize, max_retries=Retry(total=False, redirect=False))
        self._pools: Pools = self._adapter.poolmanager
        self._read_url = lru_cache(maxsize=4096)(lambda url: read_url(url, policy))
        self._reaping = threading.Lock()
        self._reap_at = 0.0

    def send(self, request: Request) -> Outcome:
        """POST the request and say what came of it; never raises for what network or receiver do.

        The connect deadline covers name resolution and TCP, over all addresses; the total deadline covers
        everything else with them, the TLS handshake too. An answer's status decides as soon as its head is
        complete: a 2xx whose body never ends is delivered, since sending again would only make a duplicate.
        """
        started = time.monotonic()
        if started >= self._reap_at:
            self._reap(started)
        try:
            target = self._read_url(request.url)
        except UrlRefused as refused:
            return Outcome(error=ErrorClass.ADDRESS_REFUSED, detail=str(refused), total_ms=0.0, permanent=True)
        exchange = Exchange(
            target,
            request.connect_timeout,
            request.total_timeout,
            policy=self._policy,
            resolver=self._resolver,
            tls=self._tls,
            started=started,
        )
        active.exchange = exchange
        outcome = self._outcome(exchange, target, request)
        return replace(outcome, detail=f"{outcome.detail} {RESENT}".strip()) if outcome.resent else outcome

    def _outcome(self, exchange: Exchange, target: Target, request: Request) -> Outcome:
        try:
            return self._exchange(exchange, _prepare(target, request))
        except Fault as fault:
            return failed(exchange, fault)
        except (RequestException, HTTPError, OSError):  # urllib3 is stricter than http.client here and there
            return failed(exchange, Fault(ErrorClass.INVALID_RESPONSE, "The answer's headers are malformed."))
        except Exception:
            log.exception("transport failed on its own account", extra={"host": target.host})
            return failed(exchange, Fault(ErrorClass.INTERNAL, "The sender failed; its log says why."))
        finally:
            del active.exchange

    def _exchange(self, exchange: Exchange, prepared: PreparedRequest) -> Outcome:
        """Send, and once more when a kept connection broke just as it was used again.

        A receiver closes idle connections when it pleases. One closed before we look is noticed and replaced; one
        closed while the request is on its way resets it, with nothing to tell whether it was read. RFC 9112 §9.3.1
        lets a client repeat such a request if it knows it to be idempotent; ours is, by the message id that receivers
        deduplicate by, and delivery is promised at least once. Counting it as a failed attempt would spend a retry and
        5 s on a race that only we ran into. So: once, on a new connection, only if the old one was kept, broke without
        a byte of an answer, and did so at once; and `Outcome.resent` tells.
        """
        try:
            return self._once(exchange, prepared)
        except Fault as fault:
            if fault.error is not ErrorClass.CONNECTION_RESET or exchange.opened or exchange.received:
                raise
            sent = exchange.sent or exchange.started
            if time.monotonic() - sent > RESEND_WITHIN_SECONDS:
                raise
        exchange.restart()
        exchange.fresh = exchange.resent = True
        return self._once(exchange, prepared)

    def _once(self, exchange: Exchange, prepared: PreparedRequest) -> Outcome:
        response = self._adapter.send(prepared, stream=True, timeout=_NO_URLLIB3_TIMEOUT, verify=True, proxies=None)
        return describe(exchange, response.raw)

    def _reap(self, now: float) -> None:
        if self._reaping.acquire(blocking=False):
            try:
                self._reap_at = now + REAP_SECONDS
                self._pools.close_idle(now)
            finally:
                self._reaping.release()

    def close_idle(self) -> int:
        """Close connections that nobody has used for a while; return how many. `send` does so now and then."""
        return self._pools.close_idle(time.monotonic())

    def close(self) -> None:
        """Close all kept connections."""
        self._pools.clear()


def _prepare(target: Target, request: Request) -> PreparedRequest:
    """Build the prepared request from checked parts; `PreparedRequest.prepare` would parse the URL a second way."""
    prepared = PreparedRequest()
    prepared.method = "POST"
    prepared.url = target.path
    prepared.body = request.body
    prepared.headers = _headers(request.headers, len(request.body))  # type: ignore[assignment]
    return prepared


def _headers(given: Sequence[tuple[str, str]], length: int) -> dict[str, str]:
    headers = dict(given)
    names = {name.lower() for name in headers}
    if "user-agent" not in names:
        headers["User-Agent"] = USER_AGENT
    if "accept" not in names:
        headers["Accept"] = "*/*"
    # identity, and read raw: what is never decompressed can't be a decompression bomb
    headers["Accept-Encoding"] = "identity"
    headers["Content-Length"] = str(length)
    return headers
