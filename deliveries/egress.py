"""The transport of a process, made from the settings: the one way out."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from deliveries.transport import AddressPolicy, Transport


def address_policy() -> AddressPolicy:
    """Return what may be called, as the settings say."""
    return AddressPolicy(
        require_https=settings.WEBHOOKS_REQUIRE_HTTPS,
        allowed_networks=tuple(settings.WEBHOOKS_ALLOWED_NETWORKS),
        allowed_ports=settings.WEBHOOKS_ALLOWED_PORTS or None,
    )


@lru_cache(maxsize=1)
def transport() -> Transport:
    """Return the transport that every send of this process shares, with its kept connections."""
    return Transport(
        address_policy(), pool_maxsize=settings.WEBHOOKS_MAX_IN_FLIGHT, ca_file=settings.WEBHOOKS_CA_FILE or None
    )
