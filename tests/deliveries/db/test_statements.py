"""Statements stand by name in `.sql` files: each with a comment, with parameters by name, and known to PostgreSQL."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from deliveries.db.engine_session import fetch
from deliveries.db.statements import load
from deliveries.models.deliveries import HELD

FILES = sorted((Path(settings.BASE_DIR) / "deliveries").rglob("*.sql"))
STATEMENTS = {(path.name, name): sql for path in FILES for name, sql in load(str(path), path.name).items()}
_PARAMETER = re.compile(r"%\((\w+)\)s(::[\w]+(\[\])?)?")


@pytest.mark.parametrize("place", STATEMENTS, ids="/".join)
def test_a_statement_begins_with_a_comment_and_names_its_parameters(place: tuple[str, str]) -> None:
    sql = STATEMENTS[place]
    assert sql.startswith("-- ")
    assert "%" not in _PARAMETER.sub("", sql), "only %(name)s, so that it can be pasted"
    assert max(map(len, sql.splitlines())) <= 120


@pytest.mark.django_db
@pytest.mark.parametrize("place", STATEMENTS, ids="/".join)
def test_postgresql_knows_every_table_column_and_index_condition_of_a_statement(place: tuple[str, str]) -> None:
    sql = _PARAMETER.sub(lambda found: f"NULL{found[2] or ''}", STATEMENTS[place])
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('webhooks.turns', '1,2', true)")  # by take_turns, before a claim
        cursor.execute(f"EXPLAIN {sql}")
        assert cursor.fetchall()


def test_held_is_written_as_the_model_has_it() -> None:
    for sql in STATEMENTS.values():
        assert all(text == f"{HELD:%Y-%m-%d %H:%M:%S}+00" for text in re.findall(r"'(9999-[^']*)'", sql))
    assert any("'9999-" in sql for sql in STATEMENTS.values())


def test_a_file_that_names_a_statement_twice_or_begins_without_a_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "twice.sql").write_text("-- name: one\nSELECT 1\n\n-- name: one\nSELECT 2\n", encoding="utf-8")
    (tmp_path / "nameless.sql").write_text("SELECT 1\n-- name: one\nSELECT 2\n", encoding="utf-8")
    with pytest.raises(ValueError, match="twice"):
        load(str(tmp_path / "module.py"), "twice.sql")
    with pytest.raises(ValueError, match="before the first"):
        load(str(tmp_path / "module.py"), "nameless.sql")


@pytest.mark.django_db
def test_a_parameter_may_stand_in_a_statement_twice() -> None:
    [row] = fetch("SELECT %(b)s::text AS first, %(a)s::int AS second, %(b)s::text AS third", {"a": 1, "b": "x", "c": 2})
    assert row == ("x", 1, "x")
