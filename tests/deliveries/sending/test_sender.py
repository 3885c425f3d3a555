from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from deliveries.db.sessions import clock
from deliveries.queueing.claims import Claimed
from deliveries.queueing.webhook_settings import WebhookSettings
from deliveries.sending.sender import Sender, Sent
from subscriptions import encryption
from tests.support.factories import STANDARD_SECRET
from tests.support.hostile import Connection, HostileServer, answers, hangs

_numbers = iter(range(1, 100_000))


def _row(url: str, *, timeout: float = 10.0, grace: float = 5.0, webhook_id: int = 1, **changes: Any) -> Claimed:
    """Return a claimed delivery that needs no database."""
    number = next(_numbers)
    webhook = WebhookSettings(
        webhook_id=webhook_id, merchant_id=1, merchant="mch_1", domain="", webhook="wbh_1", url=url, dialect="standard",
        body_style="compact", api_version="", headers={}, retry_policy=None, timeout=timeout, cap=20,
        fields=[], sealed=[(encryption.encrypt(STANDARD_SECRET), None)],
    )  # fmt: skip
    now = clock.at(time.monotonic())
    row = Claimed(
        webhook=webhook, token=1, delivery_id=number, attempt=1, tries=0, orphaned_attempts=0,
        event_id=f"evt_{number}", event_type="order.created", data="{}", occurred_at=now, size=2, due_at=now,
        expires_at=now + timedelta(seconds=timeout + grace), **_newer(),
    )  # fmt: skip
    return replace(row, **changes)


def _newer() -> dict[str, Any]:
    known = {"resource_id": "", "merchant": "mch_1"}
    return {name: value for name, value in known.items() if name in Claimed.__dataclass_fields__}


class Seen:
    """What a sender reported."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.unsent: list[Claimed] = []
        self.finished = 0
        self.changed = threading.Condition()

    def sender(self) -> Sender:
        return Sender(sent=self._note(self.sent), unsent=self._note(self.unsent), finished=self._finish)

    def _note(self, where: list[Any]) -> Callable[[Any], None]:
        def note(item: Any) -> None:
            with self.changed:
                where.append(item)
                self.changed.notify_all()

        return note

    def _finish(self) -> None:
        with self.changed:
            self.finished += 1
            self.changed.notify_all()

    def wait(self, until: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(until, 20)


@pytest.fixture
def seen() -> Seen:
    return Seen()


def test_a_claimed_delivery_is_signed_and_sent_and_its_outcome_comes_back(seen: Seen) -> None:
    with HostileServer(answers("202 Accepted")) as server:
        sender = seen.sender()
        row = _row(server.url)
        sender.submit([row])
        seen.wait(lambda: seen.finished == 1)
    [sent] = seen.sent
    assert (sent.row, sent.outcome.status_code, sent.outcome.delivered) == (row, 202, True)
    assert sent.started <= sent.finished
    [request] = server.requests
    assert request.headers["webhook-id"] == row.event_id
    assert request.headers["webhook-signature"].startswith("v1,")
    assert sent.request is not None
    assert request.body == sent.request.body
    assert (sender.open, sender.loaded_bytes) == (0, 0)


def test_many_go_side_by_side_and_nobody_waits_for_a_slow_one(seen: Seen) -> None:
    """Promise 5."""
    with HostileServer(hangs) as slow, HostileServer(answers()) as fast:
        sender = seen.sender()
        sender.submit([_row(slow.url, timeout=4), *(_row(fast.url) for _ in range(10))])
        seen.wait(lambda: len(seen.sent) == 10)
        assert all(sent.outcome.delivered for sent in seen.sent)
        assert sender.open == 1
        seen.wait(lambda: seen.finished == 11)
    assert seen.sent[-1].outcome.error == "response_timeout"


def test_a_row_whose_claim_no_longer_covers_its_deadline_is_not_sent(seen: Seen) -> None:
    """Promise 4: else two workers would send one row at once."""
    with HostileServer(answers()) as server:
        row = _row(server.url, grace=-1.0)
        seen.sender().submit([row])
        seen.wait(lambda: seen.finished == 1)
    assert (seen.unsent, seen.sent, server.requests) == ([row], [], [])


def test_a_stopping_sender_gives_rows_back_unsent(seen: Seen) -> None:
    with HostileServer(answers()) as server:
        sender = seen.sender()
        sender.stopping = True
        row = _row(server.url)
        sender.submit([row])
        seen.wait(lambda: seen.finished == 1)
    assert (seen.unsent, server.requests) == ([row], [])


def test_a_request_that_cannot_be_made_is_a_failed_attempt_with_the_reason(seen: Seen) -> None:
    """Promise 9."""
    row = _row("http://127.0.0.1:9/hook")
    row.webhook.dialect = "morse"
    seen.sender().submit([row])
    seen.wait(lambda: seen.finished == 1)
    [sent] = seen.sent
    assert sent.request is None
    assert (sent.outcome.error, sent.outcome.permanent) == ("internal", True)
    assert "morse" in sent.outcome.detail


def test_a_lost_encryption_key_fails_the_attempt_and_tells_no_secret(seen: Seen) -> None:
    """Promises 9 and 10: one webhook's broken secret is one webhook's failed attempt."""
    row = _row("http://127.0.0.1:9/hook")
    row.webhook.sealed = [("not-a-token", None)]
    seen.sender().submit([row])
    seen.wait(lambda: seen.finished == 1)
    [sent] = seen.sent
    assert sent.outcome.error == "internal"
    assert "not-a-token" not in sent.outcome.detail


def test_open_requests_leave_less_room_and_after_a_while_nobody_waits_for_them(
    seen: Seen, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 5."""
    monkeypatch.setattr("deliveries.sending.sender.FAST", 0.3)
    settings.WEBHOOKS_OPEN_REQUESTS_MAX = 3
    with HostileServer(hangs) as server:
        sender = seen.sender()
        assert sender.free() == 3
        sender.submit([_row(server.url, timeout=3, webhook_id=7), _row(server.url, timeout=3, webhook_id=8)])
        assert (sender.free(), sender.fast_open) == (1, 2)
        deadline = time.monotonic() + 10
        while sender.fast_open and time.monotonic() < deadline:
            time.sleep(0.02)
        assert (sender.free(), sender.fast_open) == (1, 0)
        seen.wait(lambda: seen.finished == 2)
    assert sender.free() == 3


def test_what_is_loaded_is_known_until_it_is_sent(seen: Seen) -> None:
    """Promise 6: 64 MiB of bodies a process."""
    let_go = threading.Event()

    def waits(connection: Connection) -> None:
        connection.read_request()
        let_go.wait(10)
        connection.answer()

    with HostileServer(waits) as server:
        sender = seen.sender()
        sender.submit([_row(server.url, size=700), _row(server.url, size=300)])
        assert sender.loaded_bytes == 1000
        let_go.set()
        seen.wait(lambda: seen.finished == 2)
    assert sender.loaded_bytes == 0


def test_a_merchants_rows_are_counted_even_when_one_is_claimed_again_while_it_is_open(seen: Seen) -> None:
    """Its first claim ran out: the process stood still, say. What isn't counted out would be held for ever."""
    let_go = threading.Event()

    def handler(connection: Connection) -> None:
        connection.read_request()
        let_go.wait(20)
        connection.answer()

    with HostileServer(handler) as server:
        sender = seen.sender()
        row = _row(server.url)
        sender.submit([row, _row(server.url)])
        sender.submit([replace(row, token=2)])
        assert sender.open_of(1) == 3
        let_go.set()
        seen.wait(lambda: seen.finished == 3)
    assert (sender.open_of(1), sender.open_of(2)) == (0, 0)


def test_a_poison_candidate_is_known_while_it_is_open(seen: Seen) -> None:
    """Promise 4: deliveries whose worker died twice go one at a time."""
    let_go = threading.Event()

    def waits(connection: Connection) -> None:
        connection.read_request()
        let_go.wait(10)
        connection.answer()

    with HostileServer(waits) as server:
        sender = seen.sender()
        sender.submit([_row(server.url, orphaned_attempts=1)])
        assert not sender.has_poison_candidate()
        sender.submit([_row(server.url, orphaned_attempts=2)])
        assert sender.has_poison_candidate()
        let_go.set()
        seen.wait(lambda: seen.finished == 2)
    assert not sender.has_poison_candidate()


def test_a_report_that_raises_frees_the_slot_all_the_same() -> None:
    done = threading.Event()

    def refuse(_sent: Sent) -> None:
        raise RuntimeError("no room")

    with HostileServer(answers()) as server:
        sender = Sender(sent=refuse, unsent=lambda _row: None, finished=done.set)
        sender.submit([_row(server.url)])
        assert done.wait(20)
    assert (sender.open, sender.loaded_bytes) == (0, 0)


def test_draining_waits_for_what_has_left(seen: Seen) -> None:
    def slowly(connection: Connection) -> None:
        connection.read_request()
        connection.sleep(0.3)
        connection.answer()

    with HostileServer(slowly) as server:
        sender = seen.sender()
        sender.submit([_row(server.url)])
        assert not sender.drain(0.01)
        assert sender.drain(20)
    assert len(seen.sent) == 1
