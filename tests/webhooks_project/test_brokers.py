"""One URL, two clients: ours for keys and Celery's for messages reach the same server, and verify it alike."""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from kombu import Connection
from kombu.exceptions import KombuError

from subscriptions import redis_clients
from tests.support.authority import Authority
from tests.support.processes import environment
from tests.support.sentinels import Sentinels
from tests.support.tls_proxy import TlsProxy
from webhooks_project import brokers
from webhooks_project.embedded import EmbeddedValkey


@pytest.fixture
def valkey() -> Iterator[EmbeddedValkey]:
    with EmbeddedValkey() as server:
        yield server


def keys_work(url: str) -> None:
    """Write a key and read it. Raises redis.RedisError."""
    client = redis_clients.client(2.0, url)
    try:
        client.set("here", url)
        assert client.get("here") == url
    finally:
        client.close()


def messages_work(url: str) -> None:
    """Send a message and receive it, through Celery's client. Raises what that raises."""
    broker = brokers.in_celerys_words(url)
    options = broker.options | {"max_retries": 0}
    with Connection(broker.url, ssl=broker.tls, transport_options=options) as connection:
        queue = connection.SimpleQueue("there")
        queue.put(url)
        message = queue.get(timeout=3)
        message.ack()
        assert message.payload == url
        queue.close()


CLIENTS = {"keys": keys_work, "messages": messages_work}
both = pytest.mark.parametrize("work", CLIENTS.values(), ids=CLIENTS)


def databases(server: EmbeddedValkey) -> set[int]:
    """Return the databases that hold something."""
    with redis.Redis(port=server.port) as client:
        client.config_set("notify-keyspace-events", "")
        return {int(name.removeprefix("db")) for name in client.info("keyspace")}


@both
def test_password_user_and_database_of_the_url_count(valkey: EmbeddedValkey, work: Any) -> None:
    with redis.Redis(port=valkey.port) as client:
        client.execute_command("ACL", "SETUSER", "me", "on", ">p@ss/word", "~*", "&*", "+@all")
        client.execute_command("ACL", "SETUSER", "default", "off")
    work(f"redis://me:p%40ss%2Fword@127.0.0.1:{valkey.port}/5")
    with pytest.raises(Exception, match=r"(?i)auth|password|invalid"):
        work(f"redis://me:wrong@127.0.0.1:{valkey.port}/5")
    with redis.Redis(port=valkey.port, username="me", password="p@ss/word") as client:
        assert set(client.info("keyspace")) == {"db5"}


@both
def test_a_unix_socket_is_reached(tmp_path: Path, work: Any) -> None:
    place = tmp_path / "valkey.sock"
    with EmbeddedValkey(more=("--unixsocket", str(place))) as server:
        work(f"unix://{place}?db=3")
        assert databases(server) == {3}


@both
def test_tls_is_verified(valkey: EmbeddedValkey, tmp_path: Path, work: Any) -> None:
    ours, others = Authority(tmp_path), Authority(_made(tmp_path / "others"))
    with TlsProxy(valkey.port, ours.server("127.0.0.1", "localhost")) as proxy:
        work(f"rediss://127.0.0.1:{proxy.port}/0?ssl_ca_certs={ours.ca_file}")
        for wrong in (f"?ssl_ca_certs={others.ca_file}", ""):
            with pytest.raises(Exception, match=r"(?i)certificate"):
                work(f"rediss://127.0.0.1:{proxy.port}/0{wrong}")
        work(f"rediss://127.0.0.1:{proxy.port}/0?ssl_cert_reqs=none")
    with (
        TlsProxy(valkey.port, ours.server("elsewhere.example")) as proxy,
        pytest.raises(Exception, match=r"(?i)certificate"),
    ):
        work(f"rediss://127.0.0.1:{proxy.port}/0?ssl_ca_certs={ours.ca_file}")


@both
def test_a_certificate_of_ours_is_shown_where_the_server_asks(
    valkey: EmbeddedValkey, tmp_path: Path, work: Any
) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.client()
    (tmp_path / "client.pem").write_text(certificate)
    (tmp_path / "client.key").write_text(key)
    with TlsProxy(valkey.port, authority.asks("127.0.0.1")) as proxy:
        url = f"rediss://127.0.0.1:{proxy.port}/0?ssl_ca_certs={authority.ca_file}"
        work(f"{url}&ssl_certfile={tmp_path}/client.pem&ssl_keyfile={tmp_path}/client.key")
        with pytest.raises((OSError, redis.RedisError, KombuError)):
            work(url)


def test_sentinels_lead_both_clients_to_the_master_and_after_a_fail_over_to_the_next() -> None:
    with Sentinels() as sentinels:
        keys_work(sentinels.url)
        messages_work(sentinels.url)
        before = sentinels.master_port()
        sentinels.fail_over(None)
        assert sentinels.master_port() != before
        keys_work(sentinels.url)
        messages_work(sentinels.url)


def test_a_plain_url_is_left_as_it_is() -> None:
    for url in ("redis://127.0.0.1:6379/0", "redis://:x@h/2", "rediss://h", "amqp://me:x@h//", "amqp://a;amqp://b"):
        assert brokers.in_celerys_words(url).url == url


def test_rabbitmqs_certificate_is_verified_unless_told_otherwise() -> None:
    assert brokers.in_celerys_words("amqps://h/v").tls == {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None}
    assert brokers.in_celerys_words("amqps://h/v?ssl_cert_reqs=none").tls == {"cert_reqs": ssl.CERT_NONE}


def test_on_rabbitmq_celery_asks_for_no_prefetch_count_while_tasks_run() -> None:
    """It would do so on the tasks' threads, beside the main thread on the same connection, and each would take the
    answer that the other waits for (docs/adr/0044)."""
    program = (
        "from webhooks_project.celery import app; from webhooks_project.consumer import PatientConsumer as consumer; "
        "conf = app.conf; print(conf.worker_prefetch_multiplier, conf.worker_enable_prefetch_count_reduction, "
        "{app.amqp.queues[name].queue_arguments['x-queue-type'] for name in ('deliveries', 'housekeeping')}, "
        "any('Delayed' in step for step in consumer.Blueprint.default_steps))"
    )
    variables = environment(
        CELERY_BROKER_URL="amqp://guest:guest@127.0.0.1:1//", DATABASE_URL="postgres://u@127.0.0.1/n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], env=variables, capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout.split() == ["0", "False", "{'quorum'}", "False"]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
