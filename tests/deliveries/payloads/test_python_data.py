"""Python data become the JSON that their text would become, or are refused with their place."""

import json
from collections import OrderedDict
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliveries.payloads.canonical_json import InvalidPayload, canonical, dump
from tests.support.json_strategies import hundreds, key_texts, texts


class Plain(Enum):
    PAIR = ("a", 1)
    TEXT = "text"


class Word(StrEnum):
    PAID = "paid"


class Number(IntEnum):
    TWO = 2


def test_python_data_become_json_values() -> None:
    order = {
        "total": Decimal("49.90"),
        "huge": Decimal("1E+3"),
        "at": datetime(2024, 1, 15, 17, 30, 0, 250_000, tzinfo=timezone(timedelta(hours=2))),
        "on": date(2024, 1, 15),
        "id": UUID("12345678-1234-5678-1234-567812345678"),
        "enums": (Plain.PAIR, Plain.TEXT, Word.PAID, Number.TWO),
        "maps": [OrderedDict(b=1, a=2), MappingProxyType({"2": 1.0, "1": None})],
        Word.PAID: True,
        "rate": 1e-7,
        "whole": 3.0,
    }
    assert dump(order) == (
        '{"total":"49.90","huge":"1000","at":"2024-01-15T15:30:00.250000Z","on":"2024-01-15",'
        '"id":"12345678-1234-5678-1234-567812345678","enums":[["a",1],"text","paid",2],'
        '"maps":[{"b":1,"a":2},{"1":null,"2":1}],"paid":true,"rate":1e-7,"whole":3}'
    )
    assert dump(datetime(2024, 1, 15, 15, 30, tzinfo=UTC)) == '"2024-01-15T15:30:00Z"'


_itself: list[object] = []
_itself.extend([_itself, _itself])


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        ({"a": [object()]}, "data.a[0]", "of type object, which has no JSON form"),
        ({"a": b"bytes"}, "data.a", "of type bytes"),
        ({"a": {1, 2}}, "data.a", "of type set"),
        ({"a": {1: 2}}, 'data.a["1"]', "Keys must be strings: use str(key)"),
        ({"a": datetime(2024, 1, 15)}, "data.a", "without a time zone"),
        ({"a": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2)))}, "data.a", "outside the years"),
        ({"a": float("nan")}, "data.a", "nan is not JSON"),
        ({"a": float("-inf")}, "data.a", "-inf is not JSON"),
        ({"a": Decimal("NaN")}, "data.a", "NaN is not JSON"),
        ({"a": 2**53 + 1}, "data.a", "9007199254740993 would be changed"),
        ({"a": 10**5000}, "data.a", "would be changed by JavaScript"),
        ({"a": "\ud800"}, "data.a", "surrogate"),
        ({"a": "\0"}, "data.a", "U+0000"),
        ({"a": _itself}, "data", "64 levels"),
    ],
)
def test_python_data_without_a_json_form_are_refused_with_their_place(value: object, path: str, message: str) -> None:
    with pytest.raises(InvalidPayload) as refusal:
        dump(value)
    assert refusal.value.path == path
    assert message in refusal.value.message


@hundreds
@given(
    value=st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**53), 2**53)
        | st.floats(allow_nan=False, allow_infinity=False)
        | texts,
        lambda items: st.lists(items, max_size=5) | st.dictionaries(key_texts, items, max_size=5),
        max_leaves=20,
    )
)
def test_python_data_and_their_json_text_come_to_the_same(value: object) -> None:
    assert dump(value) == canonical(json.dumps(value))
