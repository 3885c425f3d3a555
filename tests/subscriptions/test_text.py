"""One line of plain text: the document and the validator agree about every character."""

from __future__ import annotations

import re

import pytest

from subscriptions.api.formats import Address, Line
from subscriptions.validators.text import single_line

BASIC_PLANE = [chr(code) for code in range(0x10000) if not 0xD800 <= code < 0xE000]


def is_taken(text: str) -> bool:
    try:
        single_line(text, 100, "A name")
    except ValueError:
        return False
    return True


def pattern_of(field: Line | Address) -> re.Pattern[str]:
    return next(one.regex for one in field.validators if hasattr(one, "regex"))


@pytest.mark.parametrize("text", ["{}", "a{}b", "{}b", "a{}", " {} ", "a{0}b{0}c"])
def test_the_document_says_of_a_name_what_the_validator_says(text: str) -> None:
    pattern = pattern_of(Line())
    texts = [text.format(one) for one in BASIC_PLANE]

    assert [one for one in texts if bool(pattern.search(one)) != is_taken(one)] == []


def test_the_document_allows_no_address_that_is_no_line() -> None:
    pattern = pattern_of(Address())
    refused = [f"https://shop.example/{one}x" for one in BASIC_PLANE if not is_taken(f"a{one}b")]

    assert len(refused) > 80
    assert [one for one in refused if pattern.search(one)] == []
