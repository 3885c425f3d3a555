"""The transport of a process, made from the settings: the one way out."""

from __future__ import annotations

import resource
import threading
from functools import lru_cache

from deliveries.transport import MAX_KEPT, AddressPolicy, Transport
from deliveries.transport.requests_adapter import GuardedSession, guarded_session
from subscriptions.conf import settings

OTHER_FILES = 512
"""Files a process may need besides its connections to endpoints."""

_making = threading.RLock()


def address_policy() -> AddressPolicy:
    """Return what may be called, as the settings say."""
    return AddressPolicy(
        require_https=settings.WEBHOOKS_REQUIRE_HTTPS,
        allowed_networks=tuple(settings.WEBHOOKS_ALLOWED_NETWORKS),
        allowed_ports=settings.WEBHOOKS_ALLOWED_PORTS or None,
    )


def transport() -> Transport:
    """Return the transport that every request of this process goes through, with its thread and kept connections."""
    with _making:  # a burst of first sends makes one, not one each: reading the authorities takes its time
        return _made()


def session() -> GuardedSession:
    """Return a new `requests.Session` on the guarded exit, for code that calls addresses others have named."""
    return guarded_session(transport())


def close_idle() -> int:
    """Close connections that nobody has used for a while, where any were made; return how many."""
    return transport().close_idle() if _made.cache_info().currsize else 0


def waiting() -> int:
    """Return how many requests the transport's thread has not begun with."""
    return transport().waiting


def open_requests_max() -> int:
    """Return how many requests this process may have open: WEBHOOKS_OPEN_REQUESTS_MAX, or what its files allow."""
    return min(int(settings.WEBHOOKS_OPEN_REQUESTS_MAX), _files_for_requests())


@lru_cache(maxsize=1)
def _files_for_requests() -> int:
    """Return how many connections with requests the system's limit of open files leaves; at least one."""
    allowed = _allow_files(settings.WEBHOOKS_OPEN_REQUESTS_MAX + MAX_KEPT + OTHER_FILES)
    return max(1, allowed - min(MAX_KEPT, allowed // 4) - min(OTHER_FILES, allowed // 4))


@lru_cache(maxsize=1)
def _made() -> Transport:
    _files_for_requests()
    return Transport(address_policy(), ca_file=settings.WEBHOOKS_CA_FILE or None)


def _allow_files(wanted: int) -> int:
    """Let the process open as many files as its connections may need, as far as the system lets it; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft != unlimited and soft < wanted:
        limit = wanted if hard == unlimited else min(wanted, hard)
        if limit > soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            soft = limit
    return wanted if soft == unlimited else soft
