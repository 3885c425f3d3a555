"""The broker's URL in Celery's words: a URL names a Redis for our keys and for Celery, which spells some otherwise."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

from kombu.transport import TRANSPORT_ALIASES

from subscriptions import redis_clients, server_urls
from subscriptions.server_urls import RedisServer

SILENCE: Final = 5.0
"""Seconds until a RabbitMQ that keeps silent while it owes an answer is given up."""
AMQP_HEARTBEAT: Final = 4
"""Seconds; a worker gives RabbitMQ up after twice as many without a word, and RabbitMQ the worker."""


@dataclass(frozen=True, slots=True)
class CeleryBroker:
    """Celery's settings `broker_url`, `broker_use_ssl` and `broker_transport_options`."""

    url: str
    tls: dict[str, Any] | None
    options: dict[str, Any]
    is_amqp: bool = False


def in_celerys_words(url: str) -> CeleryBroker:
    """Return what Celery is to be told for REDIS_URL or CELERY_BROKER_URL. Raises ValueError where it is none."""
    return _amqp(url) if server_urls.is_amqp(url) else _redis(url)


def _redis(url: str) -> CeleryBroker:
    server = server_urls.redis_server(url)
    options = {
        "visibility_timeout": 600,
        "max_connections": 64,
        "socket_keepalive": True,
        "socket_keepalive_options": redis_clients.keepalive(),
        "socket_timeout": 2,
        "health_check_interval": 2,  # a consumer that hears nothing for 1 + 2 + 2 s connects anew
        "socket_connect_timeout": 2,
    }
    tls = dict(server.tls) if server.tls else None
    if server.master:
        waits = {"socket_timeout": 2, "socket_connect_timeout": 2}
        encrypted = {"ssl": True, **tls} if tls else {}
        options |= {"master_name": server.master, "sentinel_kwargs": {**waits, **server.sentinel, **encrypted}}
        places = [f"{quote(host)}:{port}/{server.database}" for host, port in server.hosts]
        return CeleryBroker(";".join(f"sentinel://{_userinfo(server)}{place}" for place in places), tls, options)
    if server.path:
        place = f"redis+socket://{_userinfo(server)}{quote(server.path)}?virtual_host={server.database}"
        return CeleryBroker(place, tls, options)
    parts = urlsplit(url)
    if parts.query:
        url = parts._replace(path=f"/{server.database}", query="").geturl()
    return CeleryBroker(url, tls, options)


def _userinfo(server: RedisServer) -> str:
    if not (server.username or server.password):
        return ""
    return f"{quote(server.username, safe='')}:{quote(server.password, safe='')}@"


def _amqp(url: str) -> CeleryBroker:
    server = server_urls.amqp_server(url)
    tls: dict[str, Any] | None = None
    if server.tls:
        TRANSPORT_ALIASES["amqps"] = "webhooks_project.amqps:Transport"
        verified = server.tls["ssl_check_hostname"]
        tls = {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None} if verified else {"cert_reqs": ssl.CERT_NONE}
        names = {"ssl_ca_certs": "ca_certs", "ssl_certfile": "certfile", "ssl_keyfile": "keyfile"}
        tls |= {names[name]: path for name, path in server.tls.items() if name in names}
    options = {
        "read_timeout": SILENCE,
        "write_timeout": SILENCE,
        "socket_settings": redis_clients.keepalive(),
        "confirm_publish": True,  # otherwise what is sent into a dead connection counts as sent
    }
    return CeleryBroker(server.url, tls, options, is_amqp=True)
