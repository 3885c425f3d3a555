"""From a whole table into parts and back: the same rows, the same table to everybody, or a refusal that says why."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from deliveries.db import attempt_parts
from deliveries.maintenance import parts_conversion
from deliveries.models import Attempt, Delivery
from tests.support.aging import settled
from tests.support.parts import JUMP, fill, in_parts, quiet, read, rows_of, small_parts

pytestmark = pytest.mark.django_db

TABLE = attempt_parts.TABLE
LOOKS = {
    "columns": """
        SELECT attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attstorage,
            (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = attrelid AND adnum = attnum)
        FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum""",
    "indexes": "SELECT replace(indexdef, ' ONLY ', ' ') FROM pg_indexes WHERE tablename = %s ORDER BY 1",
    "constraints": """
        SELECT conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint
        WHERE conrelid = to_regclass(%s) AND contype <> 'n' ORDER BY 1""",
    "rights": "SELECT relowner, relacl FROM pg_class WHERE oid = to_regclass(%s)",
    "sequence": "SELECT pg_get_serial_sequence(%s, 'id')",
}


def execute(statement: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def looks() -> dict[str, list[Any]]:
    """Return what the table is like to whoever uses it."""
    return {name: execute(statement, TABLE) for name, statement in LOOKS.items()}


def rows() -> list[dict[str, Any]]:
    return list(Attempt.objects.order_by("pk").values())


def command(**options: Any) -> str:
    said = io.StringIO()
    call_command("partition_attempts", stdout=said, **options)
    return said.getvalue()


@pytest.fixture(autouse=True)
def _small(db: None) -> Any:
    with small_parts():
        yield


def test_a_filled_table_has_the_same_rows_and_looks_in_parts_and_back() -> None:
    execute("CREATE ROLE parts_reader")
    execute(f"GRANT SELECT ON {TABLE} TO parts_reader")
    deliveries = [settled() for _ in range(25)]
    ids = [delivery.attempts.get().public_id for delivery in deliveries]
    looked, had = looks(), rows()
    last = attempt_parts.last_key()
    said = command()
    assert "Attempts are in 4 parts, 2 of them for what comes." in said
    assert (looks(), rows()) == (looked, had)
    assert rows_of("webhooks_deliveries_attempt_from_1") == [row["id"] for row in had]
    assert [delivery.attempts.get().public_id for delivery in deliveries] == ids
    assert settled().attempts.get().pk == last + JUMP
    fill(30)
    had = rows()
    said = command(whole=True)
    assert said.endswith("Attempts are in one table.\n")
    assert (looks(), rows()) == (looked, had)
    assert settled().attempts.get().pk == had[-1]["id"] + 1
    assert execute("SELECT count(*) FROM pg_class WHERE relname ~ 'attempt_(from|rest|oldest|former)'") == [(0,)]


def test_an_empty_table_has_its_first_part_from_its_next_key_on() -> None:
    settled()
    Delivery.objects.all().delete()
    last = attempt_parts.last_key()
    command()
    assert [part.low for part in read().ranges] == [None, last + 1, last + 11]
    assert settled().attempts.get().pk == last + 1


def test_a_table_that_never_had_a_row_can_be_in_parts_and_back() -> None:
    execute(f"ALTER TABLE {TABLE} ALTER COLUMN id RESTART")
    command()
    assert settled().attempts.get().pk == 1
    command(whole=True)
    assert settled().attempts.get().pk == 2


def test_there_and_back_twice() -> None:
    settled()
    looked = looks()
    for _time in range(2):
        command()
        command(whole=True)
    assert looks() == looked
    assert Attempt.objects.count() == 1


def test_what_is_in_the_form_already_says_so() -> None:
    with pytest.raises(CommandError, match="in one table already"):
        command(whole=True)
    command()
    with pytest.raises(CommandError, match="in parts already"):
        command()


OBSTACLES = {
    "the view report reads it": [f"CREATE VIEW report AS SELECT id FROM {TABLE}"],
    "the foreign key tied is tied to it": [
        f"CREATE TABLE other (attempt bigint CONSTRAINT tied REFERENCES {TABLE} (id))"
    ],
    "the trigger copies is on it": [
        "CREATE FUNCTION copies() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        f"CREATE TRIGGER copies AFTER INSERT ON {TABLE} FOR EACH ROW EXECUTE FUNCTION copies()",
    ],
    "the publication warehouse names it": [f"CREATE PUBLICATION warehouse FOR TABLE {TABLE}"],
    "it has row level security": [f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY"],
    "it inherits from another table": [f"CREATE TABLE older () INHERITS ({TABLE})"],
    "the index once is unique": [f"CREATE UNIQUE INDEX once ON {TABLE} (delivery_id, id, number)"],
    "it belongs to parts_other, and this session is parts_reader's": [
        "CREATE ROLE parts_other",
        "CREATE ROLE parts_reader",
        f"ALTER TABLE {TABLE} OWNER TO parts_other",
        f"GRANT SELECT ON {TABLE} TO parts_reader",
        "SET LOCAL ROLE parts_reader",
    ],
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_what_hangs_on_the_table_is_named_and_nothing_is_changed(obstacle: str) -> None:
    for statement in OBSTACLES[obstacle]:
        execute(statement)
    looked = looks()
    with pytest.raises(CommandError, match=obstacle) as refused:
        command()
    assert "Nothing was changed." in str(refused.value)
    assert looks() == looked
    assert attempt_parts.read() is None


def test_a_key_below_all_parts_is_refused() -> None:
    Attempt.objects.filter(pk=settled().attempts.get().pk).update(id=-1)
    with pytest.raises(CommandError, match="An attempt's key is -1"):
        command()


@pytest.mark.django_db(transaction=True)
def test_the_way_back_is_refused_while_processes_of_the_service_are_connected(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    with in_parts():
        session = psycopg.connect(
            host=connection.settings_dict["HOST"],
            port=connection.settings_dict["PORT"],
            user=connection.settings_dict["USER"],
            password=connection.settings_dict["PASSWORD"],
            dbname=connection.settings_dict["NAME"],
            application_name="web-1:4711 engine",
        )
        with session, pytest.raises(parts_conversion.CannotConvert, match="web-1:4711 are connected"):
            parts_conversion.to_whole(quiet)
        session.close()
        assert attempt_parts.read() is not None
