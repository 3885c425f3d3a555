"""The transport of a process, made from the settings: the one way out."""

from __future__ import annotations

import threading
from functools import lru_cache

from django.conf import settings

from deliveries.transport import AddressPolicy, Transport

_making = threading.RLock()


def address_policy() -> AddressPolicy:
    """Return what may be called, as the settings say."""
    return AddressPolicy(
        require_https=settings.WEBHOOKS_REQUIRE_HTTPS,
        allowed_networks=tuple(settings.WEBHOOKS_ALLOWED_NETWORKS),
        allowed_ports=settings.WEBHOOKS_ALLOWED_PORTS or None,
    )


def transport() -> Transport:
    """Return the transport that every send of this process shares, with its kept connections."""
    with _making:  # a burst of first sends makes one, not one each: reading the authorities takes its time
        return _made()


def close_idle() -> int:
    """Close connections that nobody has used for a while, where any were made; return how many."""
    return transport().close_idle() if _made.cache_info().currsize else 0


@lru_cache(maxsize=1)
def _made() -> Transport:
    return Transport(
        address_policy(), pool_maxsize=settings.WEBHOOKS_MAX_IN_FLIGHT, ca_file=settings.WEBHOOKS_CA_FILE or None
    )
