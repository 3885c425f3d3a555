"""Parts are made and dropped beside those who use the table: nobody fails, and nobody waits for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone
from structlog.testing import capture_logs

from deliveries.db import attempt_parts
from deliveries.maintenance import part_tables, parts, parts_conversion
from deliveries.models import Attempt, Delivery
from tests.support.aging import age, settled
from tests.support.at_once import Beside, uncommitted
from tests.support.parts import KEYS, fill, in_parts, place_of, quiet, read, small_parts, undo

pytestmark = pytest.mark.django_db(transaction=True)


MANY = 100_000
"""Keys a part where a writer gives out keys as fast as it can."""


class Writer:
    """Logs attempts, one after the other, and notes how long the slowest took and what failed."""

    def __init__(self, like: Attempt) -> None:
        self._like = like
        self.longest, self.keys, self.errors = 0.0, list[int](), list[BaseException]()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _write(self) -> None:
        while not self._ends.is_set():
            began = time.monotonic()
            try:
                self.keys.append(log_one(self._like).pk)
            except BaseException as error:  # noqa: BLE001 - the test looks at it
                self.errors.append(error)
            self.longest = max(self.longest, time.monotonic() - began)
        connections.close_all()


def log_one(like: Attempt) -> Attempt:
    return Attempt.objects.create(
        delivery_id=like.delivery_id, webhook_id=like.webhook_id, number=2, result="failed",
        started_at=timezone.now(), url="https://x",
    )  # fmt: skip


@contextmanager
def reading() -> Iterator[threading.Event]:
    """Be beside somebody who has read attempts, whose transaction stays open to the block's end, or the event."""
    done, go = threading.Event(), threading.Event()

    def read_on() -> None:
        with transaction.atomic():
            Attempt.objects.count()
            done.set()
            assert go.wait(60)

    beside = Beside(read_on)
    assert done.wait(60)
    try:
        yield go
    finally:
        go.set()
        beside.join()


def test_parts_are_made_beside_an_insert_that_is_not_committed() -> None:
    with in_parts():
        [delivery] = fill(1)
        like = delivery.attempts.get()
        before = len(read().ranges)
        with uncommitted(lambda: log_one(like)):
            with part_tables.alone():
                parts.make(read().ranges[-1].high, KEYS, 1)
            assert len(read().ranges) == before + 1
        assert Attempt.objects.count() == 2


def test_a_part_that_keys_are_far_from_is_made_beside_who_inserts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "NEAR", KEYS)
    with in_parts():
        like = settled().attempts.get()
        with uncommitted(lambda: log_one(like)):
            assert parts.look_after().made == 1


def test_rows_come_to_parts_while_those_are_made_one_after_the_other() -> None:
    with in_parts():
        like = settled().attempts.get()
        with Writer(like) as writer:
            until = time.monotonic() + 4
            while time.monotonic() < until:
                parts.look_after()
        assert not writer.errors
        assert Attempt.objects.count() == len(writer.keys) + 1
        assert len({place_of(Attempt(pk=key)) for key in writer.keys}) > 3
        assert writer.longest < part_tables.LOCK_SECONDS + 1


def test_a_part_is_dropped_later_where_somebody_reads_and_nobody_waits_long() -> None:
    with in_parts():
        deliveries = fill(2 * KEYS + 1)
        age(*deliveries[:KEYS])
        with reading(), Writer(deliveries[-1].attempts.get()) as writer, capture_logs() as lines:
            time.sleep(0.2)
            assert parts.look_after().dropped == 0
        assert "drop_old" in {line["step"] for line in lines if line["event"] == "attempt_parts_wait"}
        assert not writer.errors
        assert writer.longest < part_tables.LOCK_SECONDS + 1
        assert parts.look_after().dropped == 1
        assert not Attempt.objects.filter(delivery__in=deliveries[:KEYS]).exists()


def test_two_processes_do_not_see_to_the_parts_at_once() -> None:
    with in_parts():
        fill(1)

        def hold() -> None:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT FROM webhooks_deliveries_maintenancetask WHERE name = 'attempt parts' FOR UPDATE"
                )

        with uncommitted(hold), pytest.raises(part_tables.Busy), part_tables.alone():
            pass


def test_a_conversion_amid_inserts_loses_none_and_holds_up_none() -> None:
    like = settled().attempts.get()
    for _attempt in range(50):
        log_one(like)
    with small_parts(MANY), Writer(like) as writer:
        time.sleep(0.5)
        parts_conversion.to_parts(quiet)
        parts.look_after()
        time.sleep(0.5)
    try:
        assert not writer.errors
        assert writer.longest < 2
        assert Attempt.objects.count() == len(writer.keys) + 51
        assert read().outside() == 0
        assert {place_of(Attempt(pk=key)) for key in writer.keys} >= {part_tables.name_from(1)}
        assert writer.keys == sorted(writer.keys)
    finally:
        undo()
    assert Attempt.objects.count() == len(writer.keys) + 51


def test_a_conversion_waits_for_a_reader_shortly_at_a_time() -> None:
    like = settled().attempts.get()
    told: list[str] = []
    with reading() as ends, small_parts(MANY), Writer(like) as writer:
        free = threading.Timer(4, ends.set)
        free.start()
        parts_conversion.to_parts(told.append)
    try:
        assert "Somebody uses the table; trying again in a moment." in told
        assert not writer.errors
        assert writer.longest < part_tables.LOCK_SECONDS + 1
    finally:
        free.join()
        undo()


def test_rows_that_had_no_part_are_taken_in_amid_inserts() -> None:
    """The next row has a key of the parts that are made with it: else it would have none, for ever and ever."""
    with in_parts(2):
        deliveries = [settled() for _ in range(6)]
        assert read().outside() == 2
        with small_parts(MANY), Writer(deliveries[0].attempts.get()) as writer:
            time.sleep(0.3)
            assert parts.look_after().taken_in > 2
            time.sleep(0.3)
        assert not writer.errors
        assert read().outside() == 0
        assert Attempt.objects.count() == len(writer.keys) + 6


def test_a_conversion_that_is_broken_off_leaves_the_table_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    settled()
    monkeypatch.setattr(part_tables, "attach_rest", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        parts_conversion.to_parts(quiet)
    assert attempt_parts.read() is None
    assert Attempt.objects.count() == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_constraint WHERE conname = %s", [part_tables.PROOF])
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT count(*) FROM pg_class WHERE relname LIKE 'webhooks_deliveries_attempt_from%'")
        assert cursor.fetchone() == (0,)
    assert settled().attempts.get().pk
    assert Delivery.objects.count() == 2
