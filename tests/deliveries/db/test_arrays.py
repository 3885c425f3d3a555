"""Columns as array literals: PostgreSQL reads back what was written, whatever it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

import pytest
from django.db import DataError, connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deliveries.db.arrays import columns, literal

pytestmark = pytest.mark.django_db
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1900, 1, 1), datetime(9999, 12, 30), timezones=zones)
COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "text": texts,
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "float8": st.floats(allow_nan=False),
    "boolean": st.booleans(),
    "bytea": st.binary(),
    "timestamptz": moments,
}


def read_back(type_name: str, values: list[Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT v FROM unnest(%s::{type_name}[]) WITH ORDINALITY AS u(v, n) ORDER BY n", [literal(values)]
        )
        return [bytes(v) if isinstance(v, memoryview) else v for (v,) in cursor.fetchall()]


@pytest.mark.parametrize("type_name", COLUMNS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_is_written_is_read_back(type_name: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(COLUMNS[type_name] | st.none(), max_size=8))
    assert read_back(type_name, values) == values


@pytest.mark.parametrize(
    "text",
    ["", "NULL", "null", '"', "\\", '\\"', "{a,b}", "a,b", " edge ", "line\nbreak\ttab", "Ünïcödé ✓ 🎉", "%s %% $1"],
)
def test_texts_that_look_like_the_syntax_stay_texts(text: str) -> None:
    assert read_back("text", [text, None, text]) == [text, None, text]


def test_nul_is_refused_by_the_database_and_not_cut_off() -> None:
    with pytest.raises((DataError, ValueError)):
        read_back("text", ["a\0b"])


def test_a_thousand_texts_keep_their_order() -> None:
    values = [f"text {n}" for n in range(5000)]
    assert read_back("text", values) == values


def test_subclasses_are_written_as_what_they_derive_from() -> None:
    class Colour(StrEnum):
        RED = "red"

    assert read_back("text", [Colour.RED]) == ["red"]
    assert read_back("int", [True + 0, 5]) == [1, 5]


def test_a_value_without_a_form_is_refused_by_its_type() -> None:
    with pytest.raises(TypeError, match="object"):
        literal([object()])


def test_rows_become_named_columns_and_no_rows_are_empty_arrays() -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert columns(("a", "b"), [(1, "x"), (2, "y")]) == {"a": "{1,2}", "b": '{"x","y"}'}
    assert columns(("a", "b"), []) == {"a": "{}", "b": "{}"}
    assert read_back("timestamptz", [noon]) == [noon]
