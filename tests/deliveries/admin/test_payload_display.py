"""JSON on the pages: laid out, and otherwise as it was sent or answered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliveries.admin import payload_display

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_any_json_is_laid_out_as_python_does(value: Any, indent: Any, escaped: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=escaped)

    assert payload_display.pretty(text) == json.dumps(value, indent=2, ensure_ascii=False)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1e-7", "1e-7"),
        ('{"n":0.000001}', '{\n  "n": 0.000001\n}'),
        ('{"n":1.0}', '{\n  "n": 1.0\n}'),
        ('{"n":1E5}', '{\n  "n": 1E5\n}'),
        ('{"n":12345678901234567890123}', '{\n  "n": 12345678901234567890123\n}'),
        ("[3.141592653589793238462643]", "[\n  3.141592653589793238462643\n]"),
        ('{"a":1,"a":2}', '{\n  "a": 1,\n  "a": 2\n}'),
        ("[-0]", "[\n  -0\n]"),
        ("[-0.0, NaN]", "[\n  -0.0,\n  NaN\n]"),
        ('["\\u00e9"]', '[\n  "é"\n]'),
        ('["\\ud800"]', '[\n  "\\ud800"\n]'),
        ('["\\ud83d\\ude00"]', '[\n  "😀"\n]'),
        ('["\\u0022"]', '[\n  "\\""\n]'),
        ("[]", "[]"),
        ("[[],{}]", "[\n  [],\n  {}\n]"),
        ('["{", "[", "}"]', '[\n  "{",\n  "[",\n  "}"\n]'),
        ("not json", "not json"),
        ('{"a":', '{"a":'),
        ("", ""),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_what_is_written_stays_as_it_is_written(text: str, shown: str) -> None:
    assert payload_display.pretty(text) == shown
    shown.encode()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"webhook-signature does not match", "webhook-signature does not match"),
        (b"first line\nsecond", "first line"),
        (
            b'{"error": "invalid_signature", "message": "webhook-signature does not match"}',
            "webhook-signature does not match",
        ),
        (b'{"type": "about:blank", "title": "Gone", "detail": "The route moved."}', "The route moved."),
        (b'{"errors": [{"code": "x", "message": "No such order"}]}', "No such order"),
        (b'{"error": {"message": "Quota"}}', "Quota"),
        (b'["not today"]', "not today"),
        (b'{"error": true, "code": 7}', ""),
        (b'"plain"', "plain"),
        (b"<html><body>502</body></html>", ""),
        (b"sorry \xff\x00", ""),
        (b"\x1b[31mred", ""),
        (b"", ""),
        (None, ""),
        (b"{" * 4000, ""),
        (b'{"error":' * 450 + b"1" + b"}" * 450, ""),
        (b"[" * 2000 + b"]" * 2000, ""),
        (b"x" * 4096, "x" * payload_display.SENTENCE_MAX + "…"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_answers_own_words_are_a_line_of_text_or_none(body: bytes | None, said: str) -> None:
    assert payload_display.sentence_of(body) == said
