"""Redis (wake-ups and locks) and the broker (wake-ups): without them deliveries are late, never lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import redis
from celery import current_app

from deliveries.management.doctor import versions
from deliveries.management.doctor.findings import NOTE, OK, PROBLEM, Finding, without_password
from deliveries.queueing import broker as message_broker
from deliveries.queueing import redis_client
from subscriptions import redis_clients, server_urls
from subscriptions.conf import settings

TIMEOUT = 3
"""Seconds an answer may take."""

BROKER_ERRORS = message_broker.BrokerError


def keys() -> Iterator[Finding]:
    """Look at Redis: there, and set up so that it evicts nothing."""
    where = without_password(settings.REDIS_URL)
    try:
        client = redis_clients.client(TIMEOUT)
        client.ping()
        config, version = _config(client), _version(client)
    except (redis.RedisError, OSError, ValueError) as error:
        fix = "Start Redis or Valkey, or correct REDIS_URL. `make demo` and `make run` start one of their own."
        yield Finding("redis", PROBLEM, f"{where} can't be reached: {redis_clients.said(error)}.", fix)
        return
    if config.get("cluster_enabled") == "1":
        text = f"{where} is a node of a cluster, which is not supported: scripts take keys of several slots together."
        yield Finding("redis", PROBLEM, text, "Let REDIS_URL name a single server, or sentinels.")
        return
    if refusal := redis_client.refusal(TIMEOUT):
        text = f"{where} answers, but refuses: {refusal}."
        yield Finding("redis", PROBLEM, text, "Deliveries wait until it takes writes; see docs/operations.md.")
        return
    if versions.is_old(version, versions.REDIS_MIN):
        least = versions.shown(versions.REDIS_MIN)
        yield Finding("redis", PROBLEM, f"{where} is Redis {version}: too old.", f"Upgrade it to {least} or newer.")
        return
    policy = config.get("maxmemory-policy", "noeviction")
    if policy != "noeviction":
        text = f"{where} answers, but evicts keys when full (maxmemory-policy {policy})."
        yield Finding("redis", PROBLEM, text, "Set maxmemory-policy noeviction: an evicted queue is a lost wake-up.")
    elif config.get("appendonly") == "no" and not settings.EMBEDDED:
        text = (
            f"{where} answers; without an append-only file a restart loses its wake-ups, and the sweep finds the rest."
        )
        yield Finding("redis", NOTE, text, "Set appendonly yes, appendfsync everysec.")
    else:
        yield Finding("redis", OK, f"{where} answers.")


def _version(client: redis.Redis) -> str:
    try:
        return str(client.info("server").get("redis_version", ""))
    except redis.ResponseError:  # as CONFIG
        return ""


def _config(client: redis.Redis) -> dict[str, str]:
    try:
        found = client.info("cluster") | client.config_get("maxmemory-policy") | client.config_get("appendonly")
    except redis.ResponseError:  # hosted Redis forbids CONFIG; then the host answers for it
        return {}
    return {str(name): str(value) for name, value in found.items()}


def broker_version(connection: Any) -> str:
    """Return the version of the RabbitMQ that a kombu connection leads to; nothing where it leads to a Redis."""
    return str(getattr(connection.connection, "server_properties", {}).get("version", ""))


def broker() -> Iterator[Finding]:
    """Look at the broker."""
    url = without_password(current_app.conf.broker_url)
    try:
        with current_app.connection_for_write(connect_timeout=TIMEOUT) as connection:
            connection.ensure_connection(max_retries=1, timeout=TIMEOUT)
            version = broker_version(connection)
    except BROKER_ERRORS as error:
        if current_app.conf.broker_url == settings.REDIS_URL:
            yield Finding("broker", NOTE, "It is the Redis that can't be reached.")
            return
        fix = "Start it, or correct CELERY_BROKER_URL (REDIS_URL where that is unset)."
        yield Finding("broker", PROBLEM, f"{url} can't be reached: {redis_clients.said(error)}.", fix)
        return
    if versions.is_old(version, versions.RABBITMQ_MIN):
        least = versions.shown(versions.RABBITMQ_MIN)
        yield Finding("broker", PROBLEM, f"{url} is RabbitMQ {version}: too old.", f"Upgrade it to {least} or newer.")
        return
    if refusal := message_broker.refusal():
        text = f"{url} answers, but refuses: {refusal}."
        yield Finding("broker", PROBLEM, text, "Deliveries wait until it takes messages; see docs/operations.md.")
        return
    if server_urls.is_amqp(url) and current_app.conf.worker_enable_prefetch_count_reduction:
        text = f"{url} answers, but after it restarts workers with the threads pool hang."
        yield Finding("broker", PROBLEM, text, "Set Celery's worker_enable_prefetch_count_reduction to False.")
        return
    yield Finding("broker", OK, f"{url} answers.")
