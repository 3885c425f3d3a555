"""Readiness never stays wrong: whatever one look meets, the next one looks again."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import DatabaseError, InterfaceError, OperationalError

from webhooks_project import readiness
from webhooks_project.readiness import Readiness

OUTAGES = [DatabaseError("x"), InterfaceError("x"), OperationalError("x"), ConnectionResetError("x")]
FAULTS = [RuntimeError("x"), ValueError("x"), MemoryError(), KeyError("x"), AttributeError("x"), RecursionError()]
ENDS = [SystemExit(), KeyboardInterrupt(), GeneratorExit()]


class Answers:
    """What the database does, look after look: raises what is an exception; then it answers."""

    def __init__(self, *given: BaseException) -> None:
        self.given = list(given)

    def __call__(self, *_: Any) -> list[Any]:
        if self.given:
            raise self.given.pop(0)
        return [SimpleNamespace(is_read_only=False)]


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Events that were logged as exceptions."""
    names: list[str] = []
    monkeypatch.setattr(readiness, "log", SimpleNamespace(exception=names.append))
    return names


@pytest.mark.parametrize("error", [*OUTAGES, *FAULTS, *ENDS], ids=lambda error: type(error).__name__)
def test_whatever_a_look_meets_the_next_one_looks_again(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, noted: list[str]
) -> None:
    monkeypatch.setattr(readiness, "fetch", Answers(error, error))
    made, seen = Readiness(), []
    # Asks while the thread ends, when it is alive but will not look any more.
    monkeypatch.setattr(threading, "excepthook", lambda _given: seen.append(made.database()))
    assert made.database() == "unreachable"
    seen.append(made.database())
    assert [made.database(), made.database()] == ["ok", "ok"]
    assert set(seen) <= {"unreachable", "ok"}
    assert noted == (["readiness_look_failed"] * 2 if error in FAULTS else [])


def test_a_thread_that_cannot_be_started_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "fetch", Answers())
    made = Readiness()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda _self: (_ for _ in ()).throw(RuntimeError("no more threads")))
        with pytest.raises(RuntimeError):
            made.database()
    assert made.database() == "ok"


def test_a_look_that_another_process_began_is_nobodys_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "fetch", Answers())
    made = Readiness()
    made._look = readiness._Look(0.0)  # as after a fork
    assert made.database() == "ok"
