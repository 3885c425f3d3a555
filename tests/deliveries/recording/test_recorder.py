from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import Error, IntegrityError, OperationalError, connection
from psycopg import errors

from deliveries.queueing import wakeups
from deliveries.recording import outcomes, recorder
from deliveries.recording.outcomes import Recorded
from deliveries.recording.recorder import Recorder


class Written:
    """Stands in for outcomes.record: notes the chunks and fails when told to. Each "outcome" is a number."""

    def __init__(self) -> None:
        self.chunks: list[list[Any]] = []
        self.again: list[bool] = []
        self.failures: list[Exception] = []
        self.poison: set[Any] = set()
        self.answer = Recorded()

    def __call__(self, chunk: list[Any], *, again: bool = False) -> Recorded:
        self.again.append(again)
        if self.failures:
            raise self.failures.pop(0)
        if self.poison.intersection(chunk):
            raise IntegrityError("its delivery was purged")
        self.chunks.append(list(chunk))
        return self.answer

    @property
    def all(self) -> list[Any]:
        return [item for chunk in self.chunks for item in chunk]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    written = Written()
    monkeypatch.setattr(outcomes, "record", written)
    monkeypatch.setattr(recorder, "RETRY_AFTER", (0.01,))
    return written


class _Webhook:
    merchant_id = 7


class _Row:
    webhook = _Webhook()
    public_id = "dlv_lost"
    named = {"delivery": public_id}


class _Sent(int):
    """An outcome, as far as the recorder looks at it."""

    row = _Row()


def _recorder(*, nothing_open: bool = True) -> tuple[Recorder, threading.Event]:
    progressed = threading.Event()
    return Recorder(nothing_open=lambda: nothing_open, progressed=progressed.set), progressed


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_an_outcome_is_written_at_once_when_nothing_else_is_open(written: Written, settings: Any) -> None:
    settings.WEBHOOKS_RECORD_WAIT = 3600.0
    parts, progressed = _recorder()
    parts.put(_Sent(1))  # type: ignore[arg-type]
    assert progressed.wait(20)
    assert written.chunks == [[1]]
    assert parts.pending == 0


def test_outcomes_gather_while_others_are_open_until_the_chunk_is_full(written: Written, settings: Any) -> None:
    settings.WEBHOOKS_RECORD_WAIT = 3600.0
    settings.WEBHOOKS_RECORD_CHUNK = 3
    parts, _ = _recorder(nothing_open=False)
    for number in range(7):
        parts.put(_Sent(number))  # type: ignore[arg-type]
    _until(lambda: len(written.chunks) == 2)
    assert written.chunks == [[0, 1, 2], [3, 4, 5]]
    assert parts.pending == 1
    assert parts.drain(20), "stopping writes what is left"
    assert written.all == list(range(7))


def test_nothing_waits_longer_than_the_record_wait(written: Written, settings: Any) -> None:
    settings.WEBHOOKS_RECORD_WAIT = 0.1
    parts, progressed = _recorder(nothing_open=False)
    parts.put(_Sent(1))  # type: ignore[arg-type]
    assert progressed.wait(20)


def test_while_the_database_is_away_outcomes_are_kept_and_claiming_is_stopped(written: Written) -> None:
    """Promise 4: what was answered is not sent again for the database's sake."""
    away = threading.Event()

    def fails(chunk: list[Any], *, again: bool = False) -> Recorded:
        if not away.is_set():
            raise OperationalError("gone")
        return Written.__call__(written, chunk, again=again)

    outcomes.record = fails  # type: ignore[assignment]  # the fixture's monkeypatch puts it back
    parts, progressed = _recorder()
    parts.put(_Sent(1))  # type: ignore[arg-type]
    _until(lambda: parts.blocked)
    assert parts.pending == 1
    assert not progressed.is_set()
    away.set()
    assert progressed.wait(20)
    assert not parts.blocked
    assert written.all == [1]


def test_one_outcome_that_cannot_be_written_does_not_hold_up_the_others(written: Written, settings: Any) -> None:
    settings.WEBHOOKS_RECORD_WAIT = 0.2
    written.poison = {2}
    parts, _ = _recorder(nothing_open=False)
    for number in (1, 2, 3):
        parts.put(_Sent(number))  # type: ignore[arg-type]
    _until(lambda: parts.pending == 0 and len(written.all) == 2)
    assert written.all == [1, 3]
    parts.put(_Sent(4))  # type: ignore[arg-type]
    _until(lambda: written.all == [1, 3, 4])


def test_an_outcome_lost_after_an_outage_does_not_stop_claiming_for_ever(written: Written) -> None:
    written.failures = [OperationalError("gone"), IntegrityError("purged"), IntegrityError("purged")]
    parts, progressed = _recorder()
    parts.put(_Sent(1))  # type: ignore[arg-type]
    assert progressed.wait(20)
    assert not parts.blocked
    assert parts.pending == 0


def test_webhooks_with_more_due_are_woken_and_retries_get_their_countdown(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 3."""
    woken: list[Any] = []
    later: list[Any] = []
    monkeypatch.setattr(wakeups, "wake", woken.append)
    monkeypatch.setattr(wakeups, "wake_later", lambda ids, delay: later.append((ids, delay)))
    written.answer = Recorded([7], {5.0: [8, 9]})
    parts, progressed = _recorder()
    parts.put(_Sent(1))  # type: ignore[arg-type]
    assert progressed.wait(20)
    assert woken == [[7]]
    assert later == [([8, 9], 5.0)]


def test_a_wake_up_that_fails_does_not_end_the_recorder(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise 2: wake-ups are wake-ups; outcomes after it are still written."""

    def fail(_ids: Any) -> None:
        raise RuntimeError("no broker")

    monkeypatch.setattr(wakeups, "wake", fail)
    parts, progressed = _recorder()
    parts.put(_Sent(1))  # type: ignore[arg-type]
    assert progressed.wait(20)
    parts.put(_Sent(2))  # type: ignore[arg-type]
    _until(lambda: written.all == [1, 2])


def test_a_nudge_makes_the_recorder_look_again(written: Written, settings: Any) -> None:
    settings.WEBHOOKS_RECORD_WAIT = 3600.0
    others_open = threading.Event()
    others_open.set()
    parts = Recorder(nothing_open=lambda: not others_open.is_set(), progressed=lambda: None)
    parts.put(_Sent(1))  # type: ignore[arg-type]
    time.sleep(0.05)
    assert written.chunks == []
    others_open.clear()
    parts.nudge()
    _until(lambda: written.all == [1])


def test_outcomes_that_wait_hold_claims_back_before_their_claims_run_out(written: Written, settings: Any) -> None:
    """Promise 4: a slow database must not make workers send again what is only waiting to be written."""
    settings.WEBHOOKS_RECORD_WAIT = 30
    parts, _ = _recorder(nothing_open=False)
    assert not parts.behind
    waiting = _Sent(1)
    waiting.finished = time.monotonic() - recorder.BEHIND_SECONDS - 0.1  # type: ignore[attr-defined]
    parts.put(waiting)  # type: ignore[arg-type]
    assert parts.behind
    assert parts.drain(5)
    assert not parts.behind


def test_a_merchants_outcomes_are_counted_until_each_is_written_or_given_up(written: Written, settings: Any) -> None:
    settings.WEBHOOKS_RECORD_WAIT = 30
    written.poison = {2}
    parts, _ = _recorder(nothing_open=False)
    for number in range(1, 6):
        parts.put(_Sent(number))  # type: ignore[arg-type]
    assert (parts.pending_of(7), parts.pending_of(8)) == (5, 0)
    assert parts.drain(5)
    assert sorted(written.all) == [1, 3, 4, 5]
    _until(lambda: parts.pending_of(7) == 0)


def test_outcomes_that_follow_a_chunk_at_once_gather_for_the_next(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "GAP", 0.5)
    parts, _ = _recorder()
    parts.put(_Sent(0))  # type: ignore[arg-type]
    _until(lambda: written.chunks == [[0]])
    for number in range(1, 6):
        parts.put(_Sent(number))  # type: ignore[arg-type]
    _until(lambda: len(written.all) == 6)
    assert written.chunks == [[0], [1, 2, 3, 4, 5]]


# --- what the database, not an outcome, is at fault for ---------------------------------------------------------------

OUTAGES = ["25006", "25P03", "40001", "40P01", "53100", "53300", "55006", "57014", "57P01", "57P03", "58030", "XX000"]


def _error(state: str) -> Exception:
    """Return what Django raises for a code of PostgreSQL's."""
    with pytest.raises(Error) as caught, connection.wrap_database_errors:
        raise errors.lookup(state)("no")
    return caught.value


@pytest.mark.parametrize("state", OUTAGES)
def test_no_outcome_is_given_up_for_what_the_database_can_not_do_now(
    written: Written, settings: Any, state: str
) -> None:
    """Promise 4: six seconds of a read-only database cost 21 outcomes."""
    settings.WEBHOOKS_RECORD_WAIT = 0.2
    written.failures = [_error(state) for _ in range(12)]
    parts, _ = _recorder(nothing_open=False)
    for number in (1, 2, 3):
        parts.put(_Sent(number))  # type: ignore[arg-type]
    _until(lambda: parts.pending == 0)
    assert sorted(written.all) == [1, 2, 3]
    assert written.again[0] is False
    assert all(written.again[1:]), "each try after the first looks whether it is written already"
    assert not parts.blocked


@pytest.mark.parametrize("state", ["55P03", "57014", "40P01", "XX001"])
def test_an_outcome_whose_row_is_locked_or_broken_holds_up_no_other(
    written: Written, settings: Any, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """Promise 5: one bad chunk doesn't hold the recorder."""
    settings.WEBHOOKS_RECORD_WAIT = 0.2
    is_locked = threading.Event()
    is_locked.set()

    def locked(chunk: list[Any], *, again: bool = False) -> Recorded:
        if 2 in chunk and is_locked.is_set():
            raise _error(state)
        return Written.__call__(written, chunk, again=again)

    monkeypatch.setattr(outcomes, "record", locked)
    parts, _ = _recorder(nothing_open=False)
    for number in (1, 2, 3):
        parts.put(_Sent(number))  # type: ignore[arg-type]
    _until(lambda: written.all == [1, 3])
    parts.put(_Sent(4))  # type: ignore[arg-type]
    _until(lambda: written.all == [1, 3, 4])
    assert not parts.blocked
    assert parts.pending == 1
    is_locked.clear()
    _until(lambda: parts.pending == 0)
    assert written.all == [1, 3, 4, 2]
    assert written.again[-1] is True
