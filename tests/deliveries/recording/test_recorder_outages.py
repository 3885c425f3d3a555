"""What the database, not an outcome, is at fault for is waited out (docs/adr/0025)."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import Error, connection
from psycopg import errors

from deliveries.recording import outcomes
from deliveries.recording.outcomes import Recorded
from tests.support.dispatching import until
from tests.support.noted_outcomes import Answered, Written, make_recorder

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
    parts, _ = make_recorder(nothing_open=False)
    for number in (1, 2, 3):
        parts.put(Answered(number))  # type: ignore[arg-type]
    until(lambda: parts.pending == 0)
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
    parts, _ = make_recorder(nothing_open=False)
    for number in (1, 2, 3):
        parts.put(Answered(number))  # type: ignore[arg-type]
    until(lambda: written.all == [1, 3])
    parts.put(Answered(4))  # type: ignore[arg-type]
    until(lambda: written.all == [1, 3, 4])
    assert not parts.blocked
    assert parts.pending == 1
    is_locked.clear()
    until(lambda: parts.pending == 0)
    assert written.all == [1, 3, 4, 2]
    assert written.again[-1] is True
