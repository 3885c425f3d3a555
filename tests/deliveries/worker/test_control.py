"""What a worker answers through Celery, on the thread that takes tasks: nothing there waits for the database."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from deliveries.worker import control
from tests.support.processes import wait_for


@pytest.fixture(autouse=True)
def nothing_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_learnt", {})


def test_no_answer_asks_the_database() -> None:
    assert control.answer(None) == {}


@pytest.mark.django_db(transaction=True)
def test_a_worker_learns_whose_it_is_once_the_database_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    installation, failures = control.installation, iter([OperationalError("away")] * 2)

    def away_at_first() -> str:
        if failure := next(failures, None):
            raise failure
        return installation()

    monkeypatch.setattr(control, "PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(control, "installation", away_at_first)
    control.learn()
    wait_for(lambda: control.answer(None) == {"installation": installation()}, 5, "the answer")
