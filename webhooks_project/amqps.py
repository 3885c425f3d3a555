"""RabbitMQ over TLS, where each node of a cluster has to prove its own name."""

from __future__ import annotations

from typing import Any

from kombu.transport import pyamqp


class Transport(pyamqp.SSLTransport):
    """kombu's, which writes the name of the first node into the options that all connections of a process share.

    It would then hold the certificates of the other nodes against that name, and never fail over (kombu 5.7,
    `pyamqp.Transport.establish_connection`).
    """

    def establish_connection(self) -> Any:
        """Connect with options of this connection's own. Raises what kombu raises."""
        client: Any = self.client
        shared = client.ssl
        try:
            client.ssl = dict(shared) if isinstance(shared, dict) else shared
            return super().establish_connection()
        finally:
            client.ssl = shared  # what clones of the client begin with
