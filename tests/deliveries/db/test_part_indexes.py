"""An index of attempts is made and dropped by a migration, whichever form the table is of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models
from django.db.migrations.state import ProjectState

from deliveries.db.attempt_parts import TABLE
from deliveries.db.part_indexes import AddIndexOfAttempts, RemoveIndexOfAttempts
from tests.support.aging import settled
from tests.support.parts import KEYS, fill, in_parts, read

pytestmark = pytest.mark.django_db(transaction=True)

APP = "webhooks_deliveries"
INDEX = models.Index(fields=["webhook", "status_code"], condition=models.Q(status_code__gt=0), name="attempt_of_status")
ADD, REMOVE = AddIndexOfAttempts("attempt", INDEX), RemoveIndexOfAttempts("attempt", INDEX.name)


@pytest.fixture(params=["whole", "in parts"])
def form(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[str]:
    with in_parts() if request.param == "in parts" else nullcontext():
        if request.param == "in parts":
            fill(2 * KEYS)
        else:
            settled()
        yield request.param


def states() -> tuple[ProjectState, ProjectState]:
    """Return the project without the index and with it."""
    without = ProjectState.from_apps(apps)
    with_it = without.clone()
    ADD.state_forwards(APP, with_it)
    return without, with_it


def carry_out(operation: Any, direction: str, before: ProjectState, after: ProjectState) -> None:
    with connection.schema_editor(atomic=False) as editor:
        getattr(operation, f"database_{direction}")(APP, editor, before, after)


def indexed() -> dict[str, bool]:
    """Return the tables that have a valid index on the column, and whether it is valid."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.relname, i.indisvalid FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid"
            " WHERE t.relname LIKE %s AND pg_get_indexdef(i.indexrelid) LIKE '%%status_code%%'",
            [f"{TABLE}%"],
        )
        return dict(cursor.fetchall())


def tables(form: str) -> set[str]:
    return {TABLE} if form == "whole" else {TABLE, read().rest, *(part.name for part in read().ranges)}


def test_an_index_is_made_of_all_and_dropped(form: str) -> None:
    without, with_it = states()
    carry_out(ADD, "forwards", without, with_it)
    assert indexed() == dict.fromkeys(tables(form), True)
    if form == "in parts":
        fill(KEYS)  # parts that are made later have it, too
        assert indexed() == dict.fromkeys(tables(form), True)
    carry_out(REMOVE, "forwards", with_it, without)
    assert indexed() == {}
    carry_out(REMOVE, "backwards", without, with_it)
    assert set(indexed()) == tables(form)
    carry_out(ADD, "backwards", with_it, without)
    assert indexed() == {}


def test_what_broke_off_amid_the_parts_may_be_run_again() -> None:
    without, with_it = states()
    with in_parts():
        fill(2 * KEYS)
        with connection.schema_editor(atomic=False) as editor:
            execute, left = editor.execute, [5]

            def broken(sql: Any, params: Any = ()) -> Any:
                left[0] -= 1
                return execute(sql, params) if left[0] > 0 else 1 / 0

            editor.execute = broken  # type: ignore[method-assign]
            with pytest.raises(ZeroDivisionError):
                ADD.database_forwards(APP, editor, without, with_it)
        assert not indexed()[TABLE]
        carry_out(ADD, "forwards", without, with_it)
        assert indexed() == dict.fromkeys(tables("in parts"), True)
        carry_out(REMOVE, "forwards", with_it, without)


def test_what_it_migrates_is_what_django_writes() -> None:
    assert (
        ADD.describe()
        == "Concurrently create index attempt_of_status on field(s) webhook, status_code of model attempt"
    )
    assert ADD.deconstruct()[0] == "AddIndexOfAttempts"
