"""RabbitMQ as broker, with quorum queues: countdowns are on time, silence is waited out, the doctor sees it all."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection

from deliveries.models import Attempt
from tests.faults.stage import Stage, came, doubled
from tests.support.authority import Authority
from tests.support.processes import ROOT, halted, wait_for
from tests.support.rabbitmq import RabbitMQ
from tests.support.receiver import TestReceiver
from tests.support.tls_proxy import TlsProxy
from webhooks_project import brokers

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def node() -> Iterator[RabbitMQ]:
    with RabbitMQ() as ready:
        yield ready


@pytest.fixture
def rabbitmq(node: RabbitMQ, stage: Stage) -> RabbitMQ:
    """The broker of the stage's processes."""
    stage.elsewhere["CELERY_BROKER_URL"] = node.url
    return node


def doctor(stage: Stage, **variables: Any) -> dict[str, Any]:
    """Return what the doctor finds for the stage's processes, by name."""
    command = [sys.executable, "manage.py", "doctor", "--json"]
    ended = subprocess.run(
        command, env=stage.variables(**variables), cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
    )
    assert ended.stdout, ended.stderr
    return {check["name"]: check for check in json.loads(ended.stdout)["checks"]}


def test_retries_are_woken_by_countdowns_in_quorum_queues(stage: Stage, rabbitmq: RabbitMQ):
    with TestReceiver() as receiver:
        for number in range(10):
            stage.webhook(f"{receiver.url}/{number}", retry_policy={"delays": [2, 3]})
        receiver.fail_next(20)
        worker, beat = stage.worker(), stage.beat()
        stage.publish(1)
        stage.wait_for_statuses({"delivered": 10}, 20)
        rows = Attempt.objects.filter(number__gt=1).values_list("lateness_ms", flat=True)
        late = [milliseconds / 1000 for milliseconds in rows if milliseconds is not None]
        print(f"lateness of retries: median {statistics.median(late):.3f} s, most {max(late):.3f} s")
        assert len(receiver.requests) == 30
        assert len(late) == 20
        assert statistics.median(late) < 0.4, "found by the sweep, not woken"
        wait_for(lambda: doctor(stage)["beat"]["status"] == "ok", 40, "a call of beat's")
        found = doctor(stage)
        assert {found[name]["status"] for name in ("broker", "worker", "celery", "installations")} == {"ok"}, found
        assert worker.runs
        assert beat.runs


def test_a_rabbitmq_that_keeps_silent_holds_nobody_up_and_is_taken_up_again(stage: Stage, rabbitmq: RabbitMQ):
    with TestReceiver() as receiver:
        stage.webhook(receiver.url)
        worker, beat = stage.worker(), stage.beat()
        stage.publish(5, batch=False)
        stage.wait_for_statuses({"delivered": 5}, 15)
        with halted(rabbitmq.pid):
            for _ in range(4):
                receipt = stage.publish(2, batch=False)
                assert max(receipt.seconds) < 1.5, receipt.seconds
                time.sleep(3)
        stage.publish(2, batch=False)
        stage.wait_for_statuses({"delivered": 15}, 15)
        wait_for(lambda: doctor(stage)["celery"]["status"] == "ok", 15, "a worker that answers")
        assert "broker_lost" in worker.log
        assert worker.runs, worker.tail()
        assert beat.runs, beat.tail()
        assert doubled(receiver) == {}
        assert len(came(receiver)) == 15


def test_queues_of_another_kind_are_named_by_the_doctor(stage: Stage, rabbitmq: RabbitMQ):
    from kombu import Queue

    with Connection(rabbitmq.url) as connection:
        Queue("made-before", durable=True, channel=connection.default_channel).declare()
    found = doctor(stage, WEBHOOKS_HOUSEKEEPING_QUEUE="made-before")["broker"]
    assert (found["status"], "x-queue-type" in found["text"]) == ("problem", True), found


def connected(connection: Connection) -> list[str]:
    """Connect to the node that is next, or to the others; return what those said that were asked in vain."""
    errors: list[str] = []
    connection.ensure_connection(errback=lambda error, _: errors.append(str(error)), max_retries=1, interval_start=0)
    return errors


@pytest.mark.parametrize("first", [0, 1])
def test_over_tls_each_node_has_to_prove_its_own_name(node: RabbitMQ, tmp_path: Path, first: int):
    authority = Authority(tmp_path)
    here, there = names = ["127.0.0.1", "127.0.0.2"]
    with (
        TlsProxy(node.port, authority.server(here), here) as one,
        TlsProxy(node.port, authority.server(there), there) as other,
        TlsProxy(node.port, authority.server(here), there) as impostor,
    ):
        query = f"?ssl_ca_certs={authority.ca_file}"
        urls = [f"amqps://guest:guest@{name}:{proxy.port}//{query}" for name, proxy in ((here, one), (there, other))]
        broker = brokers.in_celerys_words(";".join((urls[first], urls[1 - first])))
        connection = Connection(broker.url, ssl=broker.tls, transport_options=broker.options)
        seen = []
        for _ in range(3):
            for _ in names:
                assert connected(connection) == []
                seen.append(connection.hostname)
                later = connection.clone()
                connection.maybe_switch_next()
            connection.release()
            connection = later
        assert set(seen) == set(names)

        broker = brokers.in_celerys_words(f"{urls[0]};amqps://guest:guest@{there}:{impostor.port}//{query}")
        with Connection(broker.url, ssl=broker.tls, transport_options=broker.options) as connection:
            assert connected(connection) == []
            connection.maybe_switch_next()
            [error] = connected(connection)
            assert "certificate is not valid for '127.0.0.2'" in error
