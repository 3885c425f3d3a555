"""Headers in the log: short on the way in, as they were on the way out."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliveries import dialects
from deliveries.models.logged_headers import REPEATED, pack, unpack
from deliveries.sending.rendering import render
from tests.support.engine import claim_one, due_one

TEXTS = st.text(max_size=30)
KNOWN = st.sampled_from([each if isinstance(each, str) else each[0] for each in REPEATED])
VALUES = st.one_of(TEXTS, st.sampled_from([each[1] for each in REPEATED if isinstance(each, tuple)]))


@given(st.lists(st.tuples(st.one_of(KNOWN, TEXTS), VALUES), max_size=12))
def test_headers_come_out_as_they_went_in(headers: list[tuple[str, str]]) -> None:
    assert unpack(pack(headers)) == headers


@pytest.mark.parametrize("headers", [[], [("webhook-id", "e-0")], [("Content-Type", "application/json"), ("X", "1")]])
def test_rows_of_earlier_releases_are_read_as_before(headers: list[tuple[str, str]]) -> None:
    assert unpack(json.dumps(headers)) == headers


NO_HEADERS = ["", "{", "null", "7", "[[1]]", "[9999]", "[-1]", "[null]", '["abc"]', '{"a": 1}', '[[9999, "x"]]', "[5]"]


@pytest.mark.parametrize("text", NO_HEADERS)
def test_what_is_no_list_of_headers_shows_none(text: str) -> None:
    assert unpack(text) == []


def test_the_places_that_rows_hold_never_move() -> None:
    assert [REPEATED[place] for place in (0, 4, 5, 10, 14, 15, 28, 35)] == [
        ("Content-Type", "application/json"), ("webhook-attempt", "1"), "webhook-id", "webhook-signature",
        "X-Shopery-Secret", "Date", "Referrer-Policy", ("Content-Length", "2"),
    ]  # fmt: skip
    assert len(REPEATED) == len(set(REPEATED)) == 36


@pytest.mark.django_db
@pytest.mark.parametrize("dialect", dialects.NAMES)
def test_no_name_of_ours_is_written_out(dialect: str) -> None:
    """The same ten names in each row of the log were a tenth of what an event wrote to the WAL."""
    delivery = due_one(dialect=dialect)
    row = claim_one(delivery)
    headers = [(str(name), str(value)) for name, value in render(row, row.data, delivery.created_at).headers]
    kept = json.loads(pack(headers))
    assert kept
    assert all(isinstance(each, int) or isinstance(each[0], int) for each in kept), kept
