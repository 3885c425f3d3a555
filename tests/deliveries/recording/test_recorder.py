from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError

from deliveries.queueing import wakeups
from deliveries.recording import outcomes, recorder
from deliveries.recording.outcomes import Recorded
from deliveries.recording.recorder import Recorder
from tests.support.dispatching import until
from tests.support.noted_outcomes import Answered, Written, make_recorder


def test_an_outcome_is_written_at_once_when_nothing_else_is_open(written: Written, settings: Any) -> None:
    settings.WEBHOOKS_RECORD_WAIT = 3600.0
    parts, progressed = make_recorder()
    parts.put(Answered(1))  # type: ignore[arg-type]
    assert progressed.wait(20)
    assert written.chunks == [[1]]
    assert parts.pending == 0


def test_outcomes_gather_while_others_are_open_until_the_chunk_is_full(written: Written, settings: Any) -> None:
    settings.WEBHOOKS_RECORD_WAIT = 3600.0
    settings.WEBHOOKS_RECORD_CHUNK = 3
    parts, _ = make_recorder(nothing_open=False)
    for number in range(7):
        parts.put(Answered(number))  # type: ignore[arg-type]
    until(lambda: len(written.chunks) == 2)
    assert written.chunks == [[0, 1, 2], [3, 4, 5]]
    assert parts.pending == 1
    assert parts.drain(20), "stopping writes what is left"
    assert written.all == list(range(7))


def test_nothing_waits_longer_than_the_record_wait(written: Written, settings: Any) -> None:
    settings.WEBHOOKS_RECORD_WAIT = 0.1
    parts, progressed = make_recorder(nothing_open=False)
    parts.put(Answered(1))  # type: ignore[arg-type]
    assert progressed.wait(20)


def test_while_the_database_is_away_outcomes_are_kept_and_claiming_is_stopped(written: Written) -> None:
    """Promise 4: what was answered is not sent again for the database's sake."""
    away = threading.Event()

    def fails(chunk: list[Any], *, again: bool = False) -> Recorded:
        if not away.is_set():
            raise OperationalError("gone")
        return Written.__call__(written, chunk, again=again)

    outcomes.record = fails  # type: ignore[assignment]  # the fixture's monkeypatch puts it back
    parts, progressed = make_recorder()
    parts.put(Answered(1))  # type: ignore[arg-type]
    until(lambda: parts.blocked)
    assert parts.pending == 1
    assert not progressed.is_set()
    away.set()
    assert progressed.wait(20)
    assert not parts.blocked
    assert written.all == [1]


def test_one_outcome_that_cannot_be_written_does_not_hold_up_the_others(written: Written, settings: Any) -> None:
    settings.WEBHOOKS_RECORD_WAIT = 0.2
    written.poison = {2}
    parts, _ = make_recorder(nothing_open=False)
    for number in (1, 2, 3):
        parts.put(Answered(number))  # type: ignore[arg-type]
    until(lambda: parts.pending == 0 and len(written.all) == 2)
    assert written.all == [1, 3]
    parts.put(Answered(4))  # type: ignore[arg-type]
    until(lambda: written.all == [1, 3, 4])


def test_an_outcome_lost_after_an_outage_does_not_stop_claiming_for_ever(written: Written) -> None:
    written.failures = [OperationalError("gone"), IntegrityError("purged"), IntegrityError("purged")]
    parts, progressed = make_recorder()
    parts.put(Answered(1))  # type: ignore[arg-type]
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
    parts, progressed = make_recorder()
    parts.put(Answered(1))  # type: ignore[arg-type]
    assert progressed.wait(20)
    assert woken == [[7]]
    assert later == [([8, 9], 5.0)]


def test_a_wake_up_that_fails_does_not_end_themake_recorder(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise 2: wake-ups are wake-ups; outcomes after it are still written."""

    def fail(_ids: Any) -> None:
        raise RuntimeError("no broker")

    monkeypatch.setattr(wakeups, "wake", fail)
    parts, progressed = make_recorder()
    parts.put(Answered(1))  # type: ignore[arg-type]
    assert progressed.wait(20)
    parts.put(Answered(2))  # type: ignore[arg-type]
    until(lambda: written.all == [1, 2])


def test_a_nudge_makes_the_recorder_look_again(written: Written, settings: Any) -> None:
    settings.WEBHOOKS_RECORD_WAIT = 3600.0
    others_open = threading.Event()
    others_open.set()
    parts = Recorder(nothing_open=lambda: not others_open.is_set(), progressed=lambda: None)
    parts.put(Answered(1))  # type: ignore[arg-type]
    time.sleep(0.05)
    assert written.chunks == []
    others_open.clear()
    parts.nudge()
    until(lambda: written.all == [1])


def test_a_merchants_one_outcome_does_not_wait_for_all_of_anothers(written: Written, settings: Any) -> None:
    """Promise 6. It holds the place of its webhook, whose next delivery waits for it."""
    settings.WEBHOOKS_RECORD_WAIT, settings.WEBHOOKS_RECORD_CHUNK = 30, 10
    may_write, real = threading.Event(), written.__call__

    def when_told(chunk: list[Any], *, again: bool = False) -> Recorded:
        may_write.wait(20)
        return real(chunk, again=again)

    outcomes.record = when_told  # type: ignore[assignment]  # the fixture's monkeypatch puts it back
    parts, _ = make_recorder(nothing_open=False)
    for number in range(200):
        parts.put(Answered(number))  # type: ignore[arg-type]
    lone = Answered.of(8, 1000)
    parts.put(lone)  # type: ignore[arg-type]
    may_write.set()
    until(lambda: parts.pending_of(8) == 0)
    assert written.all.index(lone) < 30
    assert parts.drain(20)
    assert len(written.all) == 201


def test_outcomes_that_wait_for_long_are_told_of_before_they_stop_everybody(written: Written, settings: Any) -> None:
    settings.WEBHOOKS_RECORD_WAIT = 30
    parts, _ = make_recorder(nothing_open=False)
    assert not parts.is_late
    waiting = Answered(1)
    waiting.finished = time.monotonic() - recorder.LATE_SECONDS - 0.1  # type: ignore[attr-defined]
    parts.put(waiting)  # type: ignore[arg-type]
    assert (parts.is_late, parts.behind) == (True, False)
    assert parts.drain(5)
    assert not parts.is_late


def test_outcomes_that_wait_hold_claims_back_before_their_claims_run_out(written: Written, settings: Any) -> None:
    """Promise 4: a slow database must not make workers send again what is only waiting to be written."""
    settings.WEBHOOKS_RECORD_WAIT = 30
    parts, _ = make_recorder(nothing_open=False)
    assert not parts.behind
    waiting = Answered(1)
    waiting.finished = time.monotonic() - recorder.BEHIND_SECONDS - 0.1  # type: ignore[attr-defined]
    parts.put(waiting)  # type: ignore[arg-type]
    assert parts.behind
    assert parts.drain(5)
    assert not parts.behind


def test_a_merchants_outcomes_are_counted_until_each_is_written_or_given_up(written: Written, settings: Any) -> None:
    settings.WEBHOOKS_RECORD_WAIT = 30
    written.poison = {2}
    parts, _ = make_recorder(nothing_open=False)
    for number in range(1, 6):
        parts.put(Answered(number))  # type: ignore[arg-type]
    assert (parts.pending_of(7), parts.pending_of(8)) == (5, 0)
    assert parts.drain(5)
    assert sorted(written.all) == [1, 3, 4, 5]
    until(lambda: parts.pending_of(7) == 0)


def test_outcomes_that_follow_a_chunk_at_once_gather_for_the_next(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "GAP", 0.5)
    parts, _ = make_recorder()
    parts.put(Answered(0))  # type: ignore[arg-type]
    until(lambda: written.chunks == [[0]])
    for number in range(1, 6):
        parts.put(Answered(number))  # type: ignore[arg-type]
    until(lambda: len(written.all) == 6)
    assert written.chunks == [[0], [1, 2, 3, 4, 5]]
