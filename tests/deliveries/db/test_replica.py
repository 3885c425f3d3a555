"""A replica that vanished: one request finds out, the others read the database meanwhile."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as project
from django.db import DEFAULT_DB_ALIAS, connections
from django.test import override_settings

from deliveries.db import replica

ALIAS = "silent"
CONNECT_SECONDS = 2  # libpq knows no less


@pytest.fixture
def silent_replica(django_db_blocker: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server that takes connections and never says a word."""
    monkeypatch.setattr(replica, "_known", replica._Known())
    with socket.create_server(("127.0.0.1", 0)) as listener, django_db_blocker.unblock():
        place = {"HOST": "127.0.0.1", "PORT": str(listener.getsockname()[1])}
        options = {"OPTIONS": {"connect_timeout": CONNECT_SECONDS}}
        monkeypatch.setitem(connections.settings, ALIAS, connections.settings[DEFAULT_DB_ALIAS] | place | options)
        with override_settings(MERCHANT_WEBHOOKS=project.MERCHANT_WEBHOOKS | {"REPLICA": ALIAS}):
            yield


def test_one_request_waits_for_a_replica_that_vanished(silent_replica: None) -> None:
    took: list[float] = []
    begin = threading.Barrier(6)

    def reads() -> None:
        begin.wait()
        for _ in range(3):
            start = time.monotonic()
            assert replica.read(lambda alias: alias) == DEFAULT_DB_ALIAS
            took.append(time.monotonic() - start)

    threads = [threading.Thread(target=reads) for _ in range(begin.parties)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(took) == 18
    assert len([seconds for seconds in took if seconds > 1]) == 1, took
