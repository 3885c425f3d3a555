"""Headers in the log: short on the way in, as they were on the way out."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliveries import dialects
from deliveries.db.sessions import clock
from deliveries.dialects.base import iso
from deliveries.models import Attempt
from deliveries.models.logged_headers import REPEATED, pack, unpack
from deliveries.recording import outcomes
from deliveries.sending.masking import MASKED
from deliveries.sending.rendering import render
from tests.support.engine import answered, claim_one, due_one

TEXTS = st.text(max_size=30)
KNOWN = st.sampled_from([each if isinstance(each, str) else each[0] for each in REPEATED])
VALUES = st.one_of(TEXTS, st.sampled_from([each[1] for each in REPEATED if isinstance(each, tuple)]))


@given(st.lists(st.tuples(st.one_of(KNOWN, TEXTS), VALUES), max_size=12))
def test_headers_come_out_as_they_went_in(headers: list[tuple[str, str]]) -> None:
    assert unpack(pack(headers)) == headers


OURS = {"webhook-id": "evt_1", "webhook-event": "a", "webhook-event-time": "t", "webhook-timestamp": "7"}


@given(
    st.lists(
        st.tuples(
            st.one_of(st.sampled_from(sorted(OURS)), KNOWN), st.one_of(st.sampled_from(sorted(OURS.values())), TEXTS)
        )
    )
)
def test_what_the_event_says_comes_out_as_well(headers: list[tuple[str, str]]) -> None:
    assert unpack(pack(headers, OURS), OURS) == headers


@pytest.mark.django_db
@pytest.mark.parametrize("dialect", dialects.NAMES)
def test_of_an_event_nothing_is_kept_twice(dialect: str) -> None:
    """Id, type and time stand in the event's row, and when it was sent in the attempt's."""
    delivery = due_one(dialect=dialect)
    row = claim_one(delivery)
    made = render(row, row.data, clock.at(time.monotonic()))
    outcomes.record([answered(row, request=made)])
    attempt = Attempt.objects.get()
    shown = [pair for pair in attempt.sent_headers if pair[1] != MASKED]
    assert shown == [pair for pair in made.headers if pair[0] in dict(shown)]
    assert shown
    assert delivery.event.public_id not in attempt.request_headers
    assert iso(delivery.event.occurred_at) not in attempt.request_headers


@pytest.mark.django_db
@pytest.mark.parametrize("behind", [0, 1])
def test_the_date_of_an_answer_is_kept_only_where_the_row_does_not_tell_it(behind: int) -> None:
    sent = answered(claim_one(due_one()))
    date = formatdate(int(clock.at(sent.finished).timestamp()) - behind, usegmt=True)
    outcomes.record([replace(sent, outcome=replace(sent.outcome, headers=(("Date", date), ("Server", "x"))))])
    attempt = Attempt.objects.get()
    assert attempt.answer_headers == [("Date", date), ("Server", "x")]
    assert (date in attempt.response_headers) == bool(behind)


def test_a_row_whose_event_is_not_known_shows_none() -> None:
    assert unpack(pack([("webhook-id", "evt_1")], OURS)) == []


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
