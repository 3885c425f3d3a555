"""Migrations beside processes that work: rules for all of them, and locks that nobody waits for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import OperationalError, connection, migrations, models, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ModelState, ProjectState

from deliveries.db.part_indexes import AddIndexOfAttempts
from tests.support import migration_rules
from webhooks_project.postgresql import schema

OURS = ("webhooks_deliveries", "webhooks_subscriptions", "storefront")
EXCEPTIONS = {
    ("webhooks_deliveries", "0003_feeds"): "before the rule; a release has it",
    ("webhooks_deliveries", "0005_jobs_results"): "before the rule; a release has it",
    ("webhooks_subscriptions", "0011_portal_sessions"): "portal links and keys are few: to look at all takes no time",
}
"""Migrations that break a rule, with the reason why that holds up nobody."""

_loader = MigrationLoader(None)
LATER = sorted(key for key, migration in _loader.disk_migrations.items() if key[0] in OURS and not migration.initial)


@pytest.mark.parametrize("key", LATER, ids=".".join)
def test_a_migration_holds_up_nobody_and_lets_the_last_release_go_on(key: tuple[str, str]) -> None:
    before = _loader.project_state(key, at_end=False)
    found = migration_rules.faults(_loader.disk_migrations[key], before)
    assert bool(found) == (key in EXCEPTIONS), found


def _state() -> ProjectState:
    state = ProjectState()
    fields = [("id", models.BigAutoField(primary_key=True)), ("text", models.CharField(max_length=10, null=True))]
    state.add_model(ModelState("shop", "Thing", [*fields, ("size", models.IntegerField(null=True))]))
    return state


def _add(field: models.Field) -> list[migrations.AddField]:
    return [migrations.AddField("thing", "more", field)]


def _alter(name: str, field: models.Field) -> list[migrations.AlterField]:
    return [migrations.AlterField("thing", name, field)]


INDEX = models.Index(fields=["size"], name="by_size")
BREAKS = {
    "a column without default": (_add(models.IntegerField(default=3)), True, "db_default"),
    "an indexed column": (_add(models.IntegerField(null=True, db_index=True)), True, "concurrently"),
    "a unique column": (_add(models.IntegerField(null=True, unique=True)), True, "concurrently"),
    "a constrained key": (
        _add(models.ForeignKey("shop.Thing", models.CASCADE, null=True, db_index=False)),
        True,
        "db_constraint=False",
    ),
    "an index": ([migrations.AddIndex("thing", INDEX)], True, "concurrently"),
    "an index in a transaction": ([AddIndexConcurrently("thing", INDEX)], True, "atomic = False"),
    "an index and more": (
        [AddIndexConcurrently("thing", INDEX), *_add(models.IntegerField(null=True))],
        False,
        "migration of its own",
    ),
    "another type": (_alter("size", models.BigIntegerField(null=True)), True, "written anew"),
    "a shorter text": (_alter("text", models.CharField(max_length=5, null=True)), True, "written anew"),
    "no null any more": (_alter("size", models.IntegerField()), True, "looked at"),
    "a constraint": (
        [migrations.AddConstraint("thing", models.CheckConstraint(condition=models.Q(size__gt=0), name="positive"))],
        True,
        "not valid",
    ),
    "a column less": ([migrations.RemoveField("thing", "size")], True, "a release later"),
    "another name": ([migrations.RenameField("thing", "size", "width")], True, "a release later"),
    "a table less": ([migrations.DeleteModel("Thing")], True, "a release later"),
    "code": ([migrations.RunPython(migrations.RunPython.noop)], True, "EXCEPTIONS"),
    "statements": ([migrations.RunSQL("SELECT 1")], True, "EXCEPTIONS"),
}
KEEPS = {
    "a column that may be null": (_add(models.IntegerField(null=True)), True),
    "a column with a default of the database's": (_add(models.IntegerField(db_default=3)), True),
    "a longer text": (_alter("text", models.CharField(max_length=20, null=True)), True),
    "a text without end": (_alter("text", models.TextField(null=True)), True),
    "a concurrent index": ([AddIndexConcurrently("thing", INDEX)], False),
    "a new table with all": (
        [
            migrations.CreateModel("New", [("id", models.BigAutoField(primary_key=True))]),
            migrations.AddField("new", "n", models.IntegerField(default=1, unique=True)),
        ],
        True,
    ),
}


def _migration(operations: list, atomic: bool) -> migrations.Migration:
    made = migrations.Migration("0002_it", "shop")
    made.operations, made.atomic = operations, atomic
    return made


@pytest.mark.parametrize("name", BREAKS)
def test_what_would_hold_up_others_is_found(name: str) -> None:
    operations, atomic, told = BREAKS[name]
    found = migration_rules.faults(_migration(operations, atomic), _state())
    assert found
    assert told in " ".join(found)


@pytest.mark.parametrize("name", KEEPS)
def test_what_holds_up_nobody_passes(name: str) -> None:
    assert migration_rules.faults(_migration(*KEEPS[name]), _state()) == []


def test_an_index_of_attempts_is_made_in_a_way_that_parts_can_take() -> None:
    state = ProjectState()
    fields = [("id", models.BigAutoField(primary_key=True)), ("size", models.IntegerField(null=True))]
    state.add_model(ModelState("webhooks_deliveries", "Attempt", fields))
    for operation, told in ((AddIndexConcurrently, ["part_indexes"]), (AddIndexOfAttempts, [])):
        migration = migrations.Migration("0002_it", "webhooks_deliveries")
        migration.operations, migration.atomic = [operation("attempt", INDEX)], False
        found = migration_rules.faults(migration, state)
        assert [word for word in told if word in " ".join(found)] == told
        assert bool(found) == bool(told)


# --- locks ----------------------------------------------------------------------------------------------------------


class Busy(models.Model):  # noqa: DJ008 - nobody shows it
    """A table that processes write to while it is changed."""

    text = models.CharField(max_length=10, null=True)

    class Meta:
        app_label = "migration_locks"
        db_table = "migration_locks_busy"


@pytest.fixture
def busy(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(schema, "LOCK_SECONDS", 0.5)
    monkeypatch.setattr(schema, "PAUSE_SECONDS", 0.3)
    with connection.schema_editor() as editor:
        editor.create_model(Busy)
    yield
    with connection.schema_editor() as editor:
        editor.delete_model(Busy)


def _session() -> psycopg.Connection:
    given = connection.get_connection_params()
    return psycopg.connect(**{name: given[name] for name in ("host", "port", "user", "password", "dbname")})


class Writer:
    """Writes to the table all the time; `longest` is the longest that it waited, in seconds."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _write(self) -> None:
        with _session() as session:
            session.autocommit = True
            while not self._over.wait(0.01):
                began = time.monotonic()
                session.execute("INSERT INTO migration_locks_busy (text) VALUES ('x')")
                self.longest = max(self.longest, time.monotonic() - began)


@pytest.mark.parametrize("atomic", [True, False])
def test_a_change_behind_a_long_transaction_lets_others_pass_and_comes_through_after_it(
    busy: None, atomic: bool
) -> None:
    field = models.IntegerField(null=True)
    field.set_attributes_from_name("more")
    with _session() as reader, Writer() as writer:
        reader.execute("SELECT count(*) FROM migration_locks_busy")  # its lock lasts to the end of its transaction
        reading = threading.Timer(3, reader.rollback)
        reading.start()
        began = time.monotonic()
        with connection.schema_editor(atomic=atomic) as editor:
            editor.add_field(Busy, field)
        took = time.monotonic() - began
        reading.join()
    assert took >= 2.5, "it came through before the reader ended"
    assert writer.longest < 1.5, f"a writer waited {writer.longest:.1f} s"


def test_within_a_transaction_a_later_statement_gives_up_and_changes_nothing(busy: None) -> None:
    class Other(models.Model):  # noqa: DJ008
        class Meta:
            app_label = "migration_locks"
            db_table = "migration_locks_other"

    field = models.IntegerField(null=True)
    field.set_attributes_from_name("more")
    with _session() as reader:
        reader.execute("SELECT count(*) FROM migration_locks_busy")
        with pytest.raises(OperationalError, match="lock timeout"):  # noqa: PT012, SIM117 - the editor's end is meant, too
            with connection.schema_editor() as editor:
                editor.create_model(Other)
                editor.add_field(Busy, field)
    assert "migration_locks_other" not in connection.introspection.table_names()


@pytest.mark.parametrize(
    "first",
    [
        "UPDATE migration_locks_busy SET text = 'b'",
        "INSERT INTO migration_locks_busy (text) VALUES ('b')",
        "DELETE FROM migration_locks_busy",
        "SELECT * FROM migration_locks_busy FOR UPDATE",
    ],
)
def test_a_statement_after_python_that_locks_rows_gives_up_at_once(busy: None, first: str) -> None:
    field = models.IntegerField(null=True)
    field.set_attributes_from_name("more")
    with _session() as reader:
        reader.execute("INSERT INTO migration_locks_busy (text) VALUES ('a')")
        reader.commit()
        reader.execute("SELECT count(*) FROM migration_locks_busy")
        freed = threading.Timer(3, reader.rollback)
        freed.start()
        began = time.monotonic()
        with pytest.raises(OperationalError, match="lock timeout"):  # noqa: PT012, SIM117 - the editor's end is meant, too
            with connection.schema_editor() as editor:
                with connection.cursor() as cursor:  # as RunPython does
                    cursor.execute(first)
                editor.add_field(Busy, field)
        took = time.monotonic() - began
        freed.join()
    assert took < 1.5, f"rows were locked for {took:.1f} s"


def test_an_index_made_concurrently_waits_as_long_as_it_takes(busy: None) -> None:
    with _session() as reader, Writer() as writer:
        reader.execute("SELECT count(*) FROM migration_locks_busy")
        reading = threading.Timer(2, reader.rollback)
        reading.start()
        with connection.schema_editor(atomic=False) as editor:
            editor.add_index(Busy, models.Index(fields=["text"], name="busy_text"), concurrently=True)
        reading.join()
    assert writer.longest < 0.5
    with transaction.atomic(), connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, Busy._meta.db_table)
        assert "busy_text" in constraints
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)
