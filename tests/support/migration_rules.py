"""What a migration may do to tables that are large and in use: the last release's processes go on beside it.

A rule holds for what the migration finds; what it makes itself is empty, and nobody uses it yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    RemoveIndexConcurrently,
    ValidateConstraint,
)
from django.db import connection, migrations, models
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from deliveries.db.part_indexes import AddIndexOfAttempts, RemoveIndexOfAttempts

OF_ATTEMPTS = (AddIndexOfAttempts, RemoveIndexOfAttempts)
CONCURRENT = (AddIndexConcurrently, RemoveIndexConcurrently)
HARMLESS = (
    *CONCURRENT,
    AddConstraintNotValid,
    ValidateConstraint,
    migrations.CreateModel,
    migrations.AlterModelOptions,
    migrations.AlterModelManagers,
)


def faults(migration: migrations.Migration, before: ProjectState) -> list[str]:
    """Return a sentence for each rule that a migration breaks, applied to `before`."""
    return list(_faults(migration, before.clone()))


def _faults(migration: migrations.Migration, state: ProjectState) -> Iterator[str]:
    app = migration.app_label
    made = set()
    waits = [operation for operation in migration.operations if isinstance(operation, CONCURRENT)]
    if waits and migration.atomic:
        yield "An index is made concurrently only where atomic = False."
    if not migration.atomic and len(waits) < len(migration.operations):
        yield "What is made concurrently has a migration of its own: one that breaks off midway can't be repeated."
    for operation in migration.operations:
        if isinstance(operation, migrations.CreateModel):
            made.add(operation.name_lower)
        named = (getattr(operation, "model_name", None) or getattr(operation, "name", "") or "").lower()
        if named not in made:
            for fault in _of(operation, app, state):
                yield f"{operation.describe()}: {fault}"
        operation.state_forwards(app, state)


def _of(operation: Operation, app: str, state: ProjectState) -> Iterator[str]:
    if isinstance(operation, CONCURRENT) and (app, operation.model_name_lower) == ("webhooks_deliveries", "attempt"):
        if not isinstance(operation, OF_ATTEMPTS):
            yield "the table may be in parts, which can't be done concurrently at once. See deliveries.db.part_indexes."
    elif isinstance(operation, HARMLESS):
        return
    elif isinstance(operation, migrations.AddField):
        yield from _of_new_field(operation.field)
    elif isinstance(operation, migrations.AlterField):
        yield from _of_changed_field(operation, app, state)
    elif isinstance(operation, migrations.AddIndex | migrations.RemoveIndex):
        yield "others wait until it is made. Make it concurrently."
    elif isinstance(operation, migrations.AddConstraint):
        yield "others wait until all rows are looked at. Add it not valid, and validate it in another migration."
    elif isinstance(operation, migrations.RunPython | migrations.RunSQL):
        yield "nobody can see what it locks, and for how long. Name it in EXCEPTIONS with the reason why that is well."
    else:
        yield "the last release's processes still use it. Remove it a release later, and name it in EXCEPTIONS."


def _of_new_field(field: models.Field[Any, Any]) -> Iterator[str]:
    if not field.null and not field.has_db_default():
        yield "the last release's processes write rows without it. Let it be null, or have a db_default."
    if field.unique or field.db_index:
        yield "others wait until its index is made. Make that concurrently, in another migration."
    if field.is_relation and getattr(field, "db_constraint", False):
        yield "others wait until all rows are looked at. Let it have db_constraint=False, or add that not valid."


def _of_changed_field(operation: migrations.AlterField, app: str, state: ProjectState) -> Iterator[str]:
    now = operation.field
    model = state.models[app, operation.model_name_lower]
    then = model.fields[operation.name]
    if now.db_type(connection) != then.db_type(connection) and not _is_wider(then, now):
        yield "all rows are written anew while others wait. Add another column, fill it, and change over."
    if then.null and not now.null:
        yield "all rows are looked at while others wait, and the last release's processes may write null."
    if (now.unique or now.db_index) and not (then.unique or then.db_index):
        yield "others wait until its index is made. Make that concurrently."


def _is_wider(then: models.Field[Any, Any], now: models.Field[Any, Any]) -> bool:
    """Tell whether a text may only be longer than before, which PostgreSQL notes without a look at the rows."""
    texts = models.CharField | models.TextField
    if not isinstance(then, texts) or not isinstance(now, texts):
        return False
    return now.max_length is None or (then.max_length is not None and now.max_length >= then.max_length)
