"""The canonical JSON is what Node makes of it, and what Node would change is refused with its place."""

import pickle
import random
import struct
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliveries.payloads.canonical_json import MAX_DEPTH, InvalidPayload, canonical, canonical_object, dump
from tests.support.json_strategies import documents, hundreds, numbers, thousands
from tests.support.receivers.node import NodeScript

WRITTEN = [
    ("25.50", "25.5"),
    ("1.0", "1"),
    ("-0.0", "0"),
    ("-0", "0"),
    ("0e400", "0"),
    ("0.0e-400", "0"),
    ("1e16", "10000000000000000"),
    ("1E2", "100"),
    ("123456789012345680000.0", "123456789012345680000"),
    ("1e21", "1e+21"),
    ("1.5e300", "1.5e+300"),
    ("0.0001", "0.0001"),
    ("0.00001", "0.00001"),
    ("1.234e-6", "0.000001234"),
    ("1e-7", "1e-7"),
    ("-1.5e-10", "-1.5e-10"),
    ("5e-324", "5e-324"),
    ("0.1000000000000000055511151231257827", "0.1"),
    ("9007199254740992", "9007199254740992"),
    ("-9007199254740991", "-9007199254740991"),
    ("100000000000000000000", "100000000000000000000"),
    (' { "a" : [ 1 , 2 ] } ', '{"a":[1,2]}'),
    ('"\\u2028\\u007f\\/\\u00e9\\ud83d\\ude00"', '"\u2028\x7f/é😀"'),
    ('"\\u0001\\b\\t\\n\\f\\r\\"\\\\"', '"\\u0001\\b\\t\\n\\f\\r\\"\\\\"'),
    ('"\\\\u0000"', '"\\\\u0000"'),
    ('{"b":1,"10":2,"9":3,"a":4}', '{"9":3,"10":2,"b":1,"a":4}'),
    ('{"x":{"b":1,"4294967294":2,"0":3}}', '{"x":{"0":3,"4294967294":2,"b":1}}'),
    ('{"4294967295":1,"01":2,"1.5":3,"-1":4,"":5,"1":6}', '{"1":6,"4294967295":1,"01":2,"1.5":3,"-1":4,"":5}'),
    ('{"__proto__":1,"a":1e-5,"5":[1e-9,"1"]}', '{"5":[1e-9,"1"],"__proto__":1,"a":0.00001}'),
    ("null", "null"),
    ("[true,false]", "[true,false]"),
    ("0.00005", "0.00005"),
]

# Where Python's parser stops: at the comma since 3.13, behind it before.
TRAILING_COMMA = "line 1, column 7 (byte 6)" if sys.version_info >= (3, 13) else "line 1, column 8 (byte 7)"

REFUSED = [
    ('{"a":9007199254740993}', "data.a", "9007199254740993 would be changed by JavaScript"),
    ('{"a":{"b":[0,9223372036854775807]}}', "data.a.b[1]", "Send it as a string"),
    ("[-9007199254740993]", "data[0]", "Send it as a string"),
    ("1000000000000000000000", "data", "would be changed"),
    ("9" * 5000, "data", "9999… would be changed"),
    ('{"order":{"items":[1,2,3,{"price":1e400}]}}', "data.order.items[3].price", "too large for a double"),
    ("[-1e400]", "data[0]", "too large"),
    ("[1e-400]", "data[0]", "would become 0"),
    ("[0.00001e-400]", "data[0]", "would become 0"),
    ('{"a":NaN}', "data.a", "NaN is not JSON"),
    ('{"a":[Infinity]}', "data.a[0]", "Infinity is not JSON"),
    ('{"a":-Infinity}', "data.a", "-Infinity is not JSON"),
    ('\ufeff{"a":1}', "line 1, column 1 (byte 0)", "byte order mark"),
    (b'\xef\xbb\xbf{"a":1}', "line 1, column 1 (byte 0)", "byte order mark"),
    (b'{"a":\n "\xc3\xa9\xff"}', "line 2, column 4 (byte 10)", "byte 0xff is not valid UTF-8"),
    (b'{"a":"\xed\xa0\x80"}', "line 1, column 7 (byte 6)", "not valid UTF-8"),
    ('{"a":"\\ud800"}', "data.a", "half of a surrogate pair"),
    ('{"a":"\\ude00\\ud83d"}', "data.a", "half of a surrogate pair"),
    ('{"a":"\ud800"}', "data.a", "half of a surrogate pair"),
    ('{"a":"x\\u0000"}', "data.a", "U+0000"),
    ('{"a":{"\\u0000":1}}', "data.a (a key)", "U+0000"),
    ('{"\\ud800":1}', "data (a key)", "half of a surrogate pair"),
    ('{"a":1,"b":2,"a":3}', "data.a", "occurs twice"),
    ('{"a":1,"\\u0061":3}', "data.a", "occurs twice"),
    ('{"o":{"1":1,"1":1}}', 'data.o["1"]', "occurs twice"),
    ('{"two words":{"é":NaN}}', 'data["two words"]["\\u00e9"]', "NaN"),
    ("[" * 65 + "]" * 65, "data" + "[0]" * 64, "more than 64 levels"),
    ("[" * 100_000, "data", "more than 64 levels"),
    ("", "line 1, column 1 (byte 0)", "the text is empty"),
    (b" \n ", "line 2, column 2 (byte 3)", "the text is empty"),
    ('{"a":1,}', TRAILING_COMMA, "no comma after the last item"),
    ("{\"é\":\n  'x'}", "line 2, column 3 (byte 9)", "Strings and keys take double quotes"),
    ('{"a":01}', "line 1, column 7 (byte 6)", "not valid JSON"),
    ('{"a":1} x', "line 1, column 9 (byte 8)", "Extra data"),
    ('["a\tb"]', "line 1, column 4 (byte 3)", "Invalid control character"),
    ('{"a":.5}', "line 1, column 6 (byte 5)", "not valid JSON"),
]


@pytest.fixture(scope="module")
def node() -> Iterator[NodeScript]:
    with NodeScript("canonical.js") as script:
        yield script


@pytest.mark.parametrize(("given", "written"), WRITTEN)
def test_values_are_written_as_ecmascript_writes_them(given: str, written: str) -> None:
    assert canonical(given) == written
    assert canonical(given.encode()) == written


def test_the_table_of_written_values_is_what_node_writes(node: NodeScript) -> None:
    assert [node.ask(given) for given, _ in WRITTEN] == [written for _, written in WRITTEN]


@pytest.mark.parametrize(("given", "path", "message"), REFUSED)
def test_what_would_change_is_refused_with_its_place(given: str | bytes, path: str, message: str) -> None:
    with pytest.raises(InvalidPayload) as refusal:
        canonical(given)
    place = refusal.value.path
    assert place == path or ("…" in place and path.startswith(place.split("…")[0]) and path.endswith(place[-40:]))
    assert message in refusal.value.message
    assert str(refusal.value) == f"{place}: {refusal.value.message}"


def test_an_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(InvalidPayload("data.a", "is wrong")))
    assert (error.path, error.message, str(error)) == ("data.a", "is wrong", "data.a: is wrong")


def test_sixty_four_levels_are_accepted() -> None:
    deepest = '[{"a":' * (MAX_DEPTH // 2) + "1" + "}]" * (MAX_DEPTH // 2)
    assert canonical(deepest) == deepest
    with pytest.raises(InvalidPayload, match="64 levels"):
        canonical(f"[{deepest}]")


def test_many_brackets_side_by_side_are_not_depth() -> None:
    wide = "[" + ",".join(["[]", "{}"] * 500) + "]"
    assert canonical(wide) == wide


def test_brackets_inside_strings_are_not_depth() -> None:
    text = '["' + "[{" * 100 + '"]'
    assert canonical(text) == text


def test_the_root_of_paths_can_be_named() -> None:
    with pytest.raises(InvalidPayload, match=r"^events\[2\]\.data\.a: NaN"):
        canonical('{"a":NaN}', root="events[2].data")


def test_a_text_over_the_limit_is_refused_unread() -> None:
    assert canonical("[12345]", max_bytes=7) == "[12345]"
    with pytest.raises(InvalidPayload, match="larger than 6 bytes"):
        canonical("[12345]", max_bytes=6)


@pytest.mark.parametrize(
    ("text", "kind"), [("[]", "an array"), ("1e-9", "a number"), ('"x"', "a string"), ("null", "null"), ("true", "a b")]
)
def test_only_an_object_passes_as_an_object(text: str, kind: str) -> None:
    with pytest.raises(InvalidPayload, match=f"must be a JSON object, but is {kind}"):
        canonical_object(text)
    assert canonical_object(' {"a": 1.0}') == '{"a":1}'


# --- against Node


@thousands
@given(text=documents)
def test_any_document_is_what_node_makes_of_it(node: NodeScript, text: str) -> None:
    result = canonical(text)
    assert result == node.ask(text)
    assert canonical(result) == result


@hundreds
@given(token=numbers)
def test_a_number_is_refused_exactly_when_javascript_would_change_it(node: NodeScript, token: str) -> None:
    in_node = node.ask(token)
    is_integer = token.lstrip("-").isdigit()
    has_digits = any(digit in "123456789" for digit in token.lower().split("e")[0])
    changed = (is_integer and in_node != token and token != "-0") or (
        not is_integer and (in_node == "null" or (in_node == "0" and has_digits))  # Infinity becomes null
    )
    if changed:
        with pytest.raises(InvalidPayload, match="as a string"):
            canonical(token)
    else:
        assert canonical(token) == in_node


json_like = st.text(st.sampled_from('{}[]:,"\\/bu0019de+-.EaIN \n\x01\ud800\u2028'), max_size=14)


@hundreds
@given(text=json_like | st.tuples(documents, json_like, documents).map("".join))
def test_what_node_cannot_parse_is_refused_and_nothing_accepted_differs(node: NodeScript, text: str) -> None:
    try:
        result = canonical(text)
    except InvalidPayload:
        return
    assert result == node.ask(text)


def test_twenty_thousand_doubles_are_written_as_node_writes_them(node: NodeScript) -> None:
    generator = random.Random(20240115)
    anywhere = (struct.unpack("<d", generator.randbytes(8))[0] for _ in range(12_000))
    near_thresholds = (generator.uniform(0.1, 10) * 10.0 ** generator.randint(-9, 23) for _ in range(6_000))
    prices = (round(generator.uniform(0, 10_000), 2) for _ in range(2_000))
    doubles = [x for numbers in (anywhere, near_thresholds, prices) for x in numbers if x - x == 0]
    assert len(doubles) > 19_900
    text = "[" + ",".join(f"{x!r}" for x in doubles) + "]"
    assert canonical(text).split(",") == node.ask(text).split(",")
    assert dump(doubles) == canonical(text)
