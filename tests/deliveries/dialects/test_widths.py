"""Each dialect's times have one width, so that receivers may compare them as text."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

import pytest

from deliveries import dialects
from deliveries.dialects import Encoded
from deliveries.dialects.base import TIME_HEADER
from tests.support.factories import PLAIN_SECRET, STANDARD_SECRET
from tests.support.receivers.samples import message

MOMENTS: Final = [
    datetime(2024, 1, 15, 15, 30, tzinfo=UTC),
    datetime(2024, 1, 15, 15, 30, 0, 1, tzinfo=UTC),
    datetime(2024, 1, 15, 15, 30, 0, 100_000, tzinfo=UTC),
    datetime(2024, 1, 15, 15, 30, 0, 123_000, tzinfo=UTC),
    datetime(2024, 1, 15, 15, 30, 0, 500_000, tzinfo=UTC),
    datetime(2024, 1, 15, 15, 30, 0, 999_999, tzinfo=UTC),
    datetime(2024, 1, 15, 15, 30, 1, tzinfo=UTC),
    datetime(2024, 1, 15, 23, 59, 59, 999_999, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    datetime(1000, 1, 1, tzinfo=UTC),
    datetime(1999, 12, 31, 23, 59, 59, 10, tzinfo=UTC),
    datetime(2024, 2, 29, tzinfo=timezone(timedelta(hours=-12))),
    datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]
IN_BODY: Final = {
    "alva": ("timestamp", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
    "litestore": ("timestamp", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
    "cryptlex": ("triggeredAt", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z"),
    "standard": ("timestamp", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"),
}


def encoded(name: str, moment: datetime) -> Encoded:
    secret = STANDARD_SECRET if name == "standard" else PLAIN_SECRET
    return dialects.get(name).encode(message(occurred_at=moment), [secret])


def read(text: str) -> datetime:
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d*Z", r"\1+00:00", text).replace("Z", "+00:00"))


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
@pytest.mark.parametrize("name", IN_BODY)
def test_the_time_in_the_body_has_the_dialects_width(name: str, moment: datetime) -> None:
    member, pattern = IN_BODY[name]
    text = json.loads(encoded(name, moment).body)[member]
    assert re.fullmatch(pattern, text)
    assert abs(read(text) - moment) < (timedelta(seconds=1) if name in {"alva", "litestore"} else timedelta(1e-9))


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
@pytest.mark.parametrize("name", dialects.NAMES)
def test_the_header_with_the_events_time_has_six_digits_in_every_dialect(name: str, moment: datetime) -> None:
    text = dict(encoded(name, moment).headers)[TIME_HEADER]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", text)
    assert read(text) == moment


@pytest.mark.parametrize("name", IN_BODY)
def test_times_in_the_order_of_text_are_in_order(name: str) -> None:
    member, _pattern = IN_BODY[name]
    ordered = [json.loads(encoded(name, moment).body)[member] for moment in sorted(MOMENTS)]
    assert ordered == sorted(ordered)
